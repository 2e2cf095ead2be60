//! `drop-safety-copies`: drops the tables that restores replaced, and leftovers of killed attempts.

use crate::agent::failure::Failure;
use crate::agent::load::drop_beside;
use crate::agent::restore::record;
use crate::agent::run::{Done, Run};
use crate::agent::sql::names::Beside;
use crate::protocol::report::{CommandResult, DropReport, ProgressPhase};

/// Drops every `<db>__omsnew_*`, and what aside databases are left.
///
/// # Errors
/// `LockLost`, `AgentBusy`, or of the server. Refused while a swap is under way.
pub async fn drop_safety_copies(run: &Run) -> Result<Done, Failure> {
    let metadb = run.discover().await?;
    let mut connection = metadb.connect().await?;
    let _exclusive = run.take_lock(&metadb, &mut connection).await?;
    record::refuse_unfinished(record::read(&mut connection).await?.as_ref(), None)?;
    run.meter.begin(ProgressPhase::CleaningUp, None);
    let mut dropped = Vec::new();
    for kind in [
        Beside::Safety,
        Beside::Restore,
        Beside::Verify,
        Beside::Probe,
    ] {
        run.check_fence(&mut connection).await?;
        dropped.extend(drop_beside(&mut connection, &run.request.databases, kind).await?);
    }
    let _ = connection.disconnect().await;
    let message = format!(
        "Dropped {} database(s); the live ones were not touched",
        dropped.len()
    );
    Ok(Done {
        message,
        result: CommandResult::DropSafetyCopies(DropReport { dropped }),
    })
}
