//! The brain: facts in, decision out. No I/O, no clock, no Kubernetes client.
//!
//! `steps` has one file per step; [`decide`] is total and deterministic. A reconcile either records a status or carries
//! out one effect whose intent is recorded already, so that every crash lies between two reconciles.
mod asserted;
mod changed_schema;
mod context;
mod cut;
mod deadline;
mod decide;
mod disagreement;
mod effect;
mod faults;
mod lateness;
mod lost_status;
mod needs;
mod next;
mod older_status;
mod orders;
mod other_image;
mod parts;
mod recorded;
mod requests;
mod standstill;
mod status;
mod steps;
mod story;
mod surroundings;
mod take_over;
mod taken_status;
mod target_record;
mod transition;
mod witness;

pub use context::{Context, HeardRequests, ObjectFacts};
pub use cut::{brings_new_fields, describe_cut, list_cut_fields, note_cut, says_cut};
pub use decide::{Decision, decide, decide_refusal};
pub use effect::Effect;
#[cfg(feature = "testing")]
pub use effect::IntentKind;
pub use faults::{Unreadable, decide_fault, describe_unreadable};
pub use needs::find_needs;
pub use parts::convergence::find_guarded_image;
pub use parts::originals::lacks_record;
pub use requests::{defers_requests, is_release_requested};
#[cfg(feature = "testing")]
pub use steps::def::{Limit, OnFailure, StepDef};
#[cfg(feature = "testing")]
pub use steps::preflight::check::list_check_names;
#[cfg(feature = "testing")]
pub use steps::{find_def, list_defs};
pub use target_record::read_recorded_template;
#[cfg(feature = "testing")]
pub use target_record::{TargetRecord, build_target_record};
