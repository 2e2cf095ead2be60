//! The account of the MetaDB where it has to be read from the container. Pure.
use crate::api::{MetaDbSource, Reason};
use crate::facts::OwnKind;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Next, require_known};

/// The account is in a Secret of ours. A rollback after success finds that one deleted: it is read again while a
/// container still runs.
pub(crate) fn ensure_account(cx: &Context<'_>) -> Result<(), Next> {
    if cx.spec.metadb.find_source() != MetaDbSource::Container {
        return Ok(());
    }
    let own = require_known(&cx.observed.leftovers, 2, Reason::OwnObjectsUnseen)?;
    if own.iter().any(|own| own.kind == OwnKind::Secret) {
        return Ok(());
    }
    match cx
        .observed
        .targets
        .iter()
        .find(|facts| facts.find_running().is_none())
    {
        Some(silent) => Err(Next::trouble(
            5,
            Reason::ContainerWaiting,
            format!(
                "the account of the MetaDB is read from the containers of OMS, and none of Deployment {} runs; nothing is changed until one does",
                silent.name
            ),
        )),
        None => Err(Next::Do(Effect::CreateCredentialsSecret)),
    }
}
