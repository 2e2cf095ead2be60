//! Stopping a version: no replicas, no pod, no session on the MetaDB. Pure.
//!
//! OMS upgrade guide, single node, step 2 (stop, note T1, then dump); rollback, step 2 (note T3).
use super::orders::set_ha;
use super::sessions::{find_blind_spot, list_counted};
use super::targets::{Shape, Target, bring_into_shape, list_stopped, read_targets};
use super::{Context, Failure, Next};
use crate::api::{HaDriver, OmsUpgradeStatus, Step};
use crate::facts::Fact;
use crate::objects::deployment::{TemplateKind, is_drained};
use crate::objects::target_change::TargetChange;
use crate::oms::ha::{ENABLE, HaConfig, HaPatch};
use crate::oms::metadb::HaRow;

/// The old version, before the backup.
pub(super) fn decide_stopping_old(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    let targets = match stop_targets(cx, &[TemplateKind::Old]) {
        Ok(targets) => targets,
        Err(next) => return next,
    };
    // A console may have written its cached parameters back when it stopped. Nothing can overwrite
    // the row now; the dump must hold HA off (upgrade guide, step 1).
    match &cx.observed.metadb.ha {
        Fact::Unknown(reason) => return Next::trouble(2, "MetaDbUnseen", reason.clone()),
        Fact::Known(HaRow::Text(text))
            if HaConfig::parse(text).is_ok_and(|config| config.read_setting().enable) =>
        {
            if cx.spec.ha.driver != HaDriver::MetaDb {
                return Next::Fail(Failure::new(
                    "HaEnabledAgain",
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

/// The new version after its initialisation, for a normal start.
pub(super) fn decide_stopping_for_restart(cx: &Context<'_>) -> Next {
    match stop_targets(cx, &[TemplateKind::Upgrade]) {
        Ok(_) => Next::Go(Step::StartingFinal),
        Err(next) => next,
    }
}

/// Whatever runs, for a rollback.
pub(super) fn decide_stopping_new(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    let any = [
        TemplateKind::Old,
        TemplateKind::Upgrade,
        TemplateKind::Final,
        // A restart by hand, a changed label: the old template is written whole afterwards.
        TemplateKind::Foreign,
    ];
    let targets = match stop_targets(cx, &any) {
        Ok(targets) => targets,
        Err(next) => return next,
    };
    draft.new_stopped_time = Some(cx.now.clone());
    draft.stopped_targets = list_stopped(&targets);
    Next::Go(Step::Comparing)
}

/// No replicas, no pods, no foreign session: comes back with the targets when all hold.
fn stop_targets<'a>(
    cx: &'a Context<'_>,
    templates: &[TemplateKind],
) -> Result<Vec<Target<'a>>, Next> {
    let targets = read_targets(cx)?;
    let shape = Shape {
        templates: templates.to_vec(),
        running: false,
    };
    if let Some(next) = bring_into_shape(cx, &targets, &shape, &TargetChange::Stop) {
        return Err(next);
    }
    // The pod list alone could be early: a ReplicaSet that lags may still make a pod.
    if targets
        .iter()
        .any(|target| !target.pods.is_empty() || !is_drained(&target.deployment.object))
    {
        return Err(Next::watch());
    }
    match &cx.observed.metadb.sessions {
        Fact::Unknown(reason) => Err(Next::trouble(2, "MetaDbUnseen", reason.clone())),
        Fact::Known(report) => {
            let left = list_counted(cx, report);
            if !left.is_empty() {
                let list: Vec<String> = left
                    .iter()
                    .take(5)
                    .map(|s| {
                        let database = s.database.as_deref().unwrap_or("no database");
                        format!("{} {}@{} on {database}", s.id, s.user, s.host)
                    })
                    .collect();
                return Err(Next::trouble(
                    1,
                    "SessionsLeft",
                    format!(
                        "{} session(s) of others are on the OMS databases although every pod is gone: {}; end them, or wait",
                        left.len(),
                        list.join(", ")
                    ),
                ));
            }
            match find_blind_spot(cx, report) {
                Some(why) => Err(Next::trouble(2, "SessionsPartlyUnseen", why)),
                None => Ok(targets),
            }
        }
    }
}
