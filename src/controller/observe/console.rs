//! The consoles: health, and how far each project is.
use super::targets::TargetView;
use crate::api::ProjectRecord;
use crate::controller::accounts::read_account;
use crate::controller::calls::{CallError, CallSite};
use crate::controller::ports::Ports;
use crate::controller::subject::Subject;
use crate::facts::{Fact, MetaDbFacts, Needs, PodFacts};
use crate::metadb::secret::Credentials;
use crate::oms::open_api::{CONSOLE_PORT, Endpoint, Health, OpenApi, OpenApiError, Scheme};
use crate::oms::project::{ProjectKey, ProjectKind, ProjectProgress};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use std::net::SocketAddr;
use std::sync::Arc;

/// Progress calls under way at the same time.
const AT_ONCE: usize = 8;

/// Where a pod's console listens.
pub(in crate::controller) fn find_endpoint(pod: &PodFacts, port: u16) -> Option<Endpoint> {
    Some(Endpoint {
        address: SocketAddr::new(pod.address()?, port),
        scheme: Scheme::Http,
    })
}

/// `/oms/health` of one node.
pub(super) async fn read_health(ports: &Ports, pod: &PodFacts) -> Result<Health, CallError> {
    let endpoint = find_endpoint(pod, CONSOLE_PORT)
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
) -> Fact<Vec<ProjectProgress>> {
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
                .filter(|row| !row.status.is_over())
                .map(|row| row.key.clone())
                .collect(),
            Fact::Unknown(reason) => return Fact::Unknown(reason.clone()),
        }
    };
    Fact::from_result(read_all(ports, subject, targets, &keys).await)
}

fn read_key(project: &ProjectRecord) -> ProjectKey {
    ProjectKey {
        kind: ProjectKind::parse(&project.kind).unwrap_or(ProjectKind::Migration),
        id: project.id.clone(),
    }
}

async fn read_all(
    ports: &Ports,
    subject: &Subject<'_>,
    targets: &[TargetView],
    keys: &[ProjectKey],
) -> Result<Vec<ProjectProgress>, CallError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let credentials: Option<Credentials> =
        match &subject.upgrade.spec.console.credentials_secret_ref {
            Some(wanted) => Some(read_account(ports, subject.owner.namespace, wanted).await?),
            None => None,
        };
    let mut last = CallError::Missing("no container of a target runs".into());
    for pod in targets.iter().filter_map(|view| view.facts.find_running()) {
        let Some(endpoint) = find_endpoint(pod, CONSOLE_PORT) else {
            continue;
        };
        let site = CallSite::ConsoleProgress;
        let console = ports
            .console
            .open(endpoint, credentials.as_ref(), site.limit());
        match ask_all(ports, console, keys).await {
            Ok(progress) => return Ok(progress),
            Err(error) => last = error,
        }
        // Another node helps only when this one does not answer.
        if !matches!(
            last,
            CallError::Console(
                OpenApiError::Unreachable { .. }
                    | OpenApiError::TimedOut { .. }
                    | OpenApiError::ConnectionLost { .. }
            )
        ) {
            break;
        }
    }
    Err(last)
}

async fn ask_all(
    ports: &Ports,
    console: Arc<dyn OpenApi>,
    keys: &[ProjectKey],
) -> Result<Vec<ProjectProgress>, CallError> {
    let calls: Vec<BoxFuture<'_, Result<ProjectProgress, CallError>>> = keys
        .iter()
        .map(|key| {
            ports
                .call(CallSite::ConsoleProgress, console.read_progress(key))
                .boxed()
        })
        .collect();
    futures::stream::iter(calls)
        .buffered(AT_ONCE)
        .try_collect()
        .await
}
