//! The hands: observe → decide → record or perform. The only holder of a Kubernetes client.
//!
//! One reconcile reads the object anew, looks at what its step needs, asks the brain, and then either
//! writes the status or carries out one effect. Nothing is kept between two of them, so a crash is
//! nothing but a reconcile that ended early.
mod accounts;
mod cached;
mod calls;
mod claims;
mod definition;
#[cfg(test)]
mod double;
mod exec;
mod faults;
mod fitting;
mod hearing;
mod lanes;
mod observe;
mod pacing;
mod perform;
mod ports;
mod reconcile;
mod record;
mod sightings;
mod subject;
mod watch;

#[cfg(feature = "testing")]
pub use calls::CallSite;
#[cfg(feature = "testing")]
pub use claims::{Claim, Claims};
pub use definition::Definition;
pub use exec::KubeExec;
pub use ports::{AlwaysPermitted, Ports, Settings, SystemClock, WritePermit};
#[cfg(feature = "testing")]
pub use ports::{Clock, ContainerExec, ExecError, ExecPlace};
#[cfg(feature = "testing")]
pub use reconcile::{Key, Outcome, reconcile};
pub use watch::run_controllers;
