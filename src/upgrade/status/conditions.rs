//! Phase and conditions: derived from the rest of the status, in one place. Pure.
use crate::api::condition_types::*;
use crate::api::{Direction, OmsUpgradeStatus, Phase, Step, set_condition};
use crate::oms::version::parse_image_version;
use crate::upgrade::context::Context;
use crate::upgrade::parts::recovery_keys::judge_recovery;
use crate::upgrade::parts::source::read_source_images;
use crate::upgrade::status::promises::{break_promises, derive_promises};
use crate::upgrade::status::words::{describe_state, find_stall, is_released};
use crate::upgrade::steps::find_phase;

/// Fills in what follows from the rest of the status.
pub(crate) fn derive_conditions(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) {
    let direction = draft.direction.unwrap_or_default();
    let step = draft.step.unwrap_or(Step::Pending);
    let failed = draft.cause.is_some();
    let phase = if is_released(draft) {
        Phase::Failed
    } else {
        find_phase(step, direction, failed && direction == Direction::Forward)
    };
    draft.phase = Some(phase);
    // A settled object is not written for the sake of a newer operator alone.
    if !cx.status.settled || !draft.settled {
        draft.operator_version = Some(env!("CARGO_PKG_VERSION").into());
    }
    draft.target_version = parse_image_version(&cx.spec.image).map(|version| version.to_string());
    if draft.source_version.is_none() {
        draft.source_version = read_source_images(cx)
            .first()
            .and_then(|image| parse_image_version(image))
            .map(|v| v.to_string());
    }
    let over = step == Step::Settling;
    let planned = step == Step::Planned;
    let message = describe_state(draft, phase);
    let mut conditions = std::mem::take(&mut draft.conditions);
    let mut set = |type_: &str, status: bool, reason: &str, message: &str| {
        set_condition(
            &mut conditions,
            type_,
            status,
            reason,
            message,
            cx.object.generation,
            &cx.now,
        );
    };
    let reason = format!("{phase:?}");
    let stall = find_stall(draft);
    let stalled = stall.is_some() || (over && phase != Phase::Succeeded);
    let why = match (stall, &draft.cause) {
        (Some(stall), _) => stall.reason,
        (None, Some(cause)) if over => cause.reason.clone(),
        _ => reason.clone(),
    };
    set(READY, phase == Phase::Succeeded, &why, &message);
    // Each of the two tells the story while it is true; the whole of it is in Ready.
    if draft.settled || stalled || planned {
        let rest = if draft.settled {
            "nothing is left to do"
        } else {
            "waiting for a person"
        };
        set(RECONCILING, false, &reason, rest);
    } else {
        set(RECONCILING, true, &reason, &message);
    }
    if stalled {
        set(STALLED, true, &why, &message);
    } else {
        set(STALLED, false, &why, "nobody needs to act");
    }
    set(FINISHED, over || planned, &reason, &message);
    if is_released(draft) {
        break_promises(draft, &mut set);
    } else {
        derive_promises(cx, draft, &mut set);
        if let Some((status, reason, text)) = judge_recovery(draft) {
            set_condition(
                &mut conditions,
                REPLICATION_RECOVERED,
                status,
                reason,
                &text,
                cx.object.generation,
                &cx.now,
            );
        }
    }
    let contended = draft
        .stall
        .as_ref()
        .is_some_and(|stall| stall.reason == "TargetContended");
    if contended
        || conditions
            .iter()
            .any(|condition| condition.type_ == TARGET_CONTENDED)
    {
        let text = draft
            .stall
            .as_ref()
            .map_or("nobody else writes the Deployments", |stall| {
                stall.message.as_str()
            });
        set_condition(
            &mut conditions,
            TARGET_CONTENDED,
            contended,
            if contended {
                "TargetContended"
            } else {
                "Quiet"
            },
            text,
            cx.object.generation,
            &cx.now,
        );
    }
    let paused = cx.spec.paused && !over;
    if paused || conditions.iter().any(|condition| condition.type_ == PAUSED) {
        let text = if paused {
            "spec.paused: no further phase is begun; set it to false to go on"
        } else {
            "not paused"
        };
        set_condition(
            &mut conditions,
            PAUSED,
            paused,
            if paused { "Asked" } else { "NotAsked" },
            text,
            cx.object.generation,
            &cx.now,
        );
    }
    draft.conditions = conditions;
}
