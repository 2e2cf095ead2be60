//! Status and record disagree, and a person is asked, who may know better. Pure.
use crate::api::{AcceptReason, Acceptance, Reason};
use crate::oms::metadb::RecordRow;
use crate::upgrade::asserted::count_rows;
use crate::upgrade::context::Context;
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::parts::acceptance::{describe_acceptance, is_accepted};

/// The record tells what the status does not know and what it cannot be rebuilt from, and nobody has taken that upon
/// himself.
pub(crate) fn refuse_older(cx: &Context<'_>, rows: &[RecordRow], gap: &str) -> Result<(), Next> {
    let count = count_rows(rows);
    accept_or_stall(
        cx,
        Reason::StatusOlder,
        AcceptReason::StatusOlder,
        count,
        || {
            let last = rows.last().map_or("nothing", |row| row.fact.name());
            format!(
                "the record of upgrades in the MetaDB tells of this one what its status does not know (its last row is {last}): the status is older than what \
             was done, as after a restore of the cluster from a backup, and it cannot be rebuilt from the record: {gap}; nothing is started or written any more; where that is mended, a new spec.retryRequest looks again"
            )
        },
    )
}

/// Lets it pass where a person has taken these rows upon himself.
pub(crate) fn accept_or_stall(
    cx: &Context<'_>,
    reason: Reason,
    accept: AcceptReason,
    rows: i32,
    describe: impl Fn() -> String,
) -> Result<(), Next> {
    let value = format!("{rows}");
    if is_accepted(cx, accept, &value) {
        return Ok(());
    }
    let accept = Acceptance {
        reason: accept,
        value,
    };
    let message = format!(
        "{}; find out what was restored and how far the upgrade was (docs/backup.md, restore by hand); where the status is right, take it upon you: {}; \
         else bring OMS to a version that runs by hand, and let go of this object",
        describe(),
        describe_acceptance(&accept)
    );
    let failure = Failure::with_advice(reason, message);
    Err(Next::Stall(failure.with_acceptance(vec![accept])))
}
