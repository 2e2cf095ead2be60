//! One condition per promise of an upgrade: given, broken, or taken back. Pure.
use crate::api::condition_types::*;
use crate::api::{ContentProof, Direction, InitRecord, OmsUpgradeStatus, Step};
use crate::upgrade::context::Context;
use crate::upgrade::status::words::RELEASED;

/// One condition per promise, once it is given or broken.
pub(crate) fn derive_promises(
    cx: &Context<'_>,
    draft: &OmsUpgradeStatus,
    set: &mut impl FnMut(&str, bool, &str, &str),
) {
    let direction = draft.direction.unwrap_or_default();
    let step = draft.step.unwrap_or(Step::Pending);
    let failed_preflight = direction == Direction::Forward && draft.cause.is_some();
    if draft.started_time.is_some() {
        set(
            PREFLIGHT_PASSED,
            true,
            "Passed",
            "all required checks passed",
        );
    } else if step == Step::Planned {
        set(
            PREFLIGHT_PASSED,
            true,
            "Passed",
            "all required checks passed; set action: Run to begin",
        );
    } else if failed_preflight && let Some(cause) = &draft.cause {
        set(PREFLIGHT_PASSED, false, &cause.reason, &cause.message);
    }
    let forward = direction == Direction::Forward;
    if forward && (Step::StoppingOld..Step::EnablingHa).contains(&step) {
        set(
            HA_DISABLED,
            true,
            "Row",
            "ha.config reads enable=false in the MetaDB",
        );
    } else if draft.started_time.is_some()
        && (step >= Step::Recovering && step < Step::StoppingJobs || step == Step::Settling)
    {
        set(HA_DISABLED, false, "Over", "HA is at its goal again");
    }
    if let Some(backup) = &draft.backup {
        let (reason, text) = match (backup.verified, backup.scratch_restored) {
            (true, true) => (
                "Restored",
                "files, object lists, row counts and a restore into scratch schemas agree with the manifest",
            ),
            (true, false) => (
                "Verified",
                "files, object lists and row counts agree with the manifest",
            ),
            (false, _) => (
                "NotYetVerified",
                "the dump is complete; its content is not proven yet",
            ),
        };
        set(
            BACKUP_VERIFIED,
            backup.verified,
            reason,
            &format!(
                "{text}; directory {} on claim {}",
                backup.directory, cx.spec.backup.claim_name
            ),
        );
    }
    let wanted = draft
        .installation
        .as_ref()
        .map_or(0, |installation| installation.init_targets.len());
    if !draft.init_runs.is_empty() {
        let count = |wanted: fn(&InitRecord) -> bool| {
            draft.init_runs.iter().filter(|run| wanted(run)).count()
        };
        let done = count(|run| run.completed);
        let accepted = count(|run| !run.completed && run.is_accepted());
        let open = count(|run| !run.completed && run.unconfirmed.is_some()) - accepted;
        let mut text =
            format!("docker_init.sh printed its completion banner on {done} of {wanted} node(s)");
        if accepted > 0 {
            text += &format!("; on {accepted} a person took it for complete by spec.retries");
        }
        if open > 0 {
            text += &format!("; on {open} it ended with exit status 0 and without one");
        }
        let all = done + accepted >= wanted;
        let reason = match (all, accepted, open) {
            (true, 0, _) => "Completed",
            (true, ..) => "Accepted",
            (false, _, 0) => "Running",
            (false, ..) => "Unconfirmed",
        };
        set(SCHEMA_INITIALIZED, all, reason, &text);
    }
    let ha_goal_reached =
        step == Step::Recovering || (step == Step::Settling && draft.originals.is_some());
    if step == Step::EnablingHa || ha_goal_reached {
        let text = if ha_goal_reached {
            "ha.config reads as its goal says"
        } else {
            "HA is on its way to its goal"
        };
        set(
            HA_RESTORED,
            ha_goal_reached,
            if ha_goal_reached { "Row" } else { "Pending" },
            text,
        );
    }
    // A rollback after success takes back what was promised.
    let taken_back = direction == Direction::RollBack
        && draft.ha_enabled_time.is_some()
        && (Step::StoppingJobs..Step::Settling).contains(&step);
    if taken_back {
        let text = "the rollback stops OMS; this is looked at again afterwards";
        set(HA_RESTORED, false, "Pending", text);
        set(REPLICATION_RECOVERED, false, "Pending", text);
    }
    if direction == Direction::RollBack {
        let done = step == Step::Settling;
        let text = match (done, draft.content_proof) {
            (true, Some(ContentProof::Equal)) => "the databases were unchanged; the old image runs",
            (true, _) => "the backup was restored and compared; the old image runs",
            (false, _) => "the rollback is under way",
        };
        set(
            ROLLED_BACK,
            done,
            if done { "Done" } else { "Pending" },
            text,
        );
    }
}

/// It was given up as it stood: nothing is promised of what was under way.
pub(crate) fn break_promises(
    draft: &OmsUpgradeStatus,
    set: &mut impl FnMut(&str, bool, &str, &str),
) {
    if draft.started_time.is_none() {
        return;
    }
    let text = "given up as it stood: look at OMS yourself";
    for promise in [HA_RESTORED, REPLICATION_RECOVERED] {
        set(promise, false, RELEASED, text);
    }
    if draft.direction == Some(Direction::RollBack) {
        set(ROLLED_BACK, false, RELEASED, text);
    }
}
