//! `probe`: would a backup and a restore work? Changes nothing that is OMS's.

use super::verify::LOAD_RATE;
use crate::agent::client::{find_client, try_login};
use crate::agent::failure::{Failure, answer};
use crate::agent::grants::{Grants, definer_privilege, grant_statement, scope, scope_beside};
use crate::agent::metadb::catalogue::{
    describe_database, estimate_size, list_databases, list_programs,
};
use crate::agent::metadb::connection::{MetaDbServer, keep_alive};
use crate::agent::metadb::faithful::list_unfaithful;
use crate::agent::metadb::sight::{judge_sight, read_grants};
use crate::agent::rehearsal::rehearse;
use crate::agent::run::{Done, Run};
use crate::agent::scratch::{Definer, Naming, Scratch, list_definers, try_scratch};
use crate::agent::sql::names::{Beside, literal};
use crate::agent::volume::claim::{create_directory, free_bytes, try_writing};
use crate::agent::volume::on_volume;
use crate::metadb::LOCK_DATABASE;
use crate::metadb::quote_name;
use crate::protocol::report::{
    CommandResult, Privilege, PrivilegeState, ProbeReport, Reason, Trial,
};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// Pessimistic rate of reading and dumping together, in bytes per second.
const DUMP_RATE: u64 = 10_000_000;

/// Gathers everything that preflight wants to know.
///
/// # Errors
/// When the MetaDB cannot be entered or there is no client at all. Everything else is a finding.
pub async fn probe(run: &Run) -> Result<Done, Failure> {
    let (claim, free) = probe_claim(run).await?;
    let client = find_client().await?;
    let metadb = run.discover().await?;
    let mut connection = metadb.connect().await?;
    run.check_fence(&mut connection).await?;
    let existing = list_databases(&mut connection).await?;
    let (present, missing): (Vec<_>, Vec<_>) = run
        .request
        .databases
        .iter()
        .cloned()
        .partition(|name| existing.contains(name));
    // The client has a way in of its own where more than a native password is asked for.
    if let Some(database) = present.first().filter(|_| !run.rules.are_plain()) {
        keep_alive(&mut connection, try_login(run, &client, database)).await?;
    }
    let (estimated_bytes, _) = estimate_size(&mut connection, &present).await?;
    let mut unsupported_objects = Vec::new();
    let mut heartbeat_sequence_rows = 0;
    for database in &present {
        unsupported_objects.extend(list_unsupported(&mut connection, database).await?);
        unsupported_objects.extend(probe_values(&mut connection, database).await?);
        heartbeat_sequence_rows += count_heartbeats(&mut connection, database).await?;
    }
    let scratch = if run.request.probe.try_scratch {
        let definers = list_definers(&mut connection, &present, &metadb.grantee).await?;
        try_scratch(run, &mut connection, &definers).await?
    } else {
        Scratch::not_tried("it is switched off")
    };
    let mut first_rows = Trial::NotTried("scratch databases could not be made".into());
    if scratch.created == Trial::Works {
        let client = match &claim {
            Trial::Works if unsupported_objects.is_empty() => Ok(&client),
            Trial::Works => Err("what the check Objects names comes first".to_owned()),
            _ => Err("the claim could not be written".to_owned()),
        };
        let rehearsal = rehearse(run, client, &metadb, &mut connection, &present).await?;
        unsupported_objects.extend(rehearsal.refused);
        first_rows = rehearsal.rows;
    }
    let grants = read_grants(&mut connection).await?;
    let mut privileges = judge_privileges(
        run,
        &metadb,
        &grants,
        &mut connection,
        &present,
        &scratch.created,
    )
    .await?;
    privileges.extend(judge_definers(&metadb, &grants, &scratch.definers));
    let databases = &run.request.databases;
    privileges.extend(judge_sight(&metadb, &mut connection, &grants, databases).await?);
    let (ob_query_timeout_micros, may_set_ob_query_timeout) =
        probe_timeout(&metadb, &mut connection).await?;
    let _ = connection.disconnect().await;
    let unsuited_settings = metadb.given.list_unsuited(client.sets_statement_time());
    let report = ProbeReport {
        engine: metadb.engine.family(),
        server_version: metadb.version,
        client_version: client.version,
        free_bytes: free,
        claim,
        privileges,
        rename_across_databases: scratch.renamed,
        first_rows,
        ob_query_timeout_micros,
        may_set_ob_query_timeout,
        estimated_bytes,
        heartbeat_sequence_rows,
        dump_seconds: estimated_bytes / DUMP_RATE + 5,
        restore_seconds: estimated_bytes / LOAD_RATE + 10,
        unsupported_objects,
        unsuited_settings,
        missing_databases: missing,
    };
    Ok(Done {
        message: summarize(&report),
        result: CommandResult::Probe(Box::new(report)),
    })
}

/// Everything that is neither table nor view, as `kind db.name`.
async fn list_unsupported(connection: &mut Conn, database: &str) -> Result<Vec<String>, Failure> {
    let programs = list_programs(connection, database).await?;
    let mut found: Vec<String> = programs
        .into_iter()
        .map(|p| format!("{} {database}.{}", p.kind, p.name))
        .collect();
    let doing = format!("listing the objects of {database}");
    let objects: Vec<(String, String)> = connection
        .query(format!("SHOW FULL TABLES FROM {}", quote_name(database)))
        .await
        .map_err(|e| Failure::from_sql(&doing, &e))?;
    let others = objects
        .into_iter()
        .filter(|(_, kind)| !matches!(kind.as_str(), "BASE TABLE" | "VIEW"));
    found.extend(
        others.map(|(name, kind)| format!("{} {database}.{name}", kind.to_ascii_lowercase())),
    );
    Ok(found)
}

/// What a dump would not carry as it is. Where the account may not read, that is told as a missing privilege.
async fn probe_values(connection: &mut Conn, database: &str) -> Result<Vec<String>, Failure> {
    let looked = async {
        let shape = describe_database(connection, database, &|_| None).await?;
        list_unfaithful(connection, &shape).await
    };
    match looked.await {
        Ok(found) => Ok(found),
        Err(failure) if failure.reason == Reason::ConnectionLost => Err(failure),
        Err(_) => Ok(Vec::new()),
    }
}

fn summarize(report: &ProbeReport) -> String {
    let mut troubles = Vec::new();
    if let Trial::Failed(why) = &report.claim {
        troubles.push(why.clone());
    }
    if !report.missing_databases.is_empty() {
        troubles.push(format!(
            "Databases that do not exist: {}",
            report.missing_databases.join(", ")
        ));
    }
    if !report.unsupported_objects.is_empty() {
        troubles.push(format!(
            "{} object(s) that the backup would not carry",
            report.unsupported_objects.len()
        ));
    }
    if !report.unsuited_settings.is_empty() {
        troubles.push(format!(
            "{} setting(s) of the server would change what the dump client reads",
            report.unsuited_settings.len()
        ));
    }
    let lacking = report
        .privileges
        .iter()
        .filter(|p| p.state == PrivilegeState::Missing)
        .count();
    if lacking > 0 {
        troubles.push(format!(
            "{lacking} privilege(s) are missing; the GRANT statements are in the report"
        ));
    }
    if let Trial::Failed(why) = &report.first_rows {
        troubles.push(format!("The first rows did not come through: {why}"));
    }
    if let Trial::Failed(why) | Trial::Unsupported(why) = &report.rename_across_databases {
        troubles.push(format!("Renaming across databases failed: {why}"));
    }
    if troubles.is_empty() {
        "Backup and restore would work".to_owned()
    } else {
        troubles.join(". ")
    }
}

/// # Errors
/// `Internal`.
async fn probe_claim(run: &Run) -> Result<(Trial, u64), Failure> {
    let (root, attempt) = (run.root().to_owned(), run.request.attempt);
    let try_write = run.request.probe.try_write;
    on_volume(move || {
        if !try_write {
            let why = match free_bytes(&root) {
                Ok(free) => return Ok((Trial::NotTried("it is switched off".into()), free)),
                Err(failure) => failure.message,
            };
            return Ok((Trial::Failed(why), 0));
        }
        // The upgrade's own directory, since that is where the dump will go. Room that cannot be told is not none.
        let written = create_directory(&root).and_then(|()| try_writing(&root, attempt));
        Ok(match written.and_then(|()| free_bytes(&root)) {
            Ok(free) => (Trial::Works, free),
            Err(failure) => (Trial::Failed(failure.message), 0),
        })
    })
    .await
}

async fn count_heartbeats(connection: &mut Conn, database: &str) -> Result<u64, Failure> {
    let sql = format!(
        "SELECT COUNT(*) FROM {}.heatbeat_sequence",
        quote_name(database)
    );
    // Most databases have no such table.
    let count = answer(
        "counting heatbeat_sequence",
        connection.query_first::<u64, _>(sql).await,
    )?;
    Ok(count.flatten().unwrap_or(0))
}

/// OceanBase only: the limit that new sessions get, and whether it can be set (tried with its own value).
async fn probe_timeout(
    metadb: &MetaDbServer,
    connection: &mut Conn,
) -> Result<(Option<u64>, Option<bool>), Failure> {
    const DOING: &str = "asking for ob_query_timeout";
    if !metadb.engine.is_oceanbase() {
        return Ok((None, None));
    }
    let sql = "SELECT @@global.ob_query_timeout";
    let limit = answer(DOING, connection.query_first::<u64, _>(sql).await)?;
    let Some(value) = limit.flatten() else {
        return Ok((None, Some(false)));
    };
    let sql = format!("SET GLOBAL ob_query_timeout = {value}");
    let may_set = answer(DOING, connection.query_drop(sql).await)?.is_some();
    Ok((Some(value), Some(may_set)))
}

const BESIDE: [&str; 7] = [
    "SELECT",
    "INSERT",
    "CREATE",
    "ALTER",
    "DROP",
    "INDEX",
    "REFERENCES",
];
const LOCK: [&str; 6] = ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP"];
const RESTORE: [&str; 6] = ["CREATE", "ALTER", "DROP", "INSERT", "INDEX", "REFERENCES"];

async fn judge_privileges(
    run: &Run,
    metadb: &MetaDbServer,
    grants: &Grants,
    connection: &mut Conn,
    present: &[String],
    created: &Trial,
) -> Result<Vec<Privilege>, Failure> {
    let judge = |purpose: String, database: &str, privileges: &[&str], scope: &str| {
        let state = grants.state(database, privileges);
        let grant = (state != PrivilegeState::Present)
            .then(|| grant_statement(privileges, scope, &metadb.grantee));
        Privilege {
            purpose,
            state,
            grant,
        }
    };
    let mut found = Vec::new();
    for database in &run.request.databases {
        let mut reading = vec!["SELECT"];
        let mut restoring = RESTORE.to_vec();
        let mut making_beside = BESIDE.to_vec();
        if present.contains(database) && has_views(connection, database).await? {
            reading.push("SHOW VIEW");
            restoring.push("CREATE VIEW");
            making_beside.push("CREATE VIEW");
        }
        found.push(judge(
            format!("dump {database}"),
            database,
            &reading,
            &scope(database),
        ));
        found.push(judge(
            format!("restore {database}"),
            database,
            &restoring,
            &scope(database),
        ));
        let mut beside = judge(
            format!("restore beside {database}"),
            &Beside::Restore.name(database, "1"),
            &making_beside,
            &scope_beside(database),
        );
        // What was tried is better known than what was read. It was tried beside the first database, without its views.
        let was_tried =
            run.request.databases.first() == Some(database) && making_beside.len() == BESIDE.len();
        if was_tried && *created == Trial::Works {
            beside = Privilege {
                state: PrivilegeState::Present,
                grant: None,
                ..beside
            };
        }
        found.push(beside);
    }
    found.push(judge(
        "lock schema of the operator".into(),
        LOCK_DATABASE,
        &LOCK,
        &scope(LOCK_DATABASE),
    ));
    Ok(found)
}

/// A view is restored with its definer, whom only some accounts may name. What was tried counts more than what is
/// granted.
fn judge_definers(
    metadb: &MetaDbServer,
    grants: &Grants,
    definers: &[(Definer, Naming)],
) -> Vec<Privilege> {
    let privilege = definer_privilege(metadb.engine, &metadb.version);
    let judge = |naming: Naming| match naming {
        Naming::Permitted => PrivilegeState::Present,
        Naming::Refused(_) => PrivilegeState::Missing,
        Naming::Unknown if grants.state("*", &["SUPER"]) == PrivilegeState::Present => {
            PrivilegeState::Present
        }
        Naming::Unknown => grants.state("*", &[privilege]),
    };
    definers
        .iter()
        .map(|(definer, naming)| {
            let state = judge(*naming);
            let wanted = match naming {
                Naming::Refused(Some(named)) => named,
                _ => privilege,
            };
            let statement = grant_statement(&[wanted], "*.*", &metadb.grantee);
            Privilege {
                purpose: format!(
                    "restore view {} with its definer {}",
                    definer.view, definer.account
                ),
                state,
                grant: (state != PrivilegeState::Present).then_some(statement),
            }
        })
        .collect()
}

async fn has_views(connection: &mut Conn, database: &str) -> Result<bool, Failure> {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_TYPE = 'VIEW'",
        literal(database)
    );
    let count = answer(
        "counting views",
        connection.query_first::<u64, _>(sql).await,
    )?;
    // When it cannot be told, the privilege is asked for: too much is better than a failed dump.
    Ok(count.flatten().is_none_or(|views| views > 0))
}
