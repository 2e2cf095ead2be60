//! Whether the databases that are worked on are those that OMS uses: the files that a version reads at its start must
//! name the MetaDB that the upgrade was begun on. Pure.
use crate::api::Reason;
use crate::upgrade::context::Context;
use crate::upgrade::next::{Failure, Next, require_known};
use crate::upgrade::parts::abandonment::describe_release;
use crate::upgrade::parts::targets::goes_forward;

/// A version that is started opens the databases that this upgrade works on. What no file tells is taken from the spec,
/// where a person has written it.
pub(crate) fn require_same_metadb(cx: &Context<'_>) -> Result<(), Next> {
    let installation = require_known(&cx.observed.installation, 2, Reason::MetaDbUnseen)?;
    let Some(departure) = &installation.departure else {
        return Ok(());
    };
    let meaning = match goes_forward(cx) {
        true => {
            "the new version would be started on databases of which there is no backup; it was never started"
        }
        false => {
            "the backup belongs to the one, and the old version would be started on the other, whatever schema that has; nothing is stopped, restored or started"
        }
    };
    let release = describe_release();
    Err(Next::Fail(Failure::with_advice(
        Reason::MetaDbMoved,
        format!(
            "{departure}: {meaning}; let config.yaml of every target name the former one again, then write a new spec.retryRequest; where OMS has moved for \
             good, {release}, and go back by hand (docs/backup.md#by-hand)"
        ),
    )))
}
