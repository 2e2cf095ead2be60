//! What a run that was ended early leaves behind: scratch databases. Drops those, and nothing else.

use crate::agent::failure::Failure;
use crate::agent::load::{drop_beside, drop_probe};
use crate::agent::run::Run;
use crate::agent::sql::names::Beside;
use mysql_async::Conn;
use std::time::Duration;

/// Time in which the server ends what a client that is gone had asked for.
const SETTLING: Duration = Duration::from_secs(1);

/// Drops the scratch databases of one kind. After `kill -9` nobody does; then the next run of the kind drops them.
///
/// # Errors
/// Of the server, or when the lock is somebody else's by now.
pub async fn drop_scratch(run: &Run, kind: Beside) -> Result<(), Failure> {
    let metadb = run.discover().await?;
    let mut connection = metadb.connect().await?;
    run.check_fence(&mut connection).await?;
    // The server may still carry out the statement that was under way when the run ended: it is looked again.
    while !drop_kind(run, &mut connection, kind).await?.is_empty() {
        tokio::time::sleep(SETTLING).await;
    }
    let _ = connection.disconnect().await;
    Ok(())
}

async fn drop_kind(run: &Run, connection: &mut Conn, kind: Beside) -> Result<Vec<String>, Failure> {
    let databases = &run.request.databases;
    match kind {
        Beside::Probe => drop_probe(connection, databases, &run.request.upgrade_uid).await,
        _ => drop_beside(connection, databases, kind).await,
    }
}
