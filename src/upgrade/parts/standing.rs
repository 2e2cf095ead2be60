//! What was started last is what runs until the verdict falls. Pure.
//!
//! Between the start and the verdict lie the switch of HA and the time until every project advances: minutes, or days
//! where a person is asked. Whatever somebody else starts then is told and never overwritten, and no verdict falls on
//! it.
use crate::api::Direction;
use crate::objects::deployment::{TemplateKind, build_template, read_replicas};
use crate::objects::restart::is_same_but_restarted;
use crate::upgrade::context::Context;
use crate::upgrade::next::Next;
use crate::upgrade::parts::late_writes::may_write_late;
use crate::upgrade::parts::originals::find_texts;
use crate::upgrade::parts::pods::find_running_pod;
use crate::upgrade::parts::targets::{Target, describe_departure, goes_forward, read_targets};

/// Every target still has the template and the replicas that it was started with, and a pod made from that template
/// runs.
pub(crate) fn require_standing(cx: &Context<'_>) -> Result<(), Next> {
    // An abort that comes before OMS was stopped leaves the Deployments alone.
    let left_alone = cx.status.direction == Some(Direction::Abort) && !may_write_late(cx);
    if cx.originals().is_none() || left_alone {
        return Ok(());
    }
    let targets = read_targets(cx)?;
    for target in &targets {
        if !stands(cx, target)? {
            return Err(describe_departure(cx, target));
        }
    }
    targets
        .iter()
        .try_for_each(|target| find_running_pod(target).map(|_| ()))
}

/// Whether a target is as it was started. A restart by hand starts nothing else.
fn stands(cx: &Context<'_>, target: &Target<'_>) -> Result<bool, Next> {
    let original = target.original;
    let kind = match goes_forward(cx) {
        true => TemplateKind::Final,
        false => TemplateKind::Old,
    };
    let texts = find_texts(cx, &original.name)?;
    let wanted = build_template(original, &texts.template, &cx.spec.image, &kind);
    let object = &target.deployment.object;
    let same = wanted
        .as_ref()
        .zip(object.pointer("/spec/template"))
        .is_some_and(|(wanted, found)| is_same_but_restarted(wanted, found));
    Ok(same && read_replicas(object) == original.replicas)
}
