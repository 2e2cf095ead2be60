//! Phase and conditions: derived from the rest of the status, in one place. Pure.
use crate::api::condition_types::{
    FINISHED, PAUSED, PLANNED, READY, RECONCILING, REPLICATION_RECOVERED, STALLED, TARGET_CONTENDED,
};
use crate::api::{
    ConditionReason, Direction, OmsUpgradeStatus, Phase, Reason, Step, find_condition,
    set_condition,
};
use crate::oms::version::parse_image_version;
use crate::upgrade::context::Context;
use crate::upgrade::parts::abandonment::is_released;
use crate::upgrade::parts::convergence::is_held;
use crate::upgrade::parts::leftovers::complete_leftovers;
use crate::upgrade::parts::recovery_keys::judge_recovery;
use crate::upgrade::parts::source::read_source_images;
use crate::upgrade::status::actions::list_actions;
use crate::upgrade::status::judgement::{Judgement, Scene};
use crate::upgrade::status::promises;
use crate::upgrade::status::sources::judge_sources;
use crate::upgrade::status::summary::{find_ha, summarize_step};
use crate::upgrade::status::words::{describe_state, find_stall};
use crate::upgrade::steps::find_phase;

/// One per condition, in the order in which people read them. `None` leaves the condition as it is.
const JUDGES: [fn(&Scene<'_>) -> Option<Judgement>; 15] = [
    judge_ready,
    judge_reconciling,
    judge_stalled,
    judge_planned,
    judge_finished,
    promises::judge_preflight,
    promises::judge_ha_off,
    promises::judge_backup,
    promises::judge_schema,
    promises::judge_ha_goal,
    promises::judge_rollback,
    judge_replication,
    judge_contention,
    judge_sources,
    judge_pause,
];

/// Fills in what follows from the rest of the status.
pub(crate) fn derive_conditions(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) {
    complete_leftovers(cx, draft);
    let direction = draft.direction.unwrap_or_default();
    let step = draft.step.unwrap_or(Step::Pending);
    let released = is_released(draft);
    let phase = if released {
        Phase::Failed
    } else {
        find_phase(step, direction)
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
            .map(|version| version.to_string());
    }
    draft.ha = find_ha(cx, draft);
    draft.step_summary =
        summarize_step(cx.object, draft).map(|told| mention_pause(cx, draft, told));
    draft.next_actions = list_actions(cx, draft, phase);
    let scene = Scene {
        cx,
        step,
        direction,
        phase,
        released,
        stall: find_stall(cx.object, draft),
        story: describe_state(cx.object, draft, phase),
        draft,
    };
    let judged: Vec<Judgement> = JUDGES.iter().filter_map(|judge| judge(&scene)).collect();
    for one in judged {
        set_condition(
            &mut draft.conditions,
            one.type_,
            one.status,
            &one.reason,
            &one.message,
            cx.object.generation,
            &cx.now,
        );
    }
}

impl Scene<'_> {
    fn is_over(&self) -> bool {
        self.step == Step::Settling
    }

    fn is_stalled(&self) -> bool {
        let ended_otherwise = self.is_over() && self.phase != Phase::Succeeded;
        self.stall.is_some() || ended_otherwise
    }

    /// The word that tells most: of the stall, of the cause of an end, of the phase.
    fn find_word(&self) -> String {
        match (&self.stall, &self.draft.cause) {
            (Some(stall), _) => stall.reason.clone(),
            (None, Some(cause)) if self.is_over() => cause.reason.clone(),
            _ => self.phase.as_str().to_owned(),
        }
    }

    /// Whether a condition was told before: then it is also told that it holds no more.
    fn was_told(&self, type_: &str) -> bool {
        find_condition(&self.draft.conditions, type_).is_some()
    }
}

fn judge_ready(scene: &Scene<'_>) -> Option<Judgement> {
    let holds = scene.phase == Phase::Succeeded;
    Some(Judgement::with_word(
        READY,
        holds,
        scene.find_word(),
        scene.story.clone(),
    ))
}

/// This one and the next tell the story while they are true; the whole of it is in `Ready`.
fn judge_reconciling(scene: &Scene<'_>) -> Option<Judgement> {
    let rests = if scene.draft.settled {
        Some("nothing is left to do")
    } else if scene.is_stalled() || scene.step == Step::Planned {
        Some("waiting for a person")
    } else if is_held(scene.draft) {
        Some("what is left waits for git; SourceConverged tells")
    } else {
        None
    };
    let text = match rests {
        Some(rests) => rests,
        None if scene.is_over() => "cleaning up",
        None => &scene.story,
    };
    let word = scene.phase.as_str();
    Some(Judgement::with_word(
        RECONCILING,
        rests.is_none(),
        word,
        text,
    ))
}

fn judge_stalled(scene: &Scene<'_>) -> Option<Judgement> {
    let stalled = scene.is_stalled();
    let text = match (stalled, &scene.stall) {
        (true, Some(_)) => &scene.story,
        (true, None) => "over, and no success; Ready tells why",
        (false, _) => "nobody needs to act",
    };
    let word = scene.find_word();
    Some(Judgement::with_word(STALLED, stalled, word, text))
}

fn judge_planned(scene: &Scene<'_>) -> Option<Judgement> {
    let waits = scene.step == Step::Planned;
    if !waits && !scene.was_told(PLANNED) {
        return None;
    }
    let (reason, text) = match (waits, &scene.stall) {
        (true, Some(_)) => (
            ConditionReason::Findings,
            "the plan has findings, see status.plan.checks; it waits for a person",
        ),
        (true, None) => (
            ConditionReason::Ready,
            "the plan has no findings, and waits for a person to begin",
        ),
        (false, _) => (ConditionReason::NotWaiting, "no plan waits"),
    };
    Some(Judgement::new(PLANNED, waits, reason, text))
}

fn judge_finished(scene: &Scene<'_>) -> Option<Judgement> {
    let word = scene.phase.as_str();
    // The story stands in `Ready`: told three times it would make the status long and no clearer.
    let text = match scene.is_over() {
        true => "over; Ready tells the verdict",
        false if scene.step == Step::Planned => "not begun",
        false => "under way; Ready tells how far",
    };
    Some(Judgement::with_word(FINISHED, scene.is_over(), word, text))
}

fn judge_replication(scene: &Scene<'_>) -> Option<Judgement> {
    if scene.released {
        return promises::break_promise(scene, REPLICATION_RECOVERED);
    }
    if let Some((status, reason, text)) = judge_recovery(scene.draft) {
        return Some(Judgement::new(REPLICATION_RECOVERED, status, reason, text));
    }
    promises::take_back(scene, REPLICATION_RECOVERED)
}

fn judge_contention(scene: &Scene<'_>) -> Option<Judgement> {
    let stall = scene.draft.stall.as_ref();
    let contended = stall.filter(|stall| stall.reason == Reason::TargetContended);
    if contended.is_none() && !scene.was_told(TARGET_CONTENDED) {
        return None;
    }
    let reason = match contended {
        Some(_) => ConditionReason::TargetContended,
        None => ConditionReason::Quiet,
    };
    let text = contended.map_or("nobody else writes the Deployments", |stall| {
        stall.message.as_str()
    });
    Some(Judgement::new(
        TARGET_CONTENDED,
        contended.is_some(),
        reason,
        text,
    ))
}

/// That a person holds the upgrade between two phases stands where people look first.
fn mention_pause(cx: &Context<'_>, draft: &OmsUpgradeStatus, told: String) -> String {
    let forward = draft.direction.unwrap_or_default() == Direction::Forward;
    let holds = cx.spec.paused && forward && draft.step != Some(Step::Settling);
    if holds {
        format!("{told} (spec.paused: no further phase is begun)")
    } else {
        told
    }
}

fn judge_pause(scene: &Scene<'_>) -> Option<Judgement> {
    let paused = scene.cx.spec.paused && !scene.is_over();
    if !paused && !scene.was_told(PAUSED) {
        return None;
    }
    let (reason, text) = if paused {
        (
            ConditionReason::Asked,
            "spec.paused: no further phase is begun; set it to false to go on",
        )
    } else {
        (ConditionReason::NotAsked, "not paused")
    };
    Some(Judgement::new(PAUSED, paused, reason, text))
}
