//! The version that is upgraded, and the one that comes. Pure.
use crate::objects::deployment::{find_container_name, read_image};
use crate::oms::version::{OmsVersion, parse_image_version, parse_version};
use crate::upgrade::context::Context;

/// Images of the OMS containers as written in the templates.
pub(crate) fn read_source_images(cx: &Context<'_>) -> Vec<String> {
    let targets = 0..cx.spec.targets.len();
    targets
        .filter_map(|index| read_source_image(cx, index))
        .collect()
}

/// Image of the OMS container of one target, where its Deployment can be read.
pub(crate) fn read_source_image(cx: &Context<'_>, index: usize) -> Option<String> {
    let target = cx.spec.targets.get(index)?;
    let facts = cx.observed.targets.get(index)?;
    let object = &facts.deployment.known()?.as_ref()?.object;
    let container = find_container_name(target, object)?;
    read_image(object, &container).map(str::to_owned)
}

/// Version of an image that runs now: by its tag, or as the spec says where the tag is silent.
pub(crate) fn find_source_version(cx: &Context<'_>, image: &str) -> Option<OmsVersion> {
    parse_image_version(image).or_else(|| parse_version(cx.spec.source_version.as_deref()?))
}

/// Version of the new image, in the same way.
pub(crate) fn find_target_version(cx: &Context<'_>) -> Option<OmsVersion> {
    let told = || parse_version(cx.spec.target_version.as_deref()?);
    parse_image_version(&cx.spec.image).or_else(told)
}
