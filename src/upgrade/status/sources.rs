//! The condition `SourceConverged`: whether what Deployments are kept from names the image that suits the databases.
//! Pure.
//!
//! It is no part of the verdict, and kstatus does not know it: a tool that waits for the object must not wait for its
//! own next commit.
use crate::api::condition_types::SOURCE_CONVERGED;
use crate::api::{
    ConditionReason, ConditionStatus, OmsUpgradeStatus, RevertedImage, SourceGuard, Step,
    TargetSource,
};
use crate::upgrade::parts::convergence::{find_forbidden, find_image_to_name, read_source_image};
use crate::upgrade::status::judgement::{Judgement, Scene};

/// How a target stands, the worst first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Reverted(ByWhom),
    Differs,
    Held,
    Unguarded,
    Guarded,
    Agrees,
    NoSource,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ByWhom {
    by: String,
    image: String,
}

pub(crate) fn judge_sources(scene: &Scene<'_>) -> Option<Judgement> {
    let judge = |status: ConditionStatus, reason, text: String| {
        Some(Judgement::new(SOURCE_CONVERGED, status, reason, text))
    };
    let draft = scene.draft;
    let over = scene.step == Step::Settling && !draft.forbidden_images.is_empty();
    if !over || draft.internal.sources.is_empty() {
        let (reason, text) = match scene.released {
            true => (
                ConditionReason::Released,
                "let go of as it stood: nothing is held or forbidden any more; look yourself what the source of the Deployments names",
            ),
            false => (
                ConditionReason::Pending,
                "which image the source has to name is said at the end",
            ),
        };
        let told = crate::api::find_condition(&draft.conditions, SOURCE_CONVERGED).is_some();
        return told
            .then(|| judge(ConditionStatus::Unknown, reason, text.into()))
            .flatten();
    }
    let said = read_source_image(scene.cx.spec);
    let mut standings: Vec<(Standing, &TargetSource)> = draft
        .internal
        .sources
        .iter()
        .map(|source| (find_standing(draft, source, said), source))
        .collect();
    standings.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (worst, source) = standings.first()?;
    let same = standings.iter().filter(|(standing, _)| standing == worst);
    let names: Vec<&str> = same.map(|(_, source)| source.target.as_str()).collect();
    let text = describe(scene, worst, source, &names.join(", "));
    let (status, reason) = match worst {
        Standing::Reverted(_) => (ConditionStatus::False, ConditionReason::SourceReverted),
        Standing::Differs => (ConditionStatus::False, ConditionReason::SourceImageDiffers),
        Standing::Held => (ConditionStatus::False, ConditionReason::SourceHeld),
        Standing::Unguarded => (ConditionStatus::False, ConditionReason::SourceUnconfirmed),
        Standing::Guarded => (ConditionStatus::Unknown, ConditionReason::SourceUnconfirmed),
        Standing::Agrees => (ConditionStatus::True, ConditionReason::SourceAgrees),
        Standing::NoSource => (ConditionStatus::True, ConditionReason::NoSource),
    };
    judge(status, reason, text)
}

fn find_standing(status: &OmsUpgradeStatus, source: &TargetSource, said: Option<&str>) -> Standing {
    let wanted = find_image_to_name(status, &source.target);
    match (&source.reverted, &source.tool, said) {
        (Some(RevertedImage { image, by }), ..) => Standing::Reverted(ByWhom {
            by: by.clone(),
            image: image.clone(),
        }),
        (None, None, _) => Standing::NoSource,
        (None, Some(_), Some(_)) if said == wanted => Standing::Agrees,
        (None, Some(_), Some(_)) if wanted.is_some() => Standing::Differs,
        (None, Some(_), _) => match source.guard {
            Some(SourceGuard::Held) => Standing::Held,
            Some(SourceGuard::Refused) => Standing::Guarded,
            None => Standing::Unguarded,
        },
    }
}

fn describe(scene: &Scene<'_>, standing: &Standing, source: &TargetSource, names: &str) -> String {
    let tool = source.tool.as_deref().unwrap_or_default();
    let forbidden = find_forbidden(scene.draft, &source.target);
    let image = forbidden.map_or("", |one| one.use_image.as_str());
    let other = forbidden.map_or("the other image", |one| one.image.as_str());
    let lines = format!(
        "write image: {image} into what Deployment {names} is made from (git), and in the same commit spec.gitops.sourceImage: {image} into this object"
    );
    let kept = match source.guard == Some(SourceGuard::Held) {
        true => {
            ", so what the operator owns of it, and the pause of Flux where it set one, is not given back"
        }
        false => "",
    };
    let unrefused = format!(
        "{tool} writes Deployment {names} from a source of its own, and image {other}, which would damage the databases, is not seen to be refused there \
         (the admission policy of the chart){kept}"
    );
    match standing {
        Standing::Reverted(ByWhom { by, image: wrong }) => format!(
            "{by} wrote image {wrong} into Deployment {names} after the end; the databases are those of {image}, and the other version may damage them as soon as it \
             starts; the operator does not fight over it; stop it now: kubectl scale deployment {first} -n {namespace} --replicas=0; {lines}; look at the \
             databases before it is started again (docs/gitops.md)",
            first = source.target,
            namespace = scene.cx.object.namespace,
        ),
        Standing::Differs => format!(
            "spec.gitops.sourceImage is {}, and the image that suits the databases is {image}; {unrefused}; correct that field, and git where it names it too",
            read_source_image(scene.cx.spec).unwrap_or_default()
        ),
        Standing::Held => format!("{unrefused}; {lines}; deleting this object lifts the hold"),
        Standing::Unguarded => format!("{unrefused}; {lines}"),
        Standing::Guarded => format!(
            "{tool} writes Deployment {names} from a source of its own; whether that names {image} is not known; image {other} is refused by the admission policy, so \
             everything was given back; {lines}"
        ),
        Standing::Agrees => {
            format!(
                "spec.gitops.sourceImage says that the source of Deployment {names} names {image}"
            )
        }
        Standing::NoSource => {
            "no tool is known to write the Deployments from a source of its own".into()
        }
    }
}
