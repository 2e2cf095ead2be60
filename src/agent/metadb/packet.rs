//! Whether the server takes the longest statement of a dump. Reads one variable.

use crate::agent::failure::Failure;
use crate::protocol::report::Reason;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// Bytes that a statement takes beside its text.
const FRAME: u64 = 1024;

/// Requires that a statement of so many bytes can be sent. A row that came in as binary is twice as long in a dump,
/// where it is written as hexadecimal digits.
///
/// # Errors
/// `PacketTooSmall`, with the statement that an administrator runs; of the server.
pub async fn require_packet(connection: &mut Conn, longest: u64) -> Result<(), Failure> {
    let limit: u64 = connection
        .query_first("SELECT @@max_allowed_packet")
        .await
        .map_err(|e| Failure::from_sql("asking for max_allowed_packet", &e))?
        .unwrap_or(u64::MAX);
    match suggest_limit(longest, limit) {
        None => Ok(()),
        Some(wanted) => Err(Failure::new(
            Reason::PacketTooSmall,
            format!(
                "The longest statement of the dump has {longest} bytes, and the MetaDB takes {limit} (max_allowed_packet), so the backup \
                 could not be loaded. Nothing was changed. Let an administrator run: SET GLOBAL max_allowed_packet = {wanted} \
                 (and write it into the server's configuration), then try again"
            ),
        )),
    }
}

/// The limit that lets the statement through, in whole mebibytes; `None` when the present one does.
fn suggest_limit(longest: u64, limit: u64) -> Option<u64> {
    const MEBIBYTE: u64 = 1 << 20;
    let wanted = longest.saturating_add(FRAME);
    (wanted > limit).then(|| wanted.div_ceil(MEBIBYTE).saturating_mul(MEBIBYTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_suggested_where_the_present_one_is_too_low() {
        assert_eq!(suggest_limit(0, 1024), None);
        assert_eq!(suggest_limit(16_776_192, 16_777_216), None);
        assert_eq!(suggest_limit(16_776_193, 16_777_216), Some(17_825_792));
        assert_eq!(suggest_limit(18_874_400, 16_777_216), Some(19_922_944));
        assert_eq!(suggest_limit(u64::MAX, 1), Some(u64::MAX));
    }
}
