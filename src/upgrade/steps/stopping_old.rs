//! The old version is stopped before the backup: no replicas, no pod, no session, HA off in the row. Pure.
//!
//! OMS upgrade guide, single node, step 2 (stop, note T1, then dump).
use crate::api::{HaDriver, OmsUpgradeStatus, Phase, Reason, Step};
use crate::facts::{Fact, Needs};
use crate::objects::deployment::TemplateKind;
use crate::oms::ha::{ENABLE, HaConfig, HaPatch};
use crate::oms::metadb::HaRow;
use crate::upgrade::context::Context;
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::orders::set_ha;
use crate::upgrade::parts::stop::stop_targets;
use crate::upgrade::parts::targets::list_stopped;
use crate::upgrade::steps::def::{Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::StoppingOld,
    words: "stopping the old version",
    phase: Phase::Stopping,
    limit: Some(Limit::Stop),
    job: None,
    looks: |_| Needs {
        ha: true,
        sessions: true,
        ..Needs::default()
    },
    failure: OnFailure::TurnsBack,
    retries: &[],
    leads_to: &[Step::BackingUp],
    decide,
};

/// The old version, before the backup.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    let targets = match stop_targets(cx, &[TemplateKind::Old]) {
        Ok(targets) => targets,
        Err(next) => return next,
    };
    // A console may have written its cached parameters back when it stopped. Nothing can overwrite
    // the row now; the dump must hold HA off (upgrade guide, step 1).
    match &cx.observed.metadb.ha {
        Fact::Unknown(reason) => return Next::trouble(2, Reason::MetaDbUnseen, reason.clone()),
        Fact::Known(HaRow::Text(text))
            if HaConfig::parse(text).is_ok_and(|config| config.read_setting().enable) =>
        {
            if cx.spec.ha.driver != HaDriver::MetaDb {
                return Next::Fail(Failure::new(
                    Reason::HaEnabledAgain,
                    "ha.config reads enable=true after OMS was stopped, although it was switched off; no data was changed; \
                     see which console wrote it back, or use ha.driver MetaDb",
                ));
            }
            let patch = HaPatch::new().with_bool(ENABLE, false);
            return set_ha(cx, HaDriver::MetaDb, patch, false);
        }
        Fact::Known(_) => {}
    }
    draft.old_stopped_time.get_or_insert(cx.now.clone());
    draft.stopped_targets = list_stopped(&targets);
    Next::Go(Step::BackingUp)
}
