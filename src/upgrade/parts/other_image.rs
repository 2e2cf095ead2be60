//! What is said of another image that somebody started while OMS was stopped for the backup. Pure.
use crate::api::{RELEASE_ANNOTATION, RELEASE_VALUE, Reason, TargetOriginal};
use crate::facts::DeploymentFacts;
use crate::objects::deployment::find_last_writer;
use crate::upgrade::context::Context;
use crate::upgrade::next::{Failure, Next};

/// Another image was started by somebody else before the line.
pub(crate) fn describe_other_image(
    deployment: &DeploymentFacts,
    original: &TargetOriginal,
    image: &str,
) -> Failure {
    let who = find_last_writer(&deployment.object).unwrap_or_else(|| "an unknown writer".into());
    Failure::new(
        Reason::TargetContended,
        format!(
            "{who} started {image} in Deployment {} while the upgrade had OMS stopped for the backup; what it made of the databases is not known",
            original.name
        ),
    )
}

/// An abort after another image was seen, and no verified backup to go by.
pub(crate) fn ask_about_other_image(cx: &Context<'_>) -> Next {
    let originals = cx.originals().into_iter();
    let names: Vec<&str> = originals
        .flat_map(|all| all.targets.iter().map(|target| target.name.as_str()))
        .collect();
    Next::Stall(Failure::with_advice(
        Reason::OtherImageSeen,
        format!(
            "somebody else started another image than the original's while OMS was stopped ({}), and there is no verified backup to compare the \
             databases with: what it made of them is not known, so the old version is not started and what runs is left as it is; stop it, look at \
             the databases, and bring OMS by hand to the version that suits them (status.internal.originals has the original, docs/backup.md the \
             restore), then let go of this object with the annotation {RELEASE_ANNOTATION}={RELEASE_VALUE} and delete it; spec.retryRequest does not \
             help",
            names.join(", ")
        ),
    ))
}
