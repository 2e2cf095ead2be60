//! Sessions that do not outlive their agent by much, and do not idle out while it lives.
//!
//! When a node is lost, nobody tells the server: its sessions, and the row lock of one of them, would stay for
//! `wait_timeout`, eight hours by default, and keep the next attempt out. So each session has a short limit, and
//! whoever leaves one idle says something on it now and then.

use crate::agent::failure::Failure;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

/// After how long the server ends an idle session of ours.
pub const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// The same for the session that holds the lock: it goes first, so that its successor need not wait for both.
pub const LOCK_LIMIT: Duration = Duration::from_secs(30);

/// How often an idle session says something: several times within the shorter limit.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long a predecessor's sessions are waited for: longer than a dead one's can last.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Does `work`, which does not use `connection`, and keeps the session alive meanwhile.
///
/// # Errors
/// Of `work`; of the server when the session is gone, which ends the work.
pub async fn keep_awake<T>(
    connection: &mut Conn,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut work = pin!(work);
    let failed = |e: &mysql_async::Error| Failure::from_sql("keeping an idle session", e);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
        // Always waited for to the end: a session whose answer was not taken can be used no more.
        let mut saying = pin!(connection.query_drop("SELECT 1"));
        tokio::select! {
            done = &mut work => {
                saying.await.map_err(|e| failed(&e))?;
                return done;
            }
            said = &mut saying => said.map_err(|e| failed(&e))?,
        }
    }
}
