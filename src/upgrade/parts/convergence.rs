//! After the end: whether what a Deployment is kept from (git) names the image that suits the databases. Pure.
//!
//! A tool as Argo CD or Flux writes what its source says as soon as it may. Where the API server refuses the image that
//! would damage the databases, everything is given back at once. Where it does not, the operator keeps what it owns of
//! the Deployment, and the pause of Flux that it set, until a person says that the source names the image that runs. It
//! writes nothing over anybody meanwhile.
use crate::api::condition_types::SOURCE_CONVERGED;
use crate::api::{
    ForbiddenImage, OmsUpgradeSpec, OmsUpgradeStatus, RevertedImage, SourceGuard, TargetSource,
    find_condition,
};
use crate::facts::{DeploymentFacts, Fact, TargetFacts};
use crate::objects::deployment::{find_last_writer, read_image};
use crate::objects::giving_back::is_given_back;
use crate::objects::owner::find_keeper;
use crate::upgrade::context::Context;
use serde_json::Value;

/// The image that the source of a target has to name: that of the version that the databases are of.
pub(crate) fn find_image_to_name<'a>(
    status: &'a OmsUpgradeStatus,
    target: &str,
) -> Option<&'a str> {
    find_forbidden(status, target).map(|one| one.use_image.as_str())
}

/// The image that must not come into a target, and what belongs there instead.
pub(crate) fn find_forbidden<'a>(
    status: &'a OmsUpgradeStatus,
    target: &str,
) -> Option<&'a ForbiddenImage> {
    let mut forbidden = status.forbidden_images.iter();
    forbidden.find(|one| one.target == target && one.has_substitute())
}

/// What a person said that the source names.
pub(crate) fn read_source_image(spec: &OmsUpgradeSpec) -> Option<&str> {
    spec.gitops.as_ref()?.source_image.as_deref()
}

/// The image of which has to be seen whether it is refused, before a target is given back: somebody keeps it from a
/// source, and nobody said that the source has come after.
pub fn find_guarded_image<'a>(
    spec: &OmsUpgradeSpec,
    status: &'a OmsUpgradeStatus,
    target: &str,
    object: &Value,
) -> Option<&'a ForbiddenImage> {
    let forbidden = find_forbidden(status, target)?;
    let open = read_source_image(spec) != Some(&forbidden.use_image);
    (open && !is_given_back(object) && find_keeper(object).is_some()).then_some(forbidden)
}

/// Whether nothing is left to do but to give Deployments back once their source names the image that runs.
pub(crate) fn is_held(status: &OmsUpgradeStatus) -> bool {
    !status.settled && status.internal.sources.iter().any(is_marked_held)
}

fn is_marked_held(source: &TargetSource) -> bool {
    source.guard == Some(SourceGuard::Held)
}

/// Remembers how the targets stand to their sources, as far as they were seen. Of those that nobody keeps nothing is
/// remembered, unless it was told otherwise before.
pub(crate) fn note_sources(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) {
    if draft.forbidden_images.is_empty() {
        draft.internal.sources.clear();
        return;
    }
    let told = find_condition(&draft.conditions, SOURCE_CONVERGED).is_some();
    for facts in &cx.observed.targets {
        let Fact::Known(deployment) = &facts.deployment else {
            continue;
        };
        let mut known = draft.internal.sources.iter();
        let before = known.find(|one| one.target == facts.name);
        let mut source = look(draft, facts, deployment.as_ref(), before);
        if before.is_some_and(is_marked_held) && is_to_hold(cx, draft, facts, &source) {
            source.guard = Some(SourceGuard::Held);
        }
        let tells = told || source.tool.is_some() || source.reverted.is_some();
        match draft
            .internal
            .sources
            .iter_mut()
            .find(|one| one.target == facts.name)
        {
            Some(known) => *known = source,
            None if tells => draft.internal.sources.push(source),
            None => {}
        }
    }
}

/// Whether a target is not given back yet.
pub(crate) fn must_hold(cx: &Context<'_>, draft: &OmsUpgradeStatus, facts: &TargetFacts) -> bool {
    let mut sources = draft.internal.sources.iter();
    let source = sources.find(|source| source.target == facts.name);
    source.is_some_and(|source| is_to_hold(cx, draft, facts, source))
}

/// Everything else is given back: the targets that are held are all that is left.
pub(crate) fn note_hold(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> bool {
    let held: Vec<&str> = cx
        .observed
        .targets
        .iter()
        .filter(|facts| must_hold(cx, draft, facts))
        .map(|facts| facts.name.as_str())
        .collect();
    for source in &mut draft.internal.sources {
        let is_held = held.contains(&source.target.as_str());
        match source.guard {
            None if is_held => source.guard = Some(SourceGuard::Held),
            Some(SourceGuard::Held) if !is_held => source.guard = None,
            _ => {}
        }
    }
    !held.is_empty()
}

fn look(
    status: &OmsUpgradeStatus,
    facts: &TargetFacts,
    deployment: Option<&DeploymentFacts>,
    before: Option<&TargetSource>,
) -> TargetSource {
    let object = deployment.map(|deployment| &deployment.object);
    TargetSource {
        target: facts.name.clone(),
        tool: object
            .and_then(find_keeper)
            .map(|owner| owner.tool.to_owned()),
        // Not looked at any more once it is given back; what was seen last is told.
        guard: match &facts.image_guard {
            Fact::Known(true) => Some(SourceGuard::Refused),
            Fact::Unknown(_) if status.settled || object.is_some_and(is_given_back) => {
                let before = before.and_then(|before| before.guard);
                before.filter(|guard| *guard == SourceGuard::Refused)
            }
            Fact::Known(false) | Fact::Unknown(_) => None,
        },
        reverted: object.and_then(|object| find_reverted(status, &facts.name, object)),
    }
}

/// A forbidden image in the Deployment of that name, also where it is another one by now.
fn find_reverted(status: &OmsUpgradeStatus, target: &str, object: &Value) -> Option<RevertedImage> {
    let forbidden = find_forbidden(status, target)?;
    if read_image(object, &forbidden.container)? != forbidden.image {
        return None;
    }
    Some(RevertedImage {
        image: forbidden.image.clone(),
        by: find_last_writer(object).unwrap_or_else(|| "an unknown writer".into()),
    })
}

/// The one that deletes the object lifts everything: nobody could end the hold any more.
fn is_to_hold(
    cx: &Context<'_>,
    draft: &OmsUpgradeStatus,
    facts: &TargetFacts,
    source: &TargetSource,
) -> bool {
    let Some(Some(deployment)) = facts.deployment.known() else {
        return false;
    };
    let is_ours = cx
        .original(&facts.name)
        .is_some_and(|original| original.uid == deployment.uid);
    let wanted = find_image_to_name(draft, &facts.name);
    is_ours
        && source.tool.is_some()
        && source.guard != Some(SourceGuard::Refused)
        && !cx.object.deleting
        && !cx.status.settled
        && wanted.is_some()
        && read_source_image(cx.spec) != wanted
        && !is_given_back(&deployment.object)
}
