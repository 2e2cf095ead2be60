//! The Applications of Argo CD that keep the targets, where the installation lets the operator read them. Reads only.
use super::targets::{TargetView, read_object};
use crate::controller::calls::CallSite;
use crate::controller::ports::Ports;
use crate::facts::{ApplicationFacts, Fact, Needs};
use crate::objects::application::find_application;
use crate::objects::owner::list_owners;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

/// One answer per target.
pub(super) async fn read_applications(
    ports: &Ports,
    needs: Needs,
    views: &[TargetView],
) -> Vec<Fact<Option<ApplicationFacts>>> {
    let looks: Vec<BoxFuture<'_, Fact<Option<ApplicationFacts>>>> = views
        .iter()
        .map(|view| read_application(ports, needs, view).boxed())
        .collect();
    futures::future::join_all(looks).await
}

async fn read_application(
    ports: &Ports,
    needs: Needs,
    view: &TargetView,
) -> Fact<Option<ApplicationFacts>> {
    let deployment = view.facts.deployment.known().and_then(Option::as_ref);
    let Some(deployment) = deployment.filter(|_| needs.applications) else {
        return Fact::default();
    };
    look_at(ports, &deployment.object).await
}

async fn look_at(ports: &Ports, object: &Value) -> Fact<Option<ApplicationFacts>> {
    let allowed = &ports.settings.applications;
    let kept = list_owners(object).any(|owner| owner.is_argocd());
    let (Some(own), true) = (allowed.first(), kept) else {
        return Fact::Known(None);
    };
    let Some(found) = find_application(object) else {
        return Fact::Unknown("the Deployment does not say which Application it is of".into());
    };
    let namespace = found.namespace.as_ref().unwrap_or(own);
    let name = format!("{namespace}/{}", found.name);
    if !allowed.contains(namespace) {
        return Fact::Unknown(format!(
            "Application {name}: namespace {namespace} is not among rbac.applications of the chart"
        ));
    }
    let url = format!("/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications");
    match read_object(ports, CallSite::GetApplication, url, &found.name).await {
        Ok(Some(object)) => Fact::Known(Some(ApplicationFacts {
            name,
            spec: object.get("spec").cloned().unwrap_or(Value::Null),
        })),
        Ok(None) => Fact::Unknown(format!("there is no Application {name}")),
        Err(error) => Fact::Unknown(format!("Application {name}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::double::{Server, build_ports};
    use crate::controller::ports::{Settings, SystemClock};
    use serde_json::json;
    use std::sync::Arc;

    /// What is seen of a Deployment that names an Application, where two namespaces may be read; and what was asked.
    async fn look(
        allowed: &[&str],
        tracking: &str,
    ) -> (Fact<Option<ApplicationFacts>>, Vec<String>) {
        let server = Server::with(&[]);
        for (namespace, name) in [("argocd", "oms"), ("team", "oms")] {
            let path =
                format!("/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications/{name}");
            let object = json!({"metadata": {"name": name}, "spec": {"of": namespace}});
            server.others.lock().unwrap().insert(path, object);
        }
        let mut ports = build_ports(&server, Arc::new(SystemClock));
        ports.settings = Arc::new(Settings {
            applications: allowed.iter().map(|name| (*name).to_owned()).collect(),
            ..(*ports.settings).clone()
        });
        let object = json!({"metadata": {"name": "oms", "namespace": "prod", "annotations": {"argocd.argoproj.io/tracking-id": tracking}}});
        let seen = look_at(&ports, &object).await;
        let asked = server.asked.lock().unwrap().clone();
        (seen, asked)
    }

    #[tokio::test]
    async fn the_application_is_read_where_it_lies() {
        for (tracking, namespace) in [
            ("oms:apps/Deployment:prod/oms", "argocd"),
            ("team_oms:apps/Deployment:prod/oms", "team"),
        ] {
            let (seen, _) = look(&["argocd", "team"], tracking).await;
            let wanted = ApplicationFacts {
                name: format!("{namespace}/oms"),
                spec: json!({"of": namespace}),
            };
            assert_eq!(seen, Fact::Known(Some(wanted)));
        }
    }

    /// A right that nobody gave is not tried.
    #[tokio::test]
    async fn nothing_is_asked_where_nobody_allowed_it() {
        let tracking = "oms:apps/Deployment:prod/oms";
        assert_eq!(look(&[], tracking).await, (Fact::Known(None), Vec::new()));
        let (seen, asked) = look(&["argocd"], "other_oms:apps/Deployment:prod/oms").await;
        let Fact::Unknown(reason) = seen else {
            panic!("{seen:?}");
        };
        assert!(
            reason.contains("rbac.applications") && asked.is_empty(),
            "{reason}"
        );
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_taken_for_one_that_says_nothing() {
        for (tracking, word) in [
            (
                "gone:apps/Deployment:prod/oms",
                "there is no Application argocd/gone",
            ),
            ("oms:apps/Deployment:test/oms", "does not say which"),
        ] {
            let (seen, _) = look(&["argocd"], tracking).await;
            let Fact::Unknown(reason) = seen else {
                panic!("{seen:?}");
            };
            assert!(reason.contains(word), "{reason}");
        }
    }
}
