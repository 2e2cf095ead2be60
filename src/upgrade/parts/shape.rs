//! Bringing all targets into one shape, and keeping them in it. Pure.
use crate::api::Intent;
use crate::objects::deployment::{TemplateKind, read_generation, read_replicas};
use crate::objects::target_change::TargetChange;
use crate::upgrade::context::Context;
use crate::upgrade::effect::IntentKind;
use crate::upgrade::next::Next;
use crate::upgrade::orders::patch_target;
use crate::upgrade::parts::originals::find_kind;
use crate::upgrade::parts::pausing::hold_while_paused;
use crate::upgrade::parts::targets::{
    Target, describe_contention, describe_start_by_others, goes_forward, read_targets,
    was_left_alone,
};
use crate::upgrade::target_record::find_record;
use serde_json::Value;

/// The shape that all targets must have in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Templates that are fine.
    pub templates: Vec<TemplateKind>,
    /// Replicas as before the upgrade, or none.
    pub running: bool,
}

/// Brings the targets into a shape, one write per reconcile; then all have it, and the Deployment controller has seen
/// it.
pub(crate) fn bring_into_shape(
    cx: &Context<'_>,
    targets: &[Target<'_>],
    shape: &Shape,
    change: &TargetChange,
) -> Result<(), Next> {
    let Some(target) = find_other(cx, targets, shape)? else {
        return Ok(());
    };
    let object = &target.deployment.object;
    if is_rewritten(cx, target, shape, change)? {
        return Err(describe_contention(target));
    }
    if let Some(intent) = cx.status.internal.intent.as_ref()
        && IntentKind::read(intent) == Some(IntentKind::of_change(change))
        && intent.subject.as_deref() == Some(&target.original.name)
        && was_undone(cx, object, intent)
    {
        return Err(describe_contention(target));
    }
    hold_while_paused(cx, target, change)?;
    let name = &target.original.name;
    Err(patch_target(cx, name, change.clone()))
}

/// The first target that has another shape.
fn find_other<'a, 'b>(
    cx: &Context<'_>,
    targets: &'b [Target<'a>],
    shape: &Shape,
) -> Result<Option<&'b Target<'a>>, Next> {
    for target in targets {
        if !has_shape(cx, target, shape)? {
            return Ok(Some(target));
        }
    }
    Ok(None)
}

/// Whether somebody else wrote a template that a stop cannot mend and that the start of the new version must not
/// overwrite.
fn is_rewritten(
    cx: &Context<'_>,
    target: &Target<'_>,
    shape: &Shape,
    change: &TargetChange,
) -> Result<bool, Next> {
    Ok(match change {
        // On the way back the old template is written whole, whatever stands there.
        TargetChange::Stop if goes_forward(cx) => {
            !shape.templates.contains(&find_kind(cx, target)?)
        }
        TargetChange::StartUpgrade => find_kind(cx, target)? == TemplateKind::Foreign,
        _ => false,
    })
}

/// Whether our write of a target has happened and another one took it back. Our record on the target says which write
/// was the last. Where there is none, before our first write or after a replacement of the whole object, the generation
/// tells: each of the two writes raises it; so does an annotation by anybody (of a Deployment), but one step alone
/// cannot be both.
fn was_undone(cx: &Context<'_>, object: &Value, intent: &Intent) -> bool {
    if let Some(record) = find_record(object, cx.marks()) {
        return record.intent.as_ref() == Some(intent);
    }
    intent
        .before
        .as_deref()
        .and_then(|before| before.parse::<i64>().ok())
        .is_none_or(|before| read_generation(object) > before.saturating_add(1))
}

/// Stops when a target has left the shape that it was brought into.
pub(crate) fn require_shape(
    cx: &Context<'_>,
    targets: &[Target<'_>],
    shape: &Shape,
) -> Result<(), Next> {
    match find_other(cx, targets, shape)? {
        Some(target) => Err(describe_contention(target)),
        None => Ok(()),
    }
}

pub(crate) fn has_shape(
    cx: &Context<'_>,
    target: &Target<'_>,
    shape: &Shape,
) -> Result<bool, Next> {
    let object = &target.deployment.object;
    let wanted = if shape.running {
        target.original.replicas
    } else {
        0
    };
    Ok(read_replicas(object) == wanted && shape.templates.contains(&find_kind(cx, target)?))
}

/// Stops unless all targets are stopped and were so all the time: what every Job on the databases rests on.
pub(crate) fn require_stopped(cx: &Context<'_>) -> Result<(), Next> {
    let targets = read_targets(cx)?;
    let mut templates = vec![
        TemplateKind::Old,
        TemplateKind::Upgrade,
        TemplateKind::Final,
    ];
    if !goes_forward(cx) {
        templates.push(TemplateKind::Foreign);
    }
    let stopped = Shape {
        templates,
        running: false,
    };
    require_shape(cx, &targets, &stopped)?;
    match targets.iter().find(|target| !was_left_alone(cx, target)) {
        Some(target) => Err(describe_start_by_others(target)),
        None => Ok(()),
    }
}
