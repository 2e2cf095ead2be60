//! The id of the installation: random bits in a row of our own database, written by whoever takes the lock first.
use super::super::metadb::MetaDbError;
use super::lock_row::explain_grant;
use super::session::Session;
use crate::metadb::record::InstallationId;
use crate::metadb::{INSTALLATION_TABLE, LOCK_DATABASE, Meaning, judge_code, quote_table};

const WHAT: &str = "the id of the installation";

fn table() -> String {
    quote_table(LOCK_DATABASE, INSTALLATION_TABLE)
}

pub(super) fn write_create() -> String {
    format!(
        "create table if not exists {} (id tinyint not null primary key, \
         installation varchar(64) collate utf8mb4_bin not null, \
         written_at timestamp not null default current_timestamp) \
         engine = InnoDB default character set utf8mb4",
        table()
    )
}

pub(super) async fn read_id(session: &mut Session) -> Result<Option<InstallationId>, MetaDbError> {
    let sql = format!("select installation from {} where id = 1", table());
    let rows = match session.read(WHAT, &sql, ()).await {
        Ok(rows) => rows,
        Err(MetaDbError::Missing { .. }) => return Ok(None),
        Err(error) => return Err(explain_grant(error)),
    };
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let id = InstallationId::try_from(row.text(0)?).map_err(|problem| {
        session.differs(format!(
            "{LOCK_DATABASE}.{INSTALLATION_TABLE} is not as the operator wrote it: {problem}"
        ))
    })?;
    Ok(Some(id))
}

/// Writes an id unless there is one. Of several that try at once, the first one's stays.
pub(super) async fn ensure_id(session: &mut Session) -> Result<(), MetaDbError> {
    if read_id(session).await?.is_some() {
        return Ok(());
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| MetaDbError::Invalid {
        call: session.call.to_owned(),
        reason: format!("the system gives no random bits: {error}"),
    })?;
    let id = InstallationId::from_bytes(bytes);
    let sql = format!("insert into {} (id, installation) values (1, ?)", table());
    match session.write(WHAT, &sql, (id.as_str(),)).await {
        Err(MetaDbError::Server { code, .. }) if judge_code(code) == Meaning::DuplicateKey => {
            Ok(())
        }
        Err(error) => Err(explain_grant(error)),
        Ok(_) => Ok(()),
    }
}
