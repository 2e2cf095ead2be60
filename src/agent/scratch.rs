//! What a restore does, tried in small in scratch databases. Writes to nothing else.

use super::failure::{Failure, server_code};
use super::load::drop_beside;
use super::report::Trial;
use super::run::Run;
use super::sql::names::{Beside, literal, quote};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// What was tried.
pub struct Scratch {
    /// Creating, filling and dropping scratch databases.
    pub created: Trial,
    /// Renaming across them.
    pub renamed: Trial,
    /// Foreign definers of live views, and whether this account may name them; `None` where that could not be tried.
    pub definers: Vec<(Definer, Option<bool>)>,
}

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

/// Other accounts that views of the databases name as their definer, each once. A server that does not tell them has none.
pub async fn list_definers(connection: &mut Conn, databases: &[String], own: &str) -> Vec<Definer> {
    let names: Vec<String> = databases.iter().map(|name| literal(name)).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let sql = format!(
        "SELECT DEFINER, MIN(CONCAT(TABLE_SCHEMA, '.', TABLE_NAME)) FROM information_schema.VIEWS \
         WHERE TABLE_SCHEMA IN ({}) GROUP BY DEFINER",
        names.join(", ")
    );
    let found: Vec<(Option<String>, Option<String>)> =
        connection.query(sql).await.unwrap_or_default();
    found
        .into_iter()
        .filter_map(|(account, view)| Some((account?, view?)))
        .filter(|(account, _)| !account.is_empty() && account != own)
        .map(|(account, view)| Definer { account, view })
        .collect()
}

/// Two databases, tables with a foreign key, rename, read, views with foreign definers, drop.
pub async fn try_scratch(run: &Run, connection: &mut Conn, definers: &[Definer]) -> Scratch {
    let Some(live) = run.request.databases.first() else {
        return Scratch::not_tried("no database is named");
    };
    let attempt = run.request.attempt;
    let from = quote(&Beside::Probe.name(live, &attempt.to_string()));
    let to = quote(&Beside::Probe.name(live, &format!("{attempt}_2")));
    let databases = std::slice::from_ref(live);
    if let Err(failure) = drop_beside(connection, databases, Beside::Probe).await {
        return Scratch {
            created: Trial::Failed(failure.message),
            ..Scratch::not_tried("scratch databases could not be dropped")
        };
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
    scratch.created = run_all(connection, &creating).await;
    if scratch.created == Trial::Works {
        let renaming = [
            format!("RENAME TABLE {from}.parent TO {to}.parent, {from}.child TO {to}.child"),
            format!("SELECT p.id FROM {to}.child c JOIN {to}.parent p ON c.id = p.id"),
        ];
        scratch.renamed = run_all(connection, &renaming).await;
        for (number, definer) in definers.iter().enumerate() {
            let view = format!("{to}.definer_{number}");
            let permitted = try_definer(connection, &view, &definer.account).await;
            scratch.definers.push((definer.clone(), permitted));
        }
    }
    if let Err(failure) = drop_beside(connection, databases, Beside::Probe).await {
        scratch.created = Trial::Failed(failure.message);
    }
    scratch
}

/// "You need (at least one of) the … privilege(s) for this operation."
const SPECIFIC_ACCESS_DENIED: u16 = 1227;

/// Makes a view for another account. Whatever else goes wrong says nothing: the account may lack CREATE VIEW here and have it
/// where views are restored.
async fn try_definer(connection: &mut Conn, view: &str, account: &str) -> Option<bool> {
    let account = match account.rsplit_once('@') {
        Some((user, host)) => format!("{}@{}", literal(user), literal(host)),
        None => literal(account),
    };
    let sql =
        format!("CREATE DEFINER = {account} SQL SECURITY DEFINER VIEW {view} AS SELECT 1 AS one");
    match connection.query_drop(sql).await {
        Ok(()) => Some(true),
        Err(error) if server_code(&error) == Some(SPECIFIC_ACCESS_DENIED) => Some(false),
        Err(_) => None,
    }
}

/// Codes that say that a server has no such feature: not supported (also OceanBase's -4007), changing the schema of a table
/// is not allowed.
const UNSUPPORTED: [u16; 2] = [1235, 1450];

async fn run_all(connection: &mut Conn, statements: &[String]) -> Trial {
    for statement in statements {
        if let Err(error) = connection.query_drop(statement).await {
            let message =
                Failure::from_sql("trying what a restore does in scratch databases", &error)
                    .message;
            return match server_code(&error) {
                Some(code) if UNSUPPORTED.contains(&code) => Trial::Unsupported(message),
                _ => Trial::Failed(message),
            };
        }
    }
    Trial::Works
}
