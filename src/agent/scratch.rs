//! What a restore does, tried in small in scratch databases. Writes to nothing else.

use super::failure::{Failure, answer, server_code};
use super::load::drop_probe;
use super::metadb::catalogue::show_create;
use super::run::Run;
use super::sql::names::{Beside, find_probe_suffix, literal};
use super::sql::statements::{end_of_quoted, name_of};
use crate::metadb::{Meaning, judge_code, quote_name};
use crate::protocol::report::{Reason, Trial};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// Completes "while …".
const TRYING: &str = "trying what a restore does in scratch databases";

/// What was tried.
pub struct Scratch {
    /// Creating, filling and dropping scratch databases.
    pub created: Trial,
    /// Renaming across them.
    pub renamed: Trial,
    /// Foreign definers of live views, and whether this account may name them.
    pub definers: Vec<(Definer, Naming)>,
}

/// Whether our account may name somebody as a definer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    Permitted,
    /// Refused; the privilege that the server asks for by name, where it is another than the one for any definer.
    Refused(Option<&'static str>),
    /// It could not be tried.
    Unknown,
}

/// What MySQL asks for besides: for accounts of the system, and for those that are gone.
const MORE_FOR_DEFINERS: [&str; 2] = ["SYSTEM_USER", "ALLOW_NONEXISTENT_DEFINER"];

/// The definer of a view, who is another account than ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definer {
    /// `user@host`.
    pub account: String,
    /// One of its views, `db.name`.
    pub view: String,
}

impl Scratch {
    /// Nothing was tried.
    pub fn not_tried(why: &str) -> Self {
        Self {
            created: Trial::NotTried(why.to_owned()),
            renamed: Trial::NotTried(why.to_owned()),
            definers: Vec::new(),
        }
    }
}

/// Other accounts that views of the databases name as their definer, each once, by the text that a dump holds.
///
/// OceanBase keeps views without a definer and lists the account that made them in information_schema all the same.
///
/// # Errors
/// `ConnectionLost`. What the account may not see is told as a missing privilege elsewhere.
pub async fn list_definers(
    connection: &mut Conn,
    databases: &[String],
    own: &str,
) -> Result<Vec<Definer>, Failure> {
    let mut found: Vec<Definer> = Vec::new();
    for database in databases {
        let doing = format!("looking for the definers of views in {database}");
        let sql = format!("SHOW FULL TABLES FROM {}", quote_name(database));
        let objects = answer(&doing, connection.query::<(String, String), _>(sql).await)?;
        for (view, kind) in objects.unwrap_or_default() {
            if !kind.eq_ignore_ascii_case("VIEW") {
                continue;
            }
            let sql = format!(
                "SHOW CREATE VIEW {}.{}",
                quote_name(database),
                quote_name(&view)
            );
            let text = answer(&doing, show_create(connection, &sql, "Create View").await)?;
            let Some(account) = text.as_deref().and_then(definer_of) else {
                continue;
            };
            if account != own && found.iter().all(|known| known.account != account) {
                let view = format!("{database}.{view}");
                found.push(Definer { account, view });
            }
        }
    }
    Ok(found)
}

/// The definer in a CREATE VIEW statement as `user@host`, or the name of a role.
fn definer_of(create_view: &str) -> Option<String> {
    let (head, _) = create_view.split_once(" VIEW ")?;
    let (_, names) = head.split_once("DEFINER=")?;
    let end = end_of_quoted(
        names
            .as_bytes()
            .starts_with(b"`")
            .then_some(names.as_bytes())?,
    )?;
    let user = name_of(&names.as_bytes()[..end])?;
    let host = names[end..].strip_prefix('@').and_then(|rest| {
        let end = end_of_quoted(
            rest.as_bytes()
                .starts_with(b"`")
                .then_some(rest.as_bytes())?,
        )?;
        name_of(&rest.as_bytes()[..end])
    });
    Some(match host {
        Some(host) => format!("{user}@{host}"),
        None => user,
    })
}

/// Two databases, tables with a foreign key, rename, read, views with foreign definers, drop.
///
/// # Errors
/// `ConnectionLost`: what was not answered is no finding.
pub async fn try_scratch(
    run: &Run,
    connection: &mut Conn,
    definers: &[Definer],
) -> Result<Scratch, Failure> {
    let Some(live) = run.request.databases.first() else {
        return Ok(Scratch::not_tried("no database is named"));
    };
    let uid = &run.request.upgrade_uid;
    let suffix = find_probe_suffix(uid);
    let from = quote_name(&Beside::Probe.name(live, &suffix));
    let to = quote_name(&Beside::Probe.name(live, &format!("{suffix}_2")));
    let databases = std::slice::from_ref(live);
    if let Some(why) = drop_scratch(connection, databases, uid).await? {
        return Ok(Scratch {
            created: Trial::Failed(why),
            ..Scratch::not_tried("scratch databases could not be dropped")
        });
    }
    let creating = [
        format!("CREATE DATABASE {from}"),
        format!("CREATE DATABASE {to}"),
        format!("CREATE TABLE {from}.parent (id INT PRIMARY KEY)"),
        format!(
            "CREATE TABLE {from}.child (id INT PRIMARY KEY, CONSTRAINT fk FOREIGN KEY (id) REFERENCES {from}.parent (id))"
        ),
        format!("INSERT INTO {from}.parent VALUES (1)"),
        format!("INSERT INTO {from}.child VALUES (1)"),
    ];
    let mut scratch = Scratch::not_tried("scratch databases could not be made");
    scratch.created = run_all(connection, &creating).await?;
    if scratch.created == Trial::Works {
        let renaming = [
            format!("RENAME TABLE {from}.parent TO {to}.parent, {from}.child TO {to}.child"),
            format!("SELECT p.id FROM {to}.child c JOIN {to}.parent p ON c.id = p.id"),
        ];
        scratch.renamed = run_all(connection, &renaming).await?;
        for (number, definer) in definers.iter().enumerate() {
            let view = format!("{to}.definer_{number}");
            let permitted = try_definer(connection, &view, &definer.account).await?;
            scratch.definers.push((definer.clone(), permitted));
        }
    }
    if let Some(why) = drop_scratch(connection, databases, uid).await? {
        scratch.created = Trial::Failed(why);
    }
    Ok(scratch)
}

/// Drops the scratch databases, or says why that is refused.
async fn drop_scratch(
    connection: &mut Conn,
    databases: &[String],
    upgrade_uid: &str,
) -> Result<Option<String>, Failure> {
    match drop_probe(connection, databases, upgrade_uid).await {
        Ok(_) => Ok(None),
        Err(failure) if failure.reason == Reason::ConnectionLost => Err(failure),
        Err(failure) => Ok(Some(failure.message)),
    }
}

/// "You need (at least one of) the … privilege(s) for this operation."
const SPECIFIC_ACCESS_DENIED: u16 = 1227;

/// Makes a view for another account. Whatever else goes wrong says nothing: the account may lack CREATE VIEW here and
/// have it where views are restored.
async fn try_definer(connection: &mut Conn, view: &str, account: &str) -> Result<Naming, Failure> {
    let account = match account.rsplit_once('@') {
        Some((user, host)) => format!("{}@{}", literal(user), literal(host)),
        None => literal(account),
    };
    let sql =
        format!("CREATE DEFINER = {account} SQL SECURITY DEFINER VIEW {view} AS SELECT 1 AS one");
    match connection.query_drop(sql).await {
        Ok(()) => Ok(Naming::Permitted),
        Err(mysql_async::Error::Server(error)) if error.code == SPECIFIC_ACCESS_DENIED => {
            let named = MORE_FOR_DEFINERS
                .iter()
                .find(|name| error.message.contains(**name));
            Ok(Naming::Refused(named.copied()))
        }
        Err(error) => match server_code(&error) {
            Some(_) => Ok(Naming::Unknown),
            None => Err(Failure::from_sql(TRYING, &error)),
        },
    }
}

/// Whether a server has no such feature: not supported, or changing the schema of a table is not allowed.
fn is_unsupported(code: u16) -> bool {
    judge_code(code) == Meaning::NotSupported || code == CANNOT_CHANGE_SCHEMA
}

/// ER_FORBID_SCHEMA_CHANGE.
const CANNOT_CHANGE_SCHEMA: u16 = 1450;

async fn run_all(connection: &mut Conn, statements: &[String]) -> Result<Trial, Failure> {
    for statement in statements {
        if let Err(error) = connection.query_drop(statement).await {
            let failure = Failure::from_sql(TRYING, &error);
            return match server_code(&error) {
                Some(code) if is_unsupported(code) => Ok(Trial::Unsupported(failure.message)),
                Some(_) => Ok(Trial::Failed(failure.message)),
                None => Err(failure),
            };
        }
    }
    Ok(Trial::Works)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definer_is_read_where_a_view_names_one() {
        for (text, definer) in [
            (
                "CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1",
                Some("root@%"),
            ),
            (
                "CREATE ALGORITHM=MERGE DEFINER=`a``b`@`10.0.0.1` SQL SECURITY INVOKER VIEW `v` AS select 1",
                Some("a`b@10.0.0.1"),
            ),
            (
                "CREATE DEFINER=`a_role` SQL SECURITY DEFINER VIEW `v` AS select 1",
                Some("a_role"),
            ),
            (
                "CREATE VIEW `v` AS select 'DEFINER=`x`@`y` VIEW ' AS `t`",
                None,
            ),
            ("", None),
        ] {
            assert_eq!(definer_of(text).as_deref(), definer, "{text}");
        }
    }
}
