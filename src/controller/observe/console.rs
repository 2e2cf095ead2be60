//! The consoles: health, and how far each project is.
use super::targets::TargetView;
use crate::api::{CaSource, ConsoleScheme, ProjectRecord};
use crate::controller::accounts::{read_account, read_secret, read_text};
use crate::controller::calls::{CallError, CallSite};
use crate::controller::ports::Ports;
use crate::controller::subject::Subject;
use crate::facts::{Fact, MetaDbFacts, Needs, PodFacts, ProgressReport, UnreadProject};
use crate::metadb::secret::Credentials;
use crate::oms::open_api::{
    CertificateCheck, Endpoint, Health, OpenApi, OpenApiError, Scheme, Trust,
};
use crate::oms::project::{ProjectKey, ProjectKind, ProjectProgress, ProjectStatus};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use std::net::SocketAddr;
use std::sync::Arc;

/// Progress calls under way at the same time.
const AT_ONCE: usize = 8;

/// How the consoles are reached, with the certificates that are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller) struct ConsoleAccess {
    port: u16,
    scheme: Scheme,
}

impl ConsoleAccess {
    /// Where a pod's console listens; `port` where it is asked for on another one.
    pub(in crate::controller) fn find_endpoint(
        &self,
        pod: &PodFacts,
        port: Option<u16>,
    ) -> Option<Endpoint> {
        Some(Endpoint {
            address: SocketAddr::new(pod.address()?, port.unwrap_or(self.port)),
            scheme: self.scheme.clone(),
        })
    }
}

/// How the spec says that the consoles are reached.
pub(in crate::controller) async fn find_access(
    ports: &Ports,
    subject: &Subject<'_>,
) -> Result<ConsoleAccess, CallError> {
    let console = &subject.upgrade.spec.console;
    let port = u16::try_from(console.port)
        .map_err(|_| CallError::Bug("spec.console.port: no port".into()))?;
    let scheme = match (console.scheme, &console.tls) {
        (ConsoleScheme::Http, _) => Scheme::Http,
        (ConsoleScheme::Https, tls) => {
            let ca = tls.as_ref().and_then(|tls| tls.ca.as_ref());
            let unsafely = tls.as_ref().is_some_and(|tls| tls.insecure_skip_verify);
            Scheme::Https(Trust {
                check: match ca {
                    Some(ca) => {
                        let pem = read_certificates(ports, subject.owner.namespace, ca).await?;
                        CertificateCheck::Pem(pem.into())
                    }
                    None if unsafely => CertificateCheck::Nothing,
                    // The definition does not let it come to that.
                    None => {
                        return Err(CallError::Missing(
                            "spec.console.tls.ca is missing; give it".into(),
                        ));
                    }
                },
                server_name: tls.as_ref().and_then(|tls| tls.server_name.clone()),
            })
        }
    };
    Ok(ConsoleAccess { port, scheme })
}

async fn read_certificates(
    ports: &Ports,
    namespace: &str,
    ca: &CaSource,
) -> Result<String, CallError> {
    let (kind, name, key, text) = match (&ca.secret_key_ref, &ca.config_map_key_ref) {
        (Some(wanted), _) => {
            let secret = read_secret(ports, namespace, &wanted.name).await?;
            let text = read_text(&secret, &wanted.key).map(|text| text.to_string());
            ("Secret", &wanted.name, &wanted.key, text)
        }
        (None, Some(wanted)) => {
            let api: Api<ConfigMap> = Api::namespaced(ports.client.clone(), namespace);
            let read = ports.kube(CallSite::GetConfigMap, api.get(&wanted.name));
            let text = read
                .await?
                .data
                .and_then(|mut data| data.remove(&wanted.key));
            ("ConfigMap", &wanted.name, &wanted.key, text)
        }
        (None, None) => {
            let text = "spec.console.tls.ca names no Secret and no ConfigMap; name one";
            return Err(CallError::Missing(text.into()));
        }
    };
    text.ok_or_else(|| {
        CallError::Missing(format!("{kind} {name} has no readable key {key}; add it"))
    })
}

/// `/oms/health` of one node.
pub(super) async fn read_health(
    ports: &Ports,
    access: &Result<ConsoleAccess, CallError>,
    pod: &PodFacts,
) -> Result<Health, CallError> {
    let access = access
        .as_ref()
        .map_err(|error| CallError::Missing(error.to_string()))?;
    let endpoint = access
        .find_endpoint(pod, None)
        .ok_or_else(|| CallError::Missing(format!("pod {} has no address", pod.name)))?;
    let site = CallSite::ConsoleHealth;
    let console = ports.console.open(endpoint, None, site.limit());
    ports.call(site, console.read_health()).await
}

/// Progress of the projects: of all that are not over before the upgrade, of the recorded ones that
/// have not recovered after it.
pub(super) async fn observe_progress(
    ports: &Ports,
    subject: &Subject<'_>,
    needs: Needs,
    targets: &[TargetView],
    metadb: &MetaDbFacts,
) -> Fact<ProgressReport> {
    if !needs.progress {
        return Fact::default();
    }
    let status = subject.status;
    let keys: Vec<ProjectKey> = if status.started_time.is_some() {
        status
            .internal
            .projects
            .iter()
            .filter(|project| !project.recovered)
            .map(read_key)
            .collect()
    } else {
        match &metadb.projects {
            Fact::Known(rows) => rows
                .iter()
                // A draft that was never started has no progress.
                .filter(|row| !row.status.is_over() && row.status != ProjectStatus::Init)
                .map(|row| row.key.clone())
                .collect(),
            Fact::Unknown(reason) => return Fact::Unknown(reason.clone()),
        }
    };
    Fact::from_result(read_all(ports, subject, targets, keys).await)
}

fn read_key(project: &ProjectRecord) -> ProjectKey {
    ProjectKey {
        kind: ProjectKind::parse(&project.kind).unwrap_or(ProjectKind::Migration),
        id: project.id.clone(),
    }
}

/// Each project by itself: what is said of one says nothing of the others. Where none of them could be read, the first
/// one says why.
async fn read_all(
    ports: &Ports,
    subject: &Subject<'_>,
    targets: &[TargetView],
    mut keys: Vec<ProjectKey>,
) -> Result<ProgressReport, CallError> {
    let mut report = ProgressReport::default();
    if keys.is_empty() {
        return Ok(report);
    }
    let credentials: Option<Credentials> =
        match &subject.upgrade.spec.console.credentials_secret_ref {
            Some(wanted) => Some(read_account(ports, subject.owner.namespace, wanted).await?),
            None => None,
        };
    let access = find_access(ports, subject).await?;
    let mut first = CallError::Missing("no container of a target runs".into());
    let mut lost: Vec<UnreadProject> = Vec::new();
    for pod in targets.iter().filter_map(|view| view.facts.find_running()) {
        let Some(endpoint) = access.find_endpoint(pod, None) else {
            continue;
        };
        let site = CallSite::ConsoleProgress;
        let console = ports
            .console
            .open(endpoint, credentials.as_ref(), site.limit());
        lost.clear();
        for (key, answer) in ask_all(ports, console, &keys).await {
            match answer {
                Ok(progress) => report.seen.push(progress),
                Err(error) => {
                    let unread = UnreadProject {
                        key,
                        reason: error.to_string(),
                    };
                    // Another node helps only when this one does not answer.
                    match is_lost(&error) {
                        true => lost.push(unread),
                        false => report.unread.push(unread),
                    }
                    first = error;
                }
            }
        }
        keys = lost.iter().map(|unread| unread.key.clone()).collect();
        if keys.is_empty() {
            break;
        }
    }
    report.unread.append(&mut lost);
    if report.seen.is_empty() {
        return Err(first);
    }
    Ok(report)
}

fn is_lost(error: &CallError) -> bool {
    matches!(
        error,
        CallError::Console(
            OpenApiError::Unreachable { .. }
                | OpenApiError::TimedOut { .. }
                | OpenApiError::ConnectionLost { .. }
        )
    )
}

async fn ask_all(
    ports: &Ports,
    console: Arc<dyn OpenApi>,
    keys: &[ProjectKey],
) -> Vec<(ProjectKey, Result<ProjectProgress, CallError>)> {
    let calls: Vec<BoxFuture<'_, (ProjectKey, Result<ProjectProgress, CallError>)>> = keys
        .iter()
        .map(|key| {
            let call = ports.call(CallSite::ConsoleProgress, console.read_progress(key));
            call.map(|answer| (key.clone(), answer)).boxed()
        })
        .collect();
    futures::stream::iter(calls)
        .buffered(AT_ONCE)
        .collect()
        .await
}
