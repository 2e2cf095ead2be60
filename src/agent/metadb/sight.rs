//! Whether the account would see triggers, routines and events of the databases if there were any. Reads only.
//!
//! Servers leave out of their lists what an account has no right to see, without a word. A backup does not carry these
//! objects, so an empty list must mean that there are none.

use super::connection::MetaDbServer;
use crate::agent::failure::{Failure, server_code};
use crate::agent::grants::{Grants, grant_statement, scope};
use crate::metadb::{Engine, Meaning, judge_code};
use crate::protocol::report::{Privilege, PrivilegeState, Reason};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// Completes "while …".
const LOOKING: &str = "asking whether the account sees triggers, routines and events";

/// A kind of object that may be hidden.
struct Kind {
    list: &'static str,
    /// The least privilege that shows all of a database.
    privilege: &'static str,
    /// Others that do as well, on the database or on everything.
    also: &'static [&'static str],
    /// Those that do only when they are granted on everything.
    global: &'static [&'static str],
}

const KINDS: [Kind; 3] = [
    Kind {
        list: "TRIGGERS",
        privilege: "TRIGGER",
        also: &[],
        global: &[],
    },
    Kind {
        list: "EVENTS",
        privilege: "EVENT",
        also: &[],
        global: &[],
    },
    Kind {
        list: "ROUTINES",
        privilege: "EXECUTE",
        also: &["ALTER ROUTINE", "CREATE ROUTINE"],
        global: &["SHOW_ROUTINE", "SELECT"],
    },
];

/// Whether all objects of a kind would be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// All that there are.
    Seen,
    /// Only some or none, for want of this privilege.
    CannotTell(&'static str),
    /// The server has no such objects, or no privilege that would hide them.
    NotThere,
}

/// Reads what the account was granted.
///
/// # Errors
/// Of the server.
pub async fn read_grants(connection: &mut Conn) -> Result<Grants, Failure> {
    let lines: Vec<String> = connection
        .query("SHOW GRANTS")
        .await
        .map_err(|e| Failure::from_sql("asking what the account may do", &e))?;
    Ok(Grants::parse(&lines))
}

/// What has to be seen of each database, with the statement where it is not.
///
/// # Errors
/// Of the server.
pub async fn judge_sight(
    metadb: &MetaDbServer,
    connection: &mut Conn,
    grants: &Grants,
    databases: &[String],
) -> Result<Vec<Privilege>, Failure> {
    let mut found = Vec::new();
    for database in databases {
        let mut missing = Vec::new();
        for kind in &KINDS {
            let sight = look(metadb.engine, connection, grants, database, kind).await?;
            if let Sight::CannotTell(privilege) = sight {
                missing.push(privilege);
            }
        }
        let grant = (!missing.is_empty())
            .then(|| grant_statement(&missing, &scope(database), &metadb.grantee));
        found.push(Privilege {
            purpose: format!("see triggers, routines and events of {database}"),
            // What cannot be told is no lesser trouble here than what is missing.
            state: if grant.is_none() {
                PrivilegeState::Present
            } else {
                PrivilegeState::Missing
            },
            grant,
        });
    }
    Ok(found)
}

/// Refuses to call databases free of such objects that cannot be seen.
///
/// # Errors
/// `PrivilegeMissing` with the statements; of the server.
pub async fn require_sight(
    metadb: &MetaDbServer,
    connection: &mut Conn,
    databases: &[String],
) -> Result<(), Failure> {
    let grants = read_grants(connection).await?;
    let judged = judge_sight(metadb, connection, &grants, databases).await?;
    let statements: Vec<String> = judged.into_iter().filter_map(|p| p.grant).collect();
    if statements.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Reason::PrivilegeMissing,
        format!(
            "The account would not see triggers, routines or events of the databases if there were any. A backup does not carry \
             them, and they would be lost without a word. Let an administrator run: {}; then try again",
            statements.join("; ")
        ),
    ))
}

async fn look(
    engine: Engine,
    connection: &mut Conn,
    grants: &Grants,
    database: &str,
    kind: &Kind,
) -> Result<Sight, Failure> {
    if is_granted(grants, database, kind) {
        return Ok(Sight::Seen);
    }
    // MySQL and MariaDB have all of them in every version that OMS runs on.
    if !engine.is_oceanbase() {
        return Ok(Sight::CannotTell(kind.privilege));
    }
    if !has_list(connection, kind).await? || !has_privilege(connection, kind).await? {
        return Ok(Sight::NotThere);
    }
    Ok(Sight::CannotTell(kind.privilege))
}

/// Whether the account has one of the privileges that show all of this kind. A right that may come by a role which the
/// server does not spell out is none here.
fn is_granted(grants: &Grants, database: &str, kind: &Kind) -> bool {
    let has =
        |scope: &str, privilege: &str| grants.state(scope, &[privilege]) == PrivilegeState::Present;
    has(database, kind.privilege)
        || kind.also.iter().any(|privilege| has(database, privilege))
        || kind.global.iter().any(|privilege| has("*", privilege))
}

/// Whether this version of OceanBase knows such objects at all.
async fn has_list(connection: &mut Conn, kind: &Kind) -> Result<bool, Failure> {
    let sql = format!("SELECT 1 FROM information_schema.{} WHERE 1 = 0", kind.list);
    match connection.query_drop(sql).await {
        Ok(()) => Ok(true),
        Err(error) if server_code(&error).is_some_and(|code| judge_code(code).is_missing()) => {
            Ok(false)
        }
        Err(error) => Err(Failure::from_sql(LOOKING, &error)),
    }
}

/// Whether this version of OceanBase has the privilege: where it has none, it hides nothing. Asked by preparing a
/// GRANT, which is read and never carried out; a privilege that is not known is an error of syntax.
async fn has_privilege(connection: &mut Conn, kind: &Kind) -> Result<bool, Failure> {
    let sql = format!(
        "PREPARE oms_operator_asks FROM 'GRANT {} ON oms_operator_asks.* TO oms_operator_asks'",
        kind.privilege
    );
    match connection.query_drop(sql).await {
        Ok(()) => {
            connection
                .query_drop("DEALLOCATE PREPARE oms_operator_asks")
                .await
                .map_err(|e| Failure::from_sql(LOOKING, &e))?;
            Ok(true)
        }
        Err(error) => match server_code(&error).map(judge_code) {
            Some(Meaning::NotUnderstood) => Ok(false),
            Some(_) => Ok(true),
            None => Err(Failure::from_sql(LOOKING, &error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(line: &str, list: &str) -> bool {
        let grants = Grants::parse(&[
            line.to_owned(),
            "GRANT SELECT, SHOW VIEW ON `oms\\_rm`.* TO `u`@`%`".to_owned(),
        ]);
        let kind = KINDS.iter().find(|kind| kind.list == list).unwrap();
        is_granted(&grants, "oms_rm", kind)
    }

    #[test]
    fn only_rights_that_show_everything_count() {
        for (line, list) in [
            ("GRANT TRIGGER ON `oms\\_rm`.* TO `u`@`%`", "TRIGGERS"),
            ("GRANT ALL PRIVILEGES ON *.* TO `u`@`%`", "TRIGGERS"),
            ("GRANT EVENT ON `oms%`.* TO `u`@`%`", "EVENTS"),
            ("GRANT ALTER ROUTINE ON `oms\\_rm`.* TO `u`@`%`", "ROUTINES"),
            ("GRANT SHOW_ROUTINE ON *.* TO `u`@`%`", "ROUTINES"),
            ("GRANT SELECT ON *.* TO `u`@`%`", "ROUTINES"),
        ] {
            assert!(granted(line, list), "{line}");
        }
        for (line, list) in [
            ("GRANT TRIGGER ON `oms_rm`.`t` TO `u`@`%`", "TRIGGERS"),
            ("GRANT TRIGGER ON `oms\\_cm`.* TO `u`@`%`", "TRIGGERS"),
            ("GRANT SELECT ON *.* TO `u`@`%`", "TRIGGERS"),
            ("GRANT `a_role` TO `u`@`%`", "EVENTS"),
            ("GRANT SELECT ON `oms\\_rm`.* TO `u`@`%`", "ROUTINES"),
            (
                "GRANT EXECUTE ON PROCEDURE `oms_rm`.`p` TO `u`@`%`",
                "ROUTINES",
            ),
        ] {
            assert!(!granted(line, list), "{line}");
        }
    }
}
