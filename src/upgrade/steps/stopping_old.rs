//! The old version is stopped before the backup: no replicas, no pod, no session, HA off in the row. Pure.
//!
//! OMS upgrade guide, single node, step 2 (stop, note T1, then dump).
use crate::api::{OmsUpgradeStatus, Phase, Reason, Step};
use crate::facts::{CopyNeed, Needs};
use crate::objects::deployment::TemplateKind;
use crate::upgrade::context::Context;
use crate::upgrade::next::{Next, require_known};
use crate::upgrade::parts::ha::require_ha_off;
use crate::upgrade::parts::originals::secure_copy;
use crate::upgrade::parts::stop::stop_targets;
use crate::upgrade::parts::targets::list_stopped;
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::StoppingOld,
    words: "stopping the old version",
    phase: Phase::Stopping,
    limit: Some(Limit::Stop),
    job: None,
    looks: |status| Needs {
        fingerprint: is_stopped(status),
        templates: true,
        ha: true,
        sessions: true,
        originals: CopyNeed::Always,
        ..Needs::default()
    },
    ha: HaStage::Off,
    failure: OnFailure::TurnsBack,
    retries: &[],
    leads_to: &[Step::BackingUp],
    decide,
};

/// The old version, before the backup.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    secure_copy(cx, draft)?;
    let targets = stop_targets(cx, &[TemplateKind::Old])?;
    require_ha_off(cx, refuse_ha)?;
    draft.internal.stopped_targets = list_stopped(&targets);
    if !is_stopped(cx.status) {
        draft.old_stopped_time = Some(cx.now.clone());
        return Err(Next::poll());
    }
    let fingerprint = &cx.observed.metadb.fingerprint;
    let fingerprint = require_known(fingerprint, 2, Reason::MetaDbUnseen)?.clone();
    draft.internal.fingerprint = Some(fingerprint.into());
    Ok(Step::BackingUp)
}

/// Nobody is at work on the databases, so what their schema is now is what it was.
fn is_stopped(status: &OmsUpgradeStatus) -> bool {
    status.old_stopped_time.is_some()
}

/// A console may have written its cached parameters back when it stopped; the dump must hold HA off (upgrade guide,
/// step 1).
fn refuse_ha() -> Next {
    Next::fail(
        Reason::HaEnabledAgain,
        "ha.config reads enable=true after OMS was stopped, although it was switched off; no data was changed; \
         see which console wrote it back, or use ha.driver MetaDb",
    )
}
