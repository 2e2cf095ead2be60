//! How many Stores a subtopic may have: a system parameter beside `ha.config` (OMS documents, modify system
//! parameters). Reads only.
use super::super::metadb::{HaRow, MetaDbError};
use super::ha_row::read_parameter;
use super::session::Session;

/// The parameter's name in the console; that its row has the same name is inferred from that of `ha.config`.
const NAME: &str = "ops.store.max_count_per_subtopic";

pub(super) async fn read_store_limit(
    session: &mut Session,
    rm: &str,
) -> Result<Option<u64>, MetaDbError> {
    match read_parameter(session, rm, NAME).await? {
        HaRow::NoTable | HaRow::NoRow => Ok(None),
        HaRow::Text(text) => match text.trim().parse() {
            Ok(most) => Ok(Some(most)),
            Err(_) => Err(session.differs(format!("{NAME} is no number"))),
        },
    }
}
