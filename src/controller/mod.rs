//! The hands: observe → decide → record or perform. The only holder of a Kubernetes client.
//!
//! One pass reads the object anew, looks at what its step needs, asks the brain, and then either
//! writes the status or carries out one effect. Nothing is kept between passes, so a crash is
//! nothing but a pass that ended early.
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

#[cfg(feature = "testing")]
pub use calls::CallSite;
#[cfg(feature = "testing")]
pub use claims::{Claim, Claims};
pub use exec::KubeExec;
pub use ports::{AlwaysPermitted, Ports, Settings, SystemClock, WritePermit};
#[cfg(feature = "testing")]
pub use ports::{Clock, ContainerExec, ExecError, ExecPlace};
#[cfg(feature = "testing")]
pub use reconcile::{Key, reconcile};
pub use watch::run_controllers;
