//! The status of an upgrade that was taken over, as far as the records on the Deployments tell it: older than the
//! record in the MetaDB, from which it is rebuilt then. Pure.
use crate::api::{
    Action, Cause, Direction, HaOriginal, Internal, OmsUpgradeStatus, Originals, Reason,
    RollbackPolicy, TakeOverOutcome, TakenOver, TargetOriginal,
};
use crate::metadb::record::{RecordFact, RecordedOutcome, TargetImage};
use crate::objects::names::originals_name;
use crate::oms::metadb::UpgradeRecord;
use crate::upgrade::asserted::describe_locked;
use crate::upgrade::context::Context;
use crate::upgrade::next::require_known;
use crate::upgrade::parts::ha::parse_config;
use crate::upgrade::parts::other_image::needs_rollback;
use crate::upgrade::parts::targets::require_deployment;
use crate::upgrade::recorded::{build_from_records, capture_untouched};
use crate::upgrade::story::{Stage, Story};
use crate::upgrade::surroundings::{Gap, missing};

/// The status of the upgrade that these rows tell of.
///
/// # Errors
/// What cannot be seen yet, or what is missing to continue it.
pub(crate) fn build_taken(
    cx: &Context<'_>,
    taken: &TakenOver,
    record: &UpgradeRecord,
    epoch: i64,
) -> Result<OmsUpgradeStatus, Gap> {
    let story = Story::read(&record.rows).map_err(Gap::Missing)?;
    require_way(cx, &story)?;
    for facts in &cx.observed.targets {
        require_deployment(facts)?;
    }
    require_known(&cx.observed.originals_copy, 2, Reason::OwnObjectsUnseen)?;
    // Nothing of what this object has looked at so far is of that upgrade.
    let blank = OmsUpgradeStatus {
        conditions: cx.status.conditions.clone(),
        history: cx.status.history.clone(),
        phase: cx.status.phase,
        internal: Internal {
            taken_over: Some(taken.clone()),
            ..Default::default()
        },
        ..OmsUpgradeStatus::default()
    };
    let blank = Context {
        status: &blank,
        ..cx.clone()
    };
    let past = story.line.is_some();
    let told = build_from_records(&blank, past).map_err(Gap::Missing)?;
    let mut status = match told {
        Some(status) => status,
        None => build_untouched(&blank, &story)?,
    };
    let same = |originals: &Originals| describe_locked(originals) == *story.locked;
    if !status.internal.originals.as_ref().is_some_and(same) {
        return missing(
            "the record in the MetaDB tells other Deployments, images or another ha.config of before the upgrade than spec.targets and the records on them",
        );
    }
    status.direction = Some(match needs_rollback(&status) {
        true => Direction::RollBack,
        false => Direction::Abort,
    });
    status.cause = Some(Cause {
        reason: Reason::TakenOver.into(),
        message: format!(
            "the upgrade of the object with uid {}, which is gone, was taken over (spec.takeOver); how far it was is read from its record in the MetaDB",
            taken.from
        ),
    });
    let internal = &mut status.internal;
    internal.epoch = internal.epoch.max(epoch);
    internal.record_seq = Some(0);
    internal.taken_over = Some(TakenOver {
        outcome: Some(TakeOverOutcome::Taken),
        ..taken.clone()
    });
    Ok(status)
}

/// Whether the way that it would be continued on is one that is asked for.
fn require_way(cx: &Context<'_>, story: &Story<'_>) -> Result<(), Gap> {
    if story.stage == Stage::Ended(RecordedOutcome::Failed) {
        return missing("it was given up half way");
    }
    let asked = matches!(cx.spec.action, Action::Abort | Action::RollBack);
    if story.stage == Stage::Line && cx.spec.rollback.policy == RollbackPolicy::OnRequest && !asked
    {
        return missing(
            "its new version may have been started, so it is continued by a rollback, and a rollback begins on request only (spec.rollback.policy): ask for it with action: RollBack",
        );
    }
    Ok(())
}

/// An upgrade that has left no record on a Deployment: it has stopped none, and what they are is what they were.
fn build_untouched(cx: &Context<'_>, story: &Story<'_>) -> Result<OmsUpgradeStatus, Gap> {
    let RecordFact::Locked { ha, images } = story.locked else {
        return missing("its first row is not that of the lock");
    };
    if story.stage != Stage::Before || story.stopped.is_some() || story.other_image {
        return missing(format!(
            "it has stopped OMS, and neither the Deployments of spec.targets nor Secret {} carry a record of it (uid {})",
            originals_name(cx.marks()),
            cx.marks()
        ));
    }
    let enabled = match ha {
        Some(text) => parse_config(text)?.read_setting().enable,
        None => false,
    };
    let ha = HaOriginal {
        enabled,
        config: ha.clone(),
    };
    let status = capture_untouched(cx, ha, |original| find_image(images, original));
    status.map_or_else(
        || {
            missing(
                "no Deployment carries a record of it, and one of them cannot tell what it was before",
            )
        },
        Ok,
    )
}

/// What the image was pulled as, where the Deployment still names the same one.
fn find_image(images: &[TargetImage], original: &TargetOriginal) -> Option<Option<String>> {
    let mut images = images.iter();
    let image = images.find(|one| one.target == original.name)?;
    (image.image == original.image).then(|| image.image_id.clone())
}
