//! Everything the controller reaches the outside through. Tests put doubles here.
use super::claims::Claims;
use super::exec::ContainerExec;
use crate::objects::jobs::PodSettings;
use crate::oms::metadb::MetaDbOpener;
use crate::oms::open_api::OpenApiOpener;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use std::sync::Arc;

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
    /// Name of this process, for events.
    pub reporter: String,
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
}

impl Ports {
    /// The present moment to the second, as the API server stores it.
    pub fn now(&self) -> Time {
        let now = self.clock.now();
        Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
    }
}
