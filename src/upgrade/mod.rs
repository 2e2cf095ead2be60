//! The brain: facts in, decision out. No I/O, no clock, no Kubernetes client.
//!
//! One file per part of the procedure; [`decide`] is total and deterministic. A pass either records
//! a status or carries out one effect whose intent is recorded already, so that every crash lies
//! between two passes.
mod context;
mod deadline;
mod decide;
mod effect;
mod faults;
mod needs;
mod next;
mod parts;
mod requests;
mod status;
mod steps;
mod target_record;
mod transition;

pub use context::{Context, ObjectFacts};
pub use decide::{Decision, decide, decide_refusal};
pub use effect::Effect;
pub use faults::{Unreadable, decide_fault, describe_unreadable};
pub use needs::find_needs;
pub use requests::is_release_requested;
#[cfg(feature = "testing")]
pub use steps::preflight::check::list_check_names;
#[cfg(feature = "testing")]
pub use steps::{def::OnFailure, find_def, list_defs};
#[cfg(feature = "testing")]
pub use target_record::TargetRecord;
pub use target_record::build_target_record;
