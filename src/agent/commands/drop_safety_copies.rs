//! `drop-safety-copies`: drops databases with the tables that restores of this upgrade replaced, by name.

use crate::agent::failure::Failure;
use crate::agent::load::drop_database;
use crate::agent::metadb::catalogue::list_databases;
use crate::agent::restore::copies::{is_copy_name, read_mark};
use crate::agent::restore::record;
use crate::agent::run::{Done, Run, missing_field};
use crate::protocol::report::{CommandResult, DropReport, ProgressPhase, Reason};

/// Drops the databases that the request names, each only when it is a copy of this upgrade.
///
/// # Errors
/// `InvalidRequest` for a name that no safety copy has: nothing is dropped then. `LockLost`, `AgentBusy`, or of the
/// server. Refused while a swap is under way.
pub async fn drop_safety_copies(run: &Run) -> Result<Done, Failure> {
    let wanted = &run.request.safety_copies;
    if wanted.is_empty() {
        return Err(missing_field("safetyCopies"));
    }
    refuse_others(run)?;
    let metadb = run.discover().await?;
    let mut connection = metadb.connect().await?;
    let _exclusive = run.take_lock(&metadb, &mut connection).await?;
    record::refuse_unfinished(record::read(&mut connection).await?.as_ref(), None)?;
    run.meter.begin(ProgressPhase::CleaningUp, None);
    let existing = list_databases(&mut connection).await?;
    let (mut dropped, mut foreign) = (Vec::new(), Vec::new());
    for database in wanted.iter().filter(|name| existing.contains(name)) {
        let owner = read_mark(&mut connection, database).await?;
        if owner.as_ref() != Some(&run.request.upgrade_uid) {
            foreign.push(database.clone());
            continue;
        }
        run.check_fence(&mut connection).await?;
        drop_database(&mut connection, database).await?;
        dropped.push(database.clone());
    }
    let _ = connection.disconnect().await;
    let mut message = format!(
        "Dropped {} database(s); the live ones were not touched",
        dropped.len()
    );
    if !foreign.is_empty() {
        message += &format!(
            ". {} are no copies of this upgrade and were left alone",
            foreign.join(", ")
        );
    }
    Ok(Done {
        message,
        result: CommandResult::DropSafetyCopies(DropReport { dropped, foreign }),
    })
}

fn refuse_others(run: &Run) -> Result<(), Failure> {
    let mut wanted = run.request.safety_copies.iter();
    match wanted.find(|name| !is_copy_name(&run.request.databases, name)) {
        Some(name) => Err(Failure::new(
            Reason::InvalidRequest,
            format!(
                "{name} is not the name of a safety copy of this installation. Nothing was dropped"
            ),
        )),
        None => Ok(()),
    }
}
