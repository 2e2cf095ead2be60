//! What there is to know about a step. Data, and the one function that decides. Pure.
use crate::api::{JobRole, OmsUpgradeSpec, OmsUpgradeStatus, Phase, Reason, Step};
use crate::facts::Needs;
use crate::upgrade::context::Context;
use crate::upgrade::next::Next;

/// A step: each has one, at the head of its file.
#[derive(Clone, Copy, Debug)]
pub struct StepDef {
    /// Its name in the status.
    #[cfg_attr(
        not(feature = "testing"),
        expect(dead_code, reason = "the tests' key to the list of steps")
    )]
    pub step: Step,
    /// What goes on, in words for people.
    pub words: &'static str,
    /// The phase that people see while the upgrade goes forward.
    pub phase: Phase,
    /// How long it may take; `None` where it waits for a person, cleans up, or bounds itself.
    pub limit: Option<Limit>,
    /// The Job that it is about.
    pub job: Option<JobRole>,
    /// What it looks at, beyond the targets' Deployments and pods.
    pub looks: fn(&OmsUpgradeStatus) -> Needs,
    /// What is promised of HA while it lasts.
    pub ha: HaStage,
    /// What follows when it cannot be done on the way forward. On a way back a person is always asked.
    pub failure: OnFailure,
    /// Where a retry of a rollback begins, by the reason of the stall. For all others, and on all other ways: here.
    pub retries: &'static [(Reason, Step)],
    /// Where it leads when it is done. Every step may also end in a turn back (`StoppingJobs`) or a release
    /// (`Settling`).
    #[cfg_attr(
        not(feature = "testing"),
        expect(dead_code, reason = "the tests hold every way that is gone against it")
    )]
    pub leads_to: &'static [Step],
    /// `Ok`: it is done, and that step follows. `Err`: what to do until then.
    pub(crate) decide: fn(&Context<'_>, &mut OmsUpgradeStatus) -> Result<Step, Next>,
}

/// What is promised of HA in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaStage {
    /// Nothing yet: it is as it was found.
    AsFound,
    /// On the way forward it reads off: whatever OMS does now, no component is started by it.
    Off,
    /// It is being brought to its goal.
    OnItsWay,
    /// It reads as its goal says.
    AtGoal,
    /// A way back begins: what was promised of it holds no more.
    TakenBack,
}

/// What follows when a step cannot be done on the way forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Nothing was touched: it stands in the plan as a finding, and the plan waits for a person.
    Waits,
    /// Everything goes back: an abort before the new version was started, a rollback after it.
    TurnsBack,
    /// The new version runs and is healthy: a person is asked, nothing goes back by itself.
    Stalls,
}

/// Which of `spec.timeouts` bounds a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Preflight,
    Ha,
    Stop,
    Backup,
    Verify,
    Start,
    Init,
    Health,
    Recovery,
    Restore,
}

impl Limit {
    /// How long a step may take under this spec.
    pub fn read_seconds(self, spec: &OmsUpgradeSpec) -> i64 {
        let limits = &spec.timeouts;
        let limit = match self {
            Self::Preflight => limits.preflight,
            Self::Ha => limits.ha,
            Self::Stop => limits.stop,
            Self::Backup => limits.backup,
            Self::Verify => limits.verify,
            Self::Start => limits.start,
            Self::Init => limits.init,
            Self::Health => limits.health,
            Self::Recovery => limits.recovery,
            Self::Restore => limits.restore,
        };
        i64::from(limit.as_seconds())
    }
}
