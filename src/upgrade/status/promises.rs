//! One condition per promise of an upgrade: given, broken, or taken back. Pure.
use crate::api::condition_types::{
    BACKUP_VERIFIED, HA_DISABLED, HA_RESTORED, PREFLIGHT_PASSED, ROLLED_BACK, SCHEMA_INITIALIZED,
};
use crate::api::{
    Action, ConditionReason, ContentProof, Direction, HaState, InitRecord, Step, find_condition,
};
use crate::upgrade::parts::findings::describe_findings;
use crate::upgrade::parts::ha::find_goal;
use crate::upgrade::status::judgement::{Judgement, Scene};
use crate::upgrade::steps::def::HaStage;
use crate::upgrade::steps::find_def;

/// Given up as it stood: what was under way is not promised.
pub(crate) fn break_promise(scene: &Scene<'_>, type_: &'static str) -> Option<Judgement> {
    scene.draft.started_time.as_ref()?;
    let text = "let go of as it stood: the operator does nothing more for it; look at OMS yourself";
    Some(Judgement::new(
        type_,
        false,
        ConditionReason::Released,
        text,
    ))
}

/// A rollback after success takes back what was promised.
pub(crate) fn take_back(scene: &Scene<'_>, type_: &'static str) -> Option<Judgement> {
    let taken = scene.direction == Direction::RollBack
        && scene.draft.ha_enabled_time.is_some()
        && find_def(scene.step).ha == HaStage::TakenBack;
    let text = "the rollback stops OMS; this is looked at again afterwards";
    taken.then(|| Judgement::new(type_, false, ConditionReason::Pending, text))
}

pub(crate) fn judge_preflight(scene: &Scene<'_>) -> Option<Judgement> {
    let passed = |text: &str| {
        Some(Judgement::new(
            PREFLIGHT_PASSED,
            true,
            ConditionReason::Passed,
            text,
        ))
    };
    if scene.released {
        return None;
    }
    if scene.draft.started_time.is_some() {
        return passed("all required checks passed");
    }
    if scene.step != Step::Planned {
        let again = scene.step == Step::Preflight
            && find_condition(&scene.draft.conditions, PREFLIGHT_PASSED).is_some();
        let text = "the plan is made again";
        return again
            .then(|| Judgement::new(PREFLIGHT_PASSED, false, ConditionReason::Running, text));
    }
    match describe_findings(scene.cx.object, scene.draft) {
        None if scene.cx.spec.action == Action::Plan => {
            passed("all required checks passed; set action: Run to begin")
        }
        None => passed("all required checks passed"),
        Some(found) => Some(Judgement::with_word(
            PREFLIGHT_PASSED,
            false,
            found.reason,
            found.message,
        )),
    }
}

pub(crate) fn judge_ha_off(scene: &Scene<'_>) -> Option<Judgement> {
    let forward = scene.direction == Direction::Forward;
    let stage = find_def(scene.step).ha;
    if scene.released {
        None
    } else if forward && stage == HaStage::Off {
        // Few of these steps look at the row; what was seen last is told, as such.
        let off = scene.draft.ha != Some(HaState::On);
        let text = if off {
            "ha.config read enable=false in the MetaDB when it was last looked at"
        } else {
            "ha.config reads enable=true in the MetaDB, although it was switched off"
        };
        Some(Judgement::new(HA_DISABLED, off, ConditionReason::Row, text))
    } else if scene.draft.started_time.is_some() && stage == HaStage::AtGoal {
        let text = "HA is at its goal again";
        Some(Judgement::new(
            HA_DISABLED,
            false,
            ConditionReason::Over,
            text,
        ))
    } else {
        None
    }
}

pub(crate) fn judge_backup(scene: &Scene<'_>) -> Option<Judgement> {
    let backup = scene.draft.backup.as_ref().filter(|_| !scene.released)?;
    let (reason, text) = match (backup.verified, backup.scratch_restored) {
        (true, true) => (
            ConditionReason::Restored,
            "files, object lists, row counts and a restore into scratch databases agree with the manifest",
        ),
        (true, false) => (
            ConditionReason::Verified,
            "files, object lists and row counts agree with the manifest",
        ),
        (false, _) => (
            ConditionReason::NotYetVerified,
            "the dump is complete; its content is not proven yet",
        ),
    };
    let claim = &scene.cx.spec.backup.claim_name;
    let text = format!("{text}; directory {} on claim {claim}", backup.directory);
    Some(Judgement::new(
        BACKUP_VERIFIED,
        backup.verified,
        reason,
        text,
    ))
}

pub(crate) fn judge_schema(scene: &Scene<'_>) -> Option<Judgement> {
    let draft = scene.draft;
    if scene.released || draft.internal.init_runs.is_empty() {
        return None;
    }
    if scene.direction == Direction::RollBack {
        let (reason, text) = match draft.internal.content_proof {
            Some(_) => (
                ConditionReason::Over,
                "the databases are those of before the upgrade again; what docker_init.sh did to them is gone",
            ),
            None => (
                ConditionReason::Pending,
                "the rollback takes back what docker_init.sh did",
            ),
        };
        return Some(Judgement::new(SCHEMA_INITIALIZED, false, reason, text));
    }
    let installation = draft.installation.as_ref();
    let wanted = installation.map_or(0, |installation| installation.init_targets.len());
    let count = |wanted: fn(&InitRecord) -> bool| {
        draft
            .internal
            .init_runs
            .iter()
            .filter(|run| wanted(run))
            .count()
    };
    let done = count(|run| run.completed);
    let accepted = count(|run| !run.completed && run.is_accepted());
    let open = count(|run| !run.completed && run.unconfirmed.is_some()) - accepted;
    let mut text =
        format!("docker_init.sh printed its completion banner on {done} of {wanted} node(s)");
    if accepted > 0 {
        text += &format!("; on {accepted} a person took it for complete by spec.accept");
    }
    if open > 0 {
        text += &format!("; on {open} it ended with exit status 0 and without one");
    }
    let all = done + accepted >= wanted;
    let reason = match (all, accepted, open) {
        (true, 0, _) => ConditionReason::Completed,
        (true, ..) => ConditionReason::Accepted,
        (false, _, 0) => ConditionReason::Running,
        (false, ..) => ConditionReason::Unconfirmed,
    };
    Some(Judgement::new(SCHEMA_INITIALIZED, all, reason, text))
}

pub(crate) fn judge_ha_goal(scene: &Scene<'_>) -> Option<Judgement> {
    if scene.released {
        return break_promise(scene, HA_RESTORED);
    }
    match find_def(scene.step).ha {
        // An upgrade that ended before anything was changed promises nothing.
        HaStage::AtGoal
            if scene.step != Step::Settling || scene.draft.internal.originals.is_some() =>
        {
            let differs = match scene.draft.ha {
                Some(HaState::On) => !find_goal(scene.cx),
                Some(HaState::Off) => find_goal(scene.cx),
                _ => false,
            };
            let text = match differs {
                true => {
                    "ha.config does not read as its goal says: somebody else wrote it after it was brought there"
                }
                false => "ha.config reads as its goal says",
            };
            let row = ConditionReason::Row;
            Some(Judgement::new(HA_RESTORED, !differs, row, text))
        }
        HaStage::OnItsWay => {
            let text = "HA is on its way to its goal";
            let pending = ConditionReason::Pending;
            Some(Judgement::new(HA_RESTORED, false, pending, text))
        }
        HaStage::AsFound | HaStage::Off | HaStage::AtGoal | HaStage::TakenBack => {
            take_back(scene, HA_RESTORED)
        }
    }
}

pub(crate) fn judge_rollback(scene: &Scene<'_>) -> Option<Judgement> {
    if scene.direction != Direction::RollBack {
        return None;
    }
    if scene.released {
        return break_promise(scene, ROLLED_BACK);
    }
    let done = scene.step == Step::Settling;
    let (reason, text) = match (done, scene.draft.internal.content_proof) {
        (true, Some(ContentProof::Equal)) => (
            ConditionReason::Done,
            "the databases were unchanged; the old image runs",
        ),
        (true, _) => (
            ConditionReason::Done,
            "the backup was restored and compared; the old image runs",
        ),
        (false, _) => (ConditionReason::Pending, "the rollback is under way"),
    };
    Some(Judgement::new(ROLLED_BACK, done, reason, text))
}
