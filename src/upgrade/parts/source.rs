//! The version that is upgraded. Pure.
use crate::objects::deployment::{find_container, find_container_name};
use crate::upgrade::context::Context;

/// Images of the OMS containers as written in the templates.
pub(crate) fn read_source_images(cx: &Context<'_>) -> Vec<String> {
    cx.spec
        .targets
        .iter()
        .zip(&cx.observed.targets)
        .filter_map(|(target, facts)| {
            let object = &facts.deployment.known()?.as_ref()?.object;
            let container = find_container_name(target, object)?;
            find_container(object, &container)?
                .get("image")?
                .as_str()
                .map(str::to_owned)
        })
        .collect()
}
