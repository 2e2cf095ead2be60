//! Runs one pass of the real controller over a world.
use super::gate::{Fault, Gate, Stage};
use super::http::build_client;
use super::inside::{ClockDouble, ConsoleDouble, ExecDouble};
use super::metadb::SqlDouble;
use super::world::{NAMESPACE, UPGRADE, World};
use kube::runtime::watcher::Event;
use oms_operator::controller::{
    AlwaysPermitted, CallSite, Claim, Claims, Definition, Key, Ports, Settings, WritePermit,
    reconcile,
};
use oms_operator::objects::pod_settings::PodSettings;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

/// Runs passes; one per thread.
pub struct Runner {
    runtime: tokio::runtime::Runtime,
    permit: Arc<dyn WritePermit>,
}

/// The lease is another's.
struct NeverPermitted;

impl WritePermit for NeverPermitted {
    fn may_write(&self) -> bool {
        false
    }
}

impl Default for Runner {
    fn default() -> Self {
        Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap(),
            permit: Arc::new(AlwaysPermitted),
        }
    }
}

/// What the watch would have told.
fn read_claims(world: &World) -> Claims {
    let claims = Claims::default();
    claims.apply(NAMESPACE, &Event::Init);
    for name in world.list("omsupgrades") {
        let stored = world.get("omsupgrades", &name).cloned().unwrap_or_default();
        claims.apply(
            NAMESPACE,
            &Event::InitApply(Arc::new(Claim::read(&stored, true))),
        );
    }
    claims.apply(NAMESPACE, &Event::InitDone);
    claims
}

/// What came out of one pass.
pub struct Outcome {
    pub world: World,
    pub calls: Vec<CallSite>,
    pub steps: Vec<(CallSite, World)>,
    pub error: Option<String>,
    pub injected: bool,
}

impl Runner {
    /// Passes of an operator that does not hold the lease.
    pub fn without_lease() -> Self {
        Self {
            permit: Arc::new(NeverPermitted),
            ..Self::default()
        }
    }

    /// One pass of the real controller.
    pub fn run(&self, world: &World, plan: Option<(usize, Fault)>) -> Outcome {
        let gate = Gate::new(world.clone(), plan);
        // Seen to fit, where it does; one that lacks something may not be looked at here, so that each status is tried.
        let definition = Arc::new(Definition::default());
        if world.lacking.is_none() {
            definition.tell(Vec::new());
        }
        let error = self.runtime.block_on(async {
            let ports = Ports {
                claims: Arc::new(read_claims(world)),
                sightings: Arc::default(),
                hearing: Arc::default(),
                definition,
                client: build_client(&gate),
                metadb: Arc::new(SqlDouble(gate.clone())),
                console: Arc::new(ConsoleDouble(gate.clone())),
                exec: Arc::new(ExecDouble(gate.clone())),
                clock: Arc::new(ClockDouble(gate.clone())),
                permit: self.permit.clone(),
                settings: Arc::new(Settings {
                    tools_image: "tools".into(),
                    pods: PodSettings::default(),
                    applications: Vec::new(),
                    reporter: "explorer".into(),
                }),
            };
            let key = Key {
                namespace: NAMESPACE.into(),
                name: UPGRADE.into(),
            };
            let mut pass = pin!(reconcile(&ports, &key));
            let gate = gate.clone();
            std::future::poll_fn(move |context| match pass.as_mut().poll(context) {
                Poll::Ready(result) => Poll::Ready(result.err().map(|error| error.to_string())),
                // Dead: the future is dropped where it stands.
                Poll::Pending if gate.lock().dead => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            })
            .await
        });
        let mut stage = gate.lock();
        let Stage {
            world,
            calls,
            steps,
            injected,
            ..
        } = &mut *stage;
        Outcome {
            world: world.clone(),
            calls: std::mem::take(calls),
            steps: std::mem::take(steps),
            error,
            injected: *injected,
        }
    }
}
