//! Which images must not be started on the databases as they are. Pure.
//!
//! After the point of no return the schema is the new version's: the old one damages it. After a restore it is the
//! other way round. The operator keeps to that by itself; this is for everybody else, above all for a sync from a git
//! that still names the other image.
use crate::api::{Direction, ForbiddenImage, OmsUpgradeStatus, TargetOriginal};
use crate::upgrade::parts::abandonment::is_released;

/// Writes down what is forbidden now: from the point of no return on, also after the end, until the object is gone.
pub(crate) fn note_forbidden_images(new_image: &str, draft: &mut OmsUpgradeStatus) {
    draft.forbidden_images = list_forbidden(new_image, draft);
}

fn list_forbidden(new_image: &str, status: &OmsUpgradeStatus) -> Vec<ForbiddenImage> {
    let Some(originals) = &status.internal.originals else {
        return Vec::new();
    };
    if status.point_of_no_return_time.is_none() || is_released(status) {
        return Vec::new();
    }
    let goes_back = status.direction == Some(Direction::RollBack);
    let mut forbidden = Vec::new();
    for original in &originals.targets {
        // A tag that was moved: its name says nothing.
        if original.image == new_image {
            continue;
        }
        if !goes_back {
            forbidden.push(build(original, &original.image, new_image));
            continue;
        }
        forbidden.push(build(original, new_image, &original.image));
        // Nobody starts anything while the databases are looked at, or are being replaced.
        if status.internal.content_proof.is_none() && !status.settled {
            forbidden.push(build(original, &original.image, &original.image));
        }
    }
    forbidden
}

fn build(original: &TargetOriginal, image: &str, use_image: &str) -> ForbiddenImage {
    ForbiddenImage {
        target: original.name.clone(),
        container: original.container.clone(),
        image: image.to_owned(),
        use_image: use_image.to_owned(),
    }
}
