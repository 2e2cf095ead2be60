//! Whether the server takes the longest statement of a dump. Reads only.
//!
//! A dump client writes a row as one statement, and bytes as twice as many hex digits: a value that came in well
//! below `max_allowed_packet` may not go in again. Every proof that reads the files passes then, and the load fails.

use crate::agent::failure::Failure;
use crate::agent::report::Reason;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// What servers round the limit to, and what a person can read: whole mebibytes.
const STEP: u64 = 1 << 20;

/// What a packet holds beyond its statement (the command's byte), and servers that take only what is shorter than
/// their limit.
const BESIDE_STATEMENT: u64 = 16;

/// The largest packet that servers of this family can be told to take.
const LARGEST: u64 = 1 << 30;

/// The longest statement of a dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Longest {
    /// Its bytes.
    pub bytes: u64,
    /// The database whose dump holds it.
    pub database: String,
}

impl Longest {
    /// The longer one of the two.
    #[must_use]
    pub fn or(self, database: &str, bytes: u64) -> Self {
        if bytes <= self.bytes {
            return self;
        }
        Self {
            bytes,
            database: database.to_owned(),
        }
    }
}

/// Requires that the server takes a statement of this length, from this session and from new ones.
///
/// # Errors
/// `PacketTooLarge` with the statement that raises the limit; of the server.
pub async fn require_packet(connection: &mut Conn, longest: &Longest) -> Result<(), Failure> {
    let limits: Option<(u64, u64)> = connection
        .query_first("SELECT @@global.max_allowed_packet, @@session.max_allowed_packet")
        .await
        .map_err(|e| Failure::from_sql("asking for max_allowed_packet", &e))?;
    let (global, session) = limits.unwrap_or_default();
    judge(global.min(session), longest)
}

fn judge(limit: u64, longest: &Longest) -> Result<(), Failure> {
    let needed = longest.bytes + BESIDE_STATEMENT;
    if needed <= limit {
        return Ok(());
    }
    let what = format!(
        "The dump of {} holds a statement of {} bytes, the MetaDB takes {limit} (max_allowed_packet): \
         the backup could not be loaded again. The databases were not touched.",
        longest.database, longest.bytes
    );
    let wanted = needed.div_ceil(STEP) * STEP;
    let next = if wanted <= LARGEST {
        format!(
            "Let an administrator run SET GLOBAL max_allowed_packet = {wanted} (and put it into the server's \
             configuration where it has one, so that a restart keeps it), then try again."
        )
    } else {
        "No server takes a statement of that length; make the row smaller, then try again."
            .to_owned()
    };
    Err(Failure::new(Reason::PacketTooLarge, what).and(&next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(limit: u64, bytes: u64) -> Option<String> {
        judge(limit, &Longest::default().or("oms_rm", bytes))
            .err()
            .map(|failure| failure.message)
    }

    #[test]
    fn the_limit_that_is_asked_for_is_enough() {
        assert_eq!(told(16 << 20, (16 << 20) - 16), None);
        for bytes in [(16 << 20) - 15, 16 << 20, 18_874_400, (1 << 30) - 16] {
            let message = told(16 << 20, bytes).unwrap();
            let (_, cure) = message.split_once("max_allowed_packet = ").unwrap();
            let wanted = cure.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(told(wanted, bytes), None);
        }
        assert!(!told(1 << 30, 1 << 30).unwrap().contains("SET GLOBAL"));
    }

    #[test]
    fn the_longest_one_keeps_its_database() {
        let longest = Longest::default().or("a", 5).or("b", 7).or("c", 7);
        assert_eq!((longest.bytes, longest.database.as_str()), (7, "b"));
    }
}
