//! Whether the API server refuses the image that must not come: asked by a dry run, which stores nothing.
use super::rehearsal::send_patch;
use super::targets::TargetView;
use crate::controller::ports::Ports;
use crate::controller::subject::Subject;
use crate::facts::{Fact, Needs};
use crate::objects::image_guard::{build_guard_probe, is_guards_refusal};
use crate::upgrade::find_guarded_image;
use futures::FutureExt;
use futures::future::BoxFuture;

/// One answer per target; none where it makes no difference.
pub(super) async fn look_for_guards(
    ports: &Ports,
    subject: &Subject<'_>,
    needs: Needs,
    views: &[TargetView],
) -> Vec<Fact<bool>> {
    let looks: Vec<BoxFuture<'_, Fact<bool>>> = views
        .iter()
        .map(|view| look_for_guard(ports, subject, needs, view).boxed())
        .collect();
    futures::future::join_all(looks).await
}

/// Only its own refusal says that there is one: another one's, or none at all, may be for any reason.
async fn look_for_guard(
    ports: &Ports,
    subject: &Subject<'_>,
    needs: Needs,
    view: &TargetView,
) -> Fact<bool> {
    let deployment = view.facts.deployment.known().and_then(Option::as_ref);
    let Some(deployment) = deployment.filter(|_| needs.image_guard) else {
        return Fact::default();
    };
    let (spec, object) = (&subject.upgrade.spec, &deployment.object);
    let guarded = find_guarded_image(spec, subject.status, &view.facts.name, object);
    let Some((forbidden, sent)) =
        guarded.and_then(|forbidden| Some((forbidden, build_guard_probe(object, forbidden)?)))
    else {
        return Fact::default();
    };
    match send_patch(ports, view, &sent).await {
        Ok(_) => Fact::Known(false),
        Err(error) => match error.kube_status() {
            Some(status) if is_guards_refusal(&status.message, forbidden) => Fact::Known(true),
            _ => Fact::Unknown(error.to_string()),
        },
    }
}
