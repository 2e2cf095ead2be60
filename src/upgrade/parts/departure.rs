//! Whether the databases that are worked on are those that OMS uses: the files that a version reads at its start must
//! name the MetaDB that the upgrade was begun on. Pure.
use crate::api::{Direction, Reason};
use crate::oms::installation::Departure;
use crate::upgrade::context::Context;
use crate::upgrade::next::{Failure, Next, require_known};
use crate::upgrade::parts::abandonment::describe_release;

/// A version that is started opens the databases that this upgrade works on. What no file tells is taken from the spec,
/// where a person has written it. Nothing turns back by it: the old version reads the same files.
pub(crate) fn require_same_metadb(cx: &Context<'_>) -> Result<(), Next> {
    let installation = require_known(&cx.observed.installation, 2, Reason::MetaDbUnseen)?;
    let words = match &installation.departure {
        Departure::None => return Ok(()),
        Departure::Unread(why) => {
            let message = format!(
                "which MetaDB config.yaml names cannot be told ({why}), and no version is started before"
            );
            return Err(Next::trouble(2, Reason::MetaDbUnseen, message));
        }
        Departure::Moved(words) => words,
    };
    let meaning = match cx.status.direction.unwrap_or_default() {
        Direction::Forward => {
            "the new version would be started on databases of which there is no backup; it was never started"
        }
        Direction::Abort => {
            "the old version would be started on databases of which nothing is known here; it is not started"
        }
        Direction::RollBack => {
            "the backup belongs to the one, and the old version would be started on the other, whatever schema that has; nothing is stopped, restored or started"
        }
    };
    let release = describe_release();
    Err(Next::Stall(Failure::with_advice(
        Reason::MetaDbMoved,
        format!(
            "{words}: {meaning}; let config.yaml of every target name the former one again, then write a new spec.retryRequest; where OMS has moved for \
             good, {release}, and go on by hand (docs/backup.md#by-hand)"
        ),
    )))
}
