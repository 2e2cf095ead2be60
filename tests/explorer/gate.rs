//! The one gate that every call of the operator to the outside passes: it counts, it injects the
//! fault that is due, and it checks the world after every effect.
use super::access::is_write;
use super::world::World;
use oms_operator::controller::CallSite;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What can go wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The operator dies before the call leaves.
    CrashBefore,
    /// The operator dies after the call took effect.
    CrashAfter,
    /// The connection breaks before the call took effect.
    LostBefore,
    /// The call takes effect, the connection breaks, the operator lives on.
    LostAfter,
    /// The call takes effect, the answer is that it took too long.
    TimeoutAfter,
    /// 500, or an error of the SQL server.
    ServerError,
    /// 409, on writes.
    Conflict,
    /// 429.
    Throttled,
    /// 503.
    Unavailable,
    /// 403, 401, login refused.
    Forbidden,
    /// An answer that is none.
    Garbage,
    /// No answer, and the request arrives at any later moment: a slow network, or an operator that was suspended while
    /// it called and that another one has taken the place of.
    Delayed,
}

impl Fault {
    fn is_late(self) -> bool {
        matches!(self, Self::LostAfter | Self::TimeoutAfter)
    }
}

/// By which port a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Kube,
    Sql,
    Console,
    Exec,
}

pub fn port_of(site: CallSite) -> Port {
    let name = format!("{site:?}");
    if name.starts_with("MetaDb") {
        Port::Sql
    } else if name.starts_with("Console") {
        Port::Console
    } else if name.starts_with("Exec") {
        Port::Exec
    } else {
        Port::Kube
    }
}

/// The faults that a call can meet.
pub fn list_faults(site: CallSite) -> Vec<Fault> {
    use Fault::*;
    let mut faults = vec![CrashBefore, CrashAfter, LostBefore, LostAfter];
    match port_of(site) {
        Port::Kube => {
            faults.extend([
                TimeoutAfter,
                ServerError,
                Throttled,
                Unavailable,
                Forbidden,
                Garbage,
            ]);
            if is_write(site) {
                faults.push(Conflict);
            }
        }
        Port::Sql => faults.extend([TimeoutAfter, ServerError, Forbidden]),
        Port::Console => faults.extend([TimeoutAfter, ServerError, Forbidden, Garbage]),
        Port::Exec => faults.push(Garbage),
    }
    faults
}

/// One pass of the operator over a world.
pub struct Stage {
    pub world: World,
    /// Every call so far.
    pub calls: Vec<CallSite>,
    /// The fault to inject, and into which call.
    pub plan: Option<(usize, Fault)>,
    /// The operator has died.
    pub dead: bool,
    /// Worlds after each effect.
    pub steps: Vec<(CallSite, World)>,
    /// Secrets that were seen where none may be.
    pub injected: bool,
}

/// Shared by all doubles.
#[derive(Clone)]
pub struct Gate(Arc<Mutex<Stage>>);

impl Gate {
    pub fn new(world: World, plan: Option<(usize, Fault)>) -> Self {
        Self(Arc::new(Mutex::new(Stage {
            world,
            calls: vec![],
            plan,
            dead: false,
            steps: vec![],
            injected: false,
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one call through. `act` is the effect, `fail` the answer when the call fails.
    pub async fn pass<T>(
        &self,
        site: CallSite,
        act: impl FnOnce(&mut World) -> T,
        fail: impl FnOnce(Fault) -> T,
    ) -> T {
        let fault = {
            let mut stage = self.lock();
            let index = stage.calls.len();
            stage.calls.push(site);
            match stage.plan {
                Some((at, fault)) if at == index => {
                    stage.injected = true;
                    Some(fault)
                }
                _ if stage.world.refused == Some(site) => Some(Fault::Forbidden),
                _ => None,
            }
        };
        match fault {
            None => self.commit(site, act),
            Some(Fault::CrashBefore) => self.die().await,
            Some(Fault::CrashAfter) => {
                self.commit(site, act);
                self.die().await
            }
            Some(fault) if fault.is_late() => {
                self.commit(site, act);
                fail(fault)
            }
            Some(fault) => fail(fault),
        }
    }

    fn commit<T>(&self, site: CallSite, act: impl FnOnce(&mut World) -> T) -> T {
        let mut stage = self.lock();
        stage.world.touched = false;
        let answer = act(&mut stage.world);
        if stage.world.touched {
            if !is_write(site) {
                let rule = format!("{site:?} changes the world and is not known as a write");
                stage.world.break_rule(rule);
            }
            stage.world.check_always();
            let world = stage.world.clone();
            stage.steps.push((site, world));
        }
        answer
    }

    /// The process ends here: nothing of this pass goes on.
    async fn die<T>(&self) -> T {
        self.lock().dead = true;
        std::future::pending().await
    }
}

/// Calls hit by each kind of fault.
pub type Matrix = BTreeMap<CallSite, BTreeMap<Fault, u64>>;
