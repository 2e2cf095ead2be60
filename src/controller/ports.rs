//! Everything the controller reaches the outside through, and the one way there: each call asks for the lease where it
//! writes, and ends in time. Tests put doubles here.
use super::calls::{Access, CallError, CallSite};
use super::claims::Claims;
use super::definition::Definition;
use super::hearing::Hearing;
use super::sightings::Sightings;
use crate::objects::pod_settings::PodSettings;
use crate::oms::container::ExecAnswer;
use crate::oms::metadb::MetaDbOpener;
use crate::oms::open_api::OpenApiOpener;
use futures::future::BoxFuture;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use std::future::Future;
use std::sync::Arc;
use thiserror::Error;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Tells whether this process may change anything: it holds the lease, with time to spare.
pub trait WritePermit: Send + Sync {
    /// Whether a write may be sent now.
    fn may_write(&self) -> bool;
}

/// For an operator that runs alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysPermitted;

impl WritePermit for AlwaysPermitted {
    fn may_write(&self) -> bool {
        true
    }
}

/// What the installation of the operator says.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Image with the agent and the dump client, for Jobs.
    pub tools_image: String,
    /// Pods of Jobs.
    pub pods: PodSettings,
    /// Namespaces whose Applications of Argo CD may be read, its own first; none where nobody allowed it.
    pub applications: Vec<String>,
    /// Name of this process, for events.
    pub reporter: String,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecPlace {
    pub namespace: String,
    pub pod: String,
    pub container: String,
}

/// A command that could not be run, or whose end was not told.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the command in the container could not be run: {0}")]
pub struct ExecError(pub String);

/// Runs commands in containers.
pub trait ContainerExec: Send + Sync {
    /// Runs a command to its end and gives back its standard output.
    fn run<'a>(
        &'a self,
        place: &'a ExecPlace,
        argv: Vec<String>,
    ) -> BoxFuture<'a, Result<ExecAnswer, ExecError>>;
}

/// Everything outside.
#[derive(Clone)]
pub struct Ports {
    /// The API server.
    pub client: Client,
    /// Meta databases.
    pub metadb: Arc<dyn MetaDbOpener>,
    pub console: Arc<dyn OpenApiOpener>,
    /// Commands in containers.
    pub exec: Arc<dyn ContainerExec>,
    pub clock: Arc<dyn Clock>,
    /// The lease.
    pub permit: Arc<dyn WritePermit>,
    pub settings: Arc<Settings>,
    /// What other upgrades lay claim to, as far as the watch has told.
    pub claims: Arc<Claims>,
    /// What stands in the Deployments, as far as the watch has told.
    pub sightings: Arc<Sightings>,
    /// What people asked for, as far as the watch has told and nobody has answered.
    pub hearing: Arc<Hearing>,
    /// What the definition in the cluster lacks, as far as it was seen.
    pub definition: Arc<Definition>,
}

impl Ports {
    /// The present moment to the second, as the API server stores it.
    pub fn now(&self) -> Time {
        let now = self.clock.now();
        Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
    }

    /// Calls the API server.
    pub(super) async fn kube<T>(
        &self,
        site: CallSite,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, CallError> {
        self.bound(site, async {
            call.await.map_err(|source| CallError::Kube {
                site,
                source: Box::new(source),
            })
        })
        .await
    }

    /// Calls anything else. The adapters bound themselves; this bound is the second line.
    pub(super) async fn call<T, E: Into<CallError>>(
        &self,
        site: CallSite,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError> {
        self.bound(site, async { call.await.map_err(Into::into) })
            .await
    }

    async fn bound<T>(
        &self,
        site: CallSite,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        if site.access() == Access::Write && !self.permit.may_write() {
            return Err(CallError::NotLeading { site });
        }
        let limit = site.limit();
        let result = match tokio::time::timeout(limit, call).await {
            Ok(result) => result,
            Err(_) => Err(CallError::TimedOut {
                site,
                seconds: limit.as_secs(),
            }),
        };
        match &result {
            Ok(_) => tracing::trace!(call = ?site, "done"),
            Err(error) if error.is_not_found() => tracing::trace!(call = ?site, "not found"),
            Err(error) => tracing::debug!(call = ?site, %error, "failed"),
        }
        result
    }

    /// Runs a command in a container.
    pub(super) async fn exec(
        &self,
        site: CallSite,
        place: &ExecPlace,
        argv: Vec<String>,
    ) -> Result<ExecAnswer, CallError> {
        let call = async {
            self.exec
                .run(place, argv)
                .await
                .map_err(|error| CallError::Exec {
                    site,
                    reason: error.to_string(),
                })
        };
        self.call(site, call).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::double::{Server, build_ports};
    use std::sync::Arc;

    struct NeverPermitted;

    impl WritePermit for NeverPermitted {
        fn may_write(&self) -> bool {
            false
        }
    }

    #[tokio::test]
    async fn without_the_lease_a_write_is_not_even_begun() {
        let mut ports = build_ports(&Server::with(&[]), Arc::new(SystemClock));
        ports.permit = Arc::new(NeverPermitted);
        let write = async { panic!("it was begun") };
        let refused: Result<(), CallError> = ports.kube(CallSite::PatchDeployment, write).await;
        assert!(matches!(refused, Err(CallError::NotLeading { .. })));
        let read = async { Ok(7) };
        assert_eq!(ports.kube(CallSite::GetDeployment, read).await.unwrap(), 7);
    }
}
