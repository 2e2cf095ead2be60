//! Makes the tables and the views of a backup, whatever order they need. Writes only to the databases it is told.
//!
//! A view may read what another database holds, and OceanBase wants the table that a foreign key refers to before the
//! table that refers. The order of a dump knows nothing of other databases, so everything is tried in rounds: what the
//! server refuses is tried again after the rest, until a round brings nothing new.

use super::failure::Failure;
use super::manifest::Manifest;
use super::metadb::connection::{MetaDbServer, keep_alive};
use super::metadb::patience::run_patiently;
use super::sql::definitions::{Definition, Definitions};
use super::sql::foreign_keys::{find_rings, list_foreign_keys};
use super::sql::names::Beside;
use super::sql::rewrite::rename_references;
use super::sql::views::{rename_tables, without_definer};
use crate::metadb::quote_name;
use crate::protocol::report::{Engine, Reason};
use crate::protocol::sentence::join_sentence;
use mysql_async::Conn;

/// What a refusal beside the live databases means.
pub const NOT_ON_THIS_SERVER: &str = "The live databases were not touched. As it is, this backup cannot be restored on this server: do what \
     the server asks for, or drop what is named from the live databases, then make another backup";

/// Where the content of a backup goes.
#[derive(Clone, Copy, Debug)]
pub enum Place<'p> {
    /// Into the live databases.
    Live,
    /// Into databases beside them.
    Beside { kind: Beside, suffix: &'p str },
}

impl Place<'_> {
    fn name(self, live: &str) -> String {
        match self {
            Self::Live => live.to_owned(),
            Self::Beside { kind, suffix } => kind.name(live, suffix),
        }
    }
}

/// One table or view that is to be made.
struct Wanted {
    /// For people, as `table oms_rm.t`.
    object: String,
    target: String,
    preamble: Vec<Vec<u8>>,
    settings: Vec<Vec<u8>>,
    create: Vec<u8>,
}

/// What the server refuses even after everything else was made.
pub struct Refused {
    /// For people, as `table oms_rm.t`.
    pub object: String,
    /// The server's words.
    pub failure: Failure,
}

/// Makes the tables of all databases. `meaning` says what a refusal means and what to do.
///
/// # Errors
/// Of the server, with the names of the tables that it refuses.
pub async fn make_tables(
    metadb: &MetaDbServer,
    connection: &mut Conn,
    definitions: &[Definitions],
    place: Place<'_>,
    meaning: &str,
) -> Result<(), Failure> {
    let refused = try_tables(metadb, connection, definitions, place).await?;
    refuse("table", &refused, meaning)
}

/// The same, and comes back with what the server refuses.
///
/// # Errors
/// Of the connection.
pub async fn try_tables(
    metadb: &MetaDbServer,
    connection: &mut Conn,
    definitions: &[Definitions],
    place: Place<'_>,
) -> Result<Vec<Refused>, Failure> {
    let moved = |name: &str| move_name(definitions, place, name);
    let wanted = definitions.iter().flat_map(|one| {
        one.tables.iter().map(|table| Wanted {
            object: describe_table(&one.database, table),
            create: rename_references(&table.create, moved),
            ..want(one, table, place)
        })
    });
    make_all(metadb, connection, wanted.collect()).await
}

/// Makes the views of all databases, whose tables are there already. Beside the live databases they belong to our own
/// account: definers were granted nothing there, and a view on a view of such a one would be refused.
/// `meaning` says what a refusal means and what to do.
///
/// # Errors
/// Of the server, with the names of the views that it refuses.
pub async fn make_views(
    metadb: &MetaDbServer,
    connection: &mut Conn,
    definitions: &[Definitions],
    place: Place<'_>,
    meaning: &str,
) -> Result<(), Failure> {
    let refused = try_views(metadb, connection, definitions, place).await?;
    refuse("view", &refused, meaning)
}

/// The same, and comes back with what the server refuses.
///
/// # Errors
/// Of the connection.
pub async fn try_views(
    metadb: &MetaDbServer,
    connection: &mut Conn,
    definitions: &[Definitions],
    place: Place<'_>,
) -> Result<Vec<Refused>, Failure> {
    let moved = |name: &str| move_name(definitions, place, name);
    let wanted = definitions.iter().flat_map(|one| {
        one.views.iter().map(|view| Wanted {
            object: format!("view {}.{}", one.database, view.name),
            create: match place {
                Place::Live => view.create.clone(),
                Place::Beside { .. } => without_definer(&rename_tables(&view.create, moved)),
            },
            ..want(one, view, place)
        })
    });
    make_all(metadb, connection, wanted.collect()).await
}

fn refuse(what: &str, refused: &[Refused], meaning: &str) -> Result<(), Failure> {
    match name_refused(what, refused) {
        Some(failure) => Err(failure.and(meaning)),
        None => Ok(()),
    }
}

fn move_name(definitions: &[Definitions], place: Place<'_>, name: &str) -> Option<String> {
    let is_ours = definitions.iter().any(|one| one.database == name);
    match place {
        Place::Beside { .. } if is_ours => Some(place.name(name)),
        _ => None,
    }
}

fn want(one: &Definitions, definition: &Definition, place: Place<'_>) -> Wanted {
    Wanted {
        object: String::new(),
        target: place.name(&one.database),
        preamble: one.preamble.clone(),
        settings: definition.settings.clone(),
        create: Vec::new(),
    }
}

/// Foreign keys to other databases are named: without them a refusal says little.
fn describe_table(database: &str, table: &Definition) -> String {
    let keys: Vec<String> = list_foreign_keys(&table.create)
        .into_iter()
        .filter_map(|key| {
            let other = key.database.filter(|name| name != database)?;
            Some(format!("{} to {other}.{}", key.constraint, key.table))
        })
        .collect();
    match keys.as_slice() {
        [] => format!("table {database}.{}", table.name),
        keys => format!(
            "table {database}.{} (foreign key {})",
            table.name,
            keys.join(", ")
        ),
    }
}

async fn make_all(
    metadb: &MetaDbServer,
    connection: &mut Conn,
    wanted: Vec<Wanted>,
) -> Result<Vec<Refused>, Failure> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    // A session of its own: the settings of a dump stay in it.
    let mut session = metadb.connect().await?;
    let refused = keep_alive(connection, make_in_rounds(&mut session, wanted)).await?;
    let _ = session.disconnect().await;
    let told = refused.into_iter().map(|(wanted, failure)| Refused {
        object: wanted.object,
        failure,
    });
    Ok(told.collect())
}

/// Returns what is refused even after everything else was made, with the server's words.
async fn make_in_rounds(
    session: &mut Conn,
    mut wanted: Vec<Wanted>,
) -> Result<Vec<(Wanted, Failure)>, Failure> {
    loop {
        let before = wanted.len();
        let mut refused = Vec::new();
        let mut current = None;
        for one in wanted {
            match make(session, &one, current.as_deref()).await {
                Ok(()) => current = Some(one.target),
                Err(failure) if may_pass_later(failure.reason) => {
                    // Run in full again, whatever the refused one has left of its settings.
                    current = None;
                    refused.push((one, failure));
                }
                Err(failure) => return Err(failure),
            }
        }
        if refused.is_empty() || refused.len() == before {
            return Ok(refused);
        }
        wanted = refused.into_iter().map(|(one, _)| one).collect();
    }
}

/// A connection that is lost, a limit of time, or a server without memory says nothing about the statement.
fn may_pass_later(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::ConnectionLost | Reason::QueryTimeout | Reason::MetadbBusy | Reason::AccessDenied
    )
}

/// `current` is the database that the session is prepared for.
async fn make(session: &mut Conn, one: &Wanted, current: Option<&str>) -> Result<(), Failure> {
    let using = format!("USE {}", quote_name(&one.target)).into_bytes();
    let preparing: Vec<&[u8]> = if current == Some(one.target.as_str()) {
        Vec::new()
    } else {
        // The name is written in the character set that the preamble sets.
        let preamble = one.preamble.iter().map(Vec::as_slice);
        preamble.chain(std::iter::once(using.as_slice())).collect()
    };
    let own = one.settings.iter().map(Vec::as_slice);
    let statements = preparing
        .into_iter()
        .chain(own)
        .chain(std::iter::once(one.create.as_slice()));
    for statement in statements {
        run_patiently(session, statement, &format!("making {}", one.object)).await?;
    }
    Ok(())
}

/// Refusals that are told in the server's words.
const TOLD: usize = 4;

fn name_refused(what: &str, refused: &[Refused]) -> Option<Failure> {
    let first = &refused.first()?.failure;
    let mut message = format!(
        "The MetaDB refuses {} {what}(s) of the backup, after all others were made",
        refused.len()
    );
    for one in refused.iter().take(TOLD) {
        message = join_sentence(&message, &one.failure.message);
    }
    if refused.len() > TOLD {
        let others: Vec<&str> = refused[TOLD..]
            .iter()
            .take(20)
            .map(|one| one.object.as_str())
            .collect();
        message = join_sentence(&message, &format!("It also refuses {}", others.join(", ")));
        if refused.len() > TOLD + others.len() {
            message.push_str(", and more");
        }
    }
    Some(Failure::new(first.reason, message))
}

/// Refuses what no order of creation can bring back.
///
/// # Errors
/// `UnsupportedObjects` with the constraints that form a ring.
pub fn refuse_rings(manifest: &Manifest, definitions: &[Definitions]) -> Result<(), Failure> {
    if manifest.engine != Engine::OceanBase {
        return Ok(());
    }
    let rings = find_rings(definitions);
    if rings.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Reason::UnsupportedObjects,
        format!(
            "Foreign keys form a ring across databases, which OceanBase does not take back in any order (error 1235): {}. \
             Nothing was touched, and this backup cannot be restored on this server. Drop one of these constraints \
             (ALTER TABLE … DROP FOREIGN KEY …), then make another backup; add it again afterwards",
            rings.join("; ")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(count: usize) -> Vec<Refused> {
        let one = |number| {
            let object = format!("view d.v{number}");
            let message = format!("While making {object} the MetaDB answered error 1146");
            let failure = Failure::new(Reason::ServerError, message);
            Refused { object, failure }
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn what_is_refused_is_named_however_much_it_is() {
        assert_eq!(name_refused("view", &[]), None);
        let few = name_refused("view", &refused(TOLD)).unwrap();
        assert_eq!(few.reason, Reason::ServerError);
        assert!(few.message.contains("4 view(s)") && !few.message.contains("also refuses"));
        let more = name_refused("view", &refused(TOLD + 2)).unwrap().message;
        assert!(
            more.ends_with("error 1146. It also refuses view d.v4, view d.v5"),
            "{more}"
        );
        let many = name_refused("view", &refused(400)).unwrap().message;
        assert!(
            many.ends_with("view d.v23, and more") && many.len() < 1000,
            "{many}"
        );
    }

    #[test]
    fn a_refused_table_is_named_with_its_keys_to_other_databases() {
        let table = Definition {
            name: "job".into(),
            settings: Vec::new(),
            create: b"CREATE TABLE `job` (`id` int, CONSTRAINT `a` FOREIGN KEY (`id`) REFERENCES `oms_cm`.`m` (`id`), \
                      CONSTRAINT `b` FOREIGN KEY (`id`) REFERENCES `oms_rm`.`job` (`id`))"
                .to_vec(),
        };
        assert_eq!(
            describe_table("oms_rm", &table),
            "table oms_rm.job (foreign key a to oms_cm.m)"
        );
    }
}
