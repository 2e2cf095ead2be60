//! A plan waits for a person. Pure.
use crate::api::{OmsUpgradeStatus, Phase, Reason, Step};
use crate::facts::{Needs, OwnKind};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Next, require_known};
use crate::upgrade::parts::findings::may_begin;
use crate::upgrade::parts::lock::may_hold_lock;
use crate::upgrade::parts::own_jobs::stop_own_jobs;
use crate::upgrade::steps::def::{HaStage, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::Planned,
    words: "planned",
    phase: Phase::Planned,
    limit: None,
    job: None,
    looks: |status: &OmsUpgradeStatus| Needs {
        leftovers: true,
        lock: may_hold_lock(status),
        ..Needs::default()
    },
    ha: HaStage::AsFound,
    failure: OnFailure::Waits,
    retries: &[],
    leads_to: &[Step::Preflight],
    decide: |cx, _| decide(cx),
};

/// A plan without findings goes on when it may; preflight is made again then, since the world moves on. One with
/// findings is made again by an edit, or by a new word in `spec.planRequest`: never because the world became better.
fn decide(cx: &Context<'_>) -> Result<Step, Next> {
    let plan = cx.status.plan.as_ref();
    let Err(hold) = plan.map_or(Err(None), |plan| may_begin(cx, plan)) else {
        return Ok(Step::Preflight);
    };
    give_back(cx)?;
    Err(Next::Wait {
        // A window opens with time, and with nothing else.
        poll: if cx.spec.window.is_some() { 30 } else { 3600 },
        problem: hold,
    })
}

/// Whoever waits keeps nothing: no lock, no Job, no pull.
fn give_back(cx: &Context<'_>) -> Result<(), Next> {
    if may_hold_lock(cx.status)
        && let Some(row) = require_known(&cx.observed.metadb.lock, 10, Reason::MetaDbUnseen)?
        && row.holder == cx.object.uid
    {
        return Err(Next::Do(Effect::ReleaseLock));
    }
    let own = require_known(&cx.observed.leftovers, 10, Reason::OwnObjectsUnseen)?;
    // The next plan pulls anew: what could not be pulled before may be there by then.
    if let Some(pull) = own.iter().find(|own| own.kind == OwnKind::PrePull) {
        return Err(Next::Do(Effect::DeleteOwn(pull.clone())));
    }
    stop_own_jobs(cx)
}
