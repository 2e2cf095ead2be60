//! The hands: observe → decide → record or perform. The only holder of a Kubernetes client.
//!
//! One reconcile reads the object anew, looks at what its step needs, asks the brain, and then either writes the status
//! or carries out one effect. Nothing is kept between two of them, so a crash is nothing but one that ended early.
mod accounts;
mod calls;
mod claims;
#[cfg(test)]
mod double;
mod exec;
mod faults;
mod observe;
mod pacing;
mod perform;
mod ports;
mod reconcile;
mod record;
mod seen;
mod subject;
mod watch;

pub use calls::{Access, CallError, CallSite};
pub use claims::{Claim, Claims};
pub use exec::KubeExec;
pub use ports::{
    AlwaysPermitted, Clock, ContainerExec, ExecError, ExecPlace, Ports, Settings, SystemClock,
    WritePermit,
};
pub use reconcile::{Key, Verdict, decide_from_cache, reconcile};
pub use watch::run_controllers;
