//! `compare`: do the live databases hold exactly what the backup holds? Reads only.

use crate::agent::failure::Failure;
use crate::agent::load::{Exactness, compare_live};
use crate::agent::manifest::summarize;
use crate::agent::metadb::sessions::{require_quiet, require_still_quiet};
use crate::agent::metadb::sight::require_sight;
use crate::agent::run::{Done, Run};
use crate::protocol::report::{CommandResult, CompareReport};

/// Compares objects, definitions, row counts and content digests in both directions.
///
/// # Errors
/// When the comparison could not be made, or others use the databases. A difference is a result.
pub async fn compare(run: &Run) -> Result<Done, Failure> {
    let (_, manifest) = run.trusted_manifest().await?;
    let metadb = run.discover().await?;
    let mut connection = metadb.connect().await?;
    run.check_fence(&mut connection).await?;
    let databases = &run.request.databases;
    require_sight(&metadb, &mut connection, databases)
        .await
        .map_err(|failure| failure.and("Nothing was touched"))?;
    require_quiet(&metadb, &mut connection, databases).await?;
    let findings = compare_live(
        &mut connection,
        &manifest,
        &run.meter,
        Exactness::AsTheyWere,
    )
    .await?;
    // Whoever came meanwhile may have written behind us.
    require_still_quiet(&metadb, &mut connection, databases).await?;
    let _ = connection.disconnect().await;
    if findings.is_empty() {
        let message = "The live databases hold exactly what the backup holds. No restore is needed"
            .to_owned();
        return Ok(Done {
            message,
            result: CommandResult::Compare(CompareReport::Equal),
        });
    }
    let summary = summarize(&findings);
    Ok(Done {
        message: format!(
            "The live databases differ from the backup in {} object(s): {summary}. A rollback must restore them",
            findings.len()
        ),
        result: CommandResult::Compare(CompareReport::Different {
            summary,
            objects: findings.len() as u64,
        }),
    })
}
