//! `oms-operator check`: whether an installation works. `helm test` runs it with the operator's own account.
//!
//! It asks the API server for each right that the chart gives, lists and watches `OmsUpgrade`s, and looks whether
//! somebody renews the Lease. It writes nothing; a review of access is an object that is not stored.
use super::options::{LeaseOption, parse_lease};
use crate::api::OmsUpgrade;
use futures::TryStreamExt;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::{Api, ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Client, Config};
use std::process::ExitCode;
use std::time::Duration;

/// Pause between two looks at the Lease. Its holder renews it every two seconds.
const PAUSE: Duration = Duration::from_secs(2);
/// Looks at the Lease until nobody is taken to hold it: a new holder waits for up to 30 seconds for the one before.
const LOOKS: usize = 20;

/// What is looked at.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckOptions {
    /// Namespace that the operator watches; may be given several times.
    #[arg(long = "watch-namespace", value_name = "NAMESPACE", required = true)]
    watch_namespaces: Vec<String>,
    /// Rights that the operator must have in each of them: a list of RBAC rules as JSON.
    #[arg(long, value_name = "JSON", value_parser = parse_rules)]
    rights: Rules,
    /// Rights that it must have in the namespace of its Lease.
    #[arg(long, value_name = "JSON", value_parser = parse_rules)]
    lease_rights: Rules,
    /// The Lease of the operator, as `NAMESPACE/NAME`.
    #[arg(long, value_name = "LEASE", value_parser = parse_lease)]
    lease: LeaseOption,
}

/// RBAC rules; a type of its own, for clap takes a `Vec` for an option that may be given several times.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(transparent)]
struct Rules(Vec<PolicyRule>);

fn parse_rules(text: &str) -> Result<Rules, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Looks, prints a line for each thing that it looked at, and fails when one of them does not work.
pub fn check_installation(options: &CheckOptions) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(async {
            let config = Config::infer().await.map_err(|error| error.to_string())?;
            let client = Client::try_from(config).map_err(|error| error.to_string())?;
            Ok(look(&client, options, PAUSE).await)
        }),
        Err(error) => Err(error.to_string()),
    };
    let findings = outcome.unwrap_or_else(|error: String| {
        vec![Err(format!("the API server cannot be reached: {error}"))]
    });
    for finding in &findings {
        match finding {
            Ok(seen) => println!("ok      {seen}"),
            Err(wrong) => println!("FAILED  {wrong}"),
        }
    }
    if findings.iter().all(Result::is_ok) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What was seen to work, or what does not, one of it for each look.
type Finding = Result<String, String>;

async fn look(client: &Client, options: &CheckOptions, pause: Duration) -> Vec<Finding> {
    let mut findings = Vec::new();
    for namespace in &options.watch_namespaces {
        findings.push(check_rights(client, namespace, &options.rights).await);
        findings.push(check_definition(client, namespace).await);
        findings.push(check_watch(client, namespace).await);
    }
    if let LeaseOption::Named {
        namespace: Some(namespace),
        name,
    } = &options.lease
    {
        findings.push(check_rights(client, namespace, &options.lease_rights).await);
        findings.push(check_lease(client, namespace, name, pause).await);
    }
    findings
}

/// Each verb on each resource of some rules.
fn list_rights(rules: &Rules) -> Vec<ResourceAttributes> {
    let mut rights = Vec::new();
    for rule in &rules.0 {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                let (resource, part) = match resource.split_once('/') {
                    Some((resource, part)) => (resource, Some(part.to_owned())),
                    None => (resource.as_str(), None),
                };
                rights.extend(rule.verbs.iter().map(|verb| ResourceAttributes {
                    group: Some(group.clone()),
                    resource: Some(resource.into()),
                    subresource: part.clone(),
                    verb: Some(verb.clone()),
                    ..ResourceAttributes::default()
                }));
            }
        }
    }
    rights
}

fn name_right(right: &ResourceAttributes) -> String {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let part = right.subresource.as_ref().map(|part| format!("/{part}"));
    let group = match text(&right.group) {
        group if group.is_empty() => "core".into(),
        group => group,
    };
    let resource = text(&right.resource) + &part.unwrap_or_default();
    format!("{} {group}/{resource}", text(&right.verb))
}

async fn check_rights(client: &Client, namespace: &str, rules: &Rules) -> Finding {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let rights = list_rights(rules);
    let mut missing = Vec::new();
    for right in &rights {
        let asked = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    namespace: Some(namespace.into()),
                    ..right.clone()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let answer = reviews.create(&PostParams::default(), &asked).await;
        let answer = answer.map_err(|error| {
            format!("namespace {namespace}: rights cannot be asked for, nothing was changed; look at the API server: {error}")
        })?;
        if !answer.status.is_some_and(|status| status.allowed) {
            missing.push(name_right(right));
        }
    }
    if missing.is_empty() {
        let count = rights.len();
        return Ok(format!(
            "namespace {namespace}: all {count} rights are held"
        ));
    }
    Err(format!(
        "namespace {namespace}: the operator's account lacks {}; bind the chart's Role there (docs/rbac.md)",
        missing.join(", ")
    ))
}

async fn check_definition(client: &Client, namespace: &str) -> Finding {
    let upgrades: Api<OmsUpgrade> = Api::namespaced(client.clone(), namespace);
    match upgrades
        .list_metadata(&ListParams::default().limit(1))
        .await
    {
        Ok(_) => Ok(format!("namespace {namespace}: OmsUpgrades are served")),
        Err(error) => Err(format!(
            "namespace {namespace}: OmsUpgrades cannot be listed, so no upgrade is worked on; is the definition installed (crds.enabled), and \
             the Role bound? {error}"
        )),
    }
}

async fn check_watch(client: &Client, namespace: &str) -> Finding {
    let upgrades: Api<OmsUpgrade> = Api::namespaced(client.clone(), namespace);
    let wrong = |error: String| {
        format!(
            "namespace {namespace}: OmsUpgrades cannot be watched, so changes would not be seen; look at what stands between operator and API \
             server: {error}"
        )
    };
    // The server ends it by itself after this second.
    let asked = WatchParams::default().timeout(1);
    let mut events = match upgrades.watch_metadata(&asked, "0").await {
        Ok(events) => Box::pin(events),
        Err(error) => return Err(wrong(error.to_string())),
    };
    loop {
        match events.try_next().await {
            Ok(None) => break Ok(format!("namespace {namespace}: the watch works")),
            Ok(Some(WatchEvent::Error(error))) => break Err(wrong(error.to_string())),
            Ok(Some(_)) => {}
            Err(error) => break Err(wrong(error.to_string())),
        }
    }
}

/// Whether somebody renews the Lease: it changes between two looks. No clocks of two machines are compared.
async fn check_lease(client: &Client, namespace: &str, name: &str, pause: Duration) -> Finding {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let mut first = None;
    for _ in 0..LOOKS {
        let lease = leases.get_opt(name).await.map_err(|error| {
            format!("Lease {namespace}/{name}: cannot be read, so it is not known whether an operator works; look at the Role of the Lease: {error}")
        })?;
        let spec = lease.and_then(|lease| lease.spec).unwrap_or_default();
        if let (Some(holder), Some(renewed)) = (spec.holder_identity, spec.renew_time)
            && !holder.is_empty()
        {
            if first.as_ref().is_some_and(|first| *first != renewed) {
                return Ok(format!("Lease {namespace}/{name}: {holder} works"));
            }
            first = Some(renewed);
        }
        tokio::time::sleep(pause).await;
    }
    Err(format!(
        "Lease {namespace}/{name}: nobody renews it, so no operator works and upgrades under way stand still; look at the operator's pods and \
         their log"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use kube::client::Body;
    use serde_json::{Value, json};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// What is out of order in the cluster.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fault {
        None,
        Right,
        Definition,
        Watch,
        Lease,
    }

    fn connect(fault: Fault) -> Client {
        let renewals = Arc::new(AtomicUsize::new(0));
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let renewals = renewals.clone();
            async move {
                let (parts, body) = request.into_parts();
                let bytes = body.collect().await.unwrap().to_bytes();
                let mut asked: Value = serde_json::from_slice(&bytes).unwrap_or_default();
                let path = parts.uri.path();
                let query = parts.uri.query().unwrap_or_default();
                let missing = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "message": path, "code": 404});
                let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": []});
                let (code, answer) = match path.rsplit('/').next().unwrap() {
                    "selfsubjectaccessreviews" => {
                        let exec = asked["spec"]["resourceAttributes"]["subresource"] == "exec";
                        asked["status"] = json!({"allowed": fault != Fault::Right || !exec});
                        (201, asked)
                    }
                    "omsupgrades" if fault == Fault::Definition => (404, missing),
                    "omsupgrades" if query.contains("watch=true") => {
                        let gone = json!({"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "message": "cut", "reason": "Expired", "code": 410}});
                        (
                            200,
                            if fault == Fault::Watch {
                                gone
                            } else {
                                Value::Null
                            },
                        )
                    }
                    "omsupgrades" => (200, list),
                    _ => {
                        let renewed = renewals
                            .fetch_add(usize::from(fault != Fault::Lease), Ordering::Relaxed);
                        let time = format!("2026-01-01T00:00:{renewed:02}.000000Z");
                        (
                            200,
                            json!({"metadata": {"name": "op"}, "spec": {"holderIdentity": "pod", "renewTime": time}}),
                        )
                    }
                };
                let text = if answer.is_null() {
                    Vec::new()
                } else {
                    serde_json::to_vec(&answer).unwrap()
                };
                http::Response::builder()
                    .status(code)
                    .body(Body::from(text))
            }
        });
        Client::new(service, "oms")
    }

    fn options() -> CheckOptions {
        let rules = r#"[{"apiGroups": [""], "resources": ["pods", "pods/exec"], "verbs": ["get", "create"]}]"#;
        CheckOptions {
            watch_namespaces: vec!["oms".into()],
            rights: parse_rules(rules).unwrap(),
            lease_rights: parse_rules(rules.replace("pods/exec", "leases").as_str()).unwrap(),
            lease: parse_lease("ops/op").unwrap(),
        }
    }

    async fn list_failures(fault: Fault) -> Vec<String> {
        let findings = look(&connect(fault), &options(), Duration::ZERO).await;
        assert_eq!(findings.len(), 5, "{findings:?}");
        findings.into_iter().filter_map(Result::err).collect()
    }

    #[tokio::test]
    async fn what_works_is_not_named() {
        assert_eq!(list_failures(Fault::None).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_does_not_work_is_named() {
        for (fault, told) in [
            (
                Fault::Right,
                vec!["lacks get core/pods/exec, create core/pods/exec; bind"],
            ),
            (
                Fault::Definition,
                vec!["cannot be listed", "cannot be watched"],
            ),
            (Fault::Watch, vec!["cannot be watched"]),
            (Fault::Lease, vec!["ops/op: nobody renews it"]),
        ] {
            let failures = list_failures(fault).await;
            assert_eq!(failures.len(), told.len(), "{fault:?}: {failures:?}");
            for (failure, words) in failures.iter().zip(told) {
                assert!(failure.contains(words), "{fault:?}: {failure}");
            }
        }
    }
}
