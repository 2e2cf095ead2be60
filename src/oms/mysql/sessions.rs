//! Who else is connected. The statement texts of others are never read out.
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use super::super::metadb::{
    ForeignSession, MetaDbError, ServerCoverage, SessionQuery, SessionReport, SessionVisibility,
};
use super::rows::Cells;
use super::session::Session;
use crate::metadb::{Engine, SessionList, cut_port, name_database};

/// Stands in our own statement, so that our row is known even behind a proxy that renumbers sessions.
const MARK: &str = "oms_operator_session_list";

pub(super) async fn list_sessions(
    session: &mut Session,
    query: &SessionQuery,
) -> Result<SessionReport, MetaDbError> {
    let visibility = judge_visibility(session).await?;
    let own = session.own.clone();
    let listing = own.begin_listing().await;
    let (rows, coverage) = read_sessions(session).await?;
    drop(listing);
    let mut sessions = Vec::new();
    let mut own_hosts = BTreeSet::new();
    for row in &rows {
        let (found, marked) = read_session(row)?;
        // Where the statement text is hidden, our row is known by id and account.
        if marked || (found.id == session.id && found.user == base_name(&session.user)) {
            own_hosts.insert((found.user.clone(), found.host.clone()));
        } else {
            sessions.push(found);
        }
    }
    let now = Instant::now();
    let foreign = sessions
        .into_iter()
        .filter(|found| is_of_interest(found, query))
        .filter(|found| {
            let same_client = own_hosts.contains(&(found.user.clone(), found.host.clone()));
            !(same_client && own.contains(found.id, now))
        })
        .filter(|found| {
            let address: Option<IpAddr> = found.host.parse().ok();
            !address.is_some_and(|address| {
                query
                    .own_addresses
                    .iter()
                    .any(|own| own.to_canonical() == address.to_canonical())
            })
        })
        .collect();
    Ok(SessionReport {
        visibility,
        coverage,
        sees_oms_account: visibility == SessionVisibility::AllAccounts
            || session.user == query.account,
        foreign,
    })
}

fn is_of_interest(found: &ForeignSession, query: &SessionQuery) -> bool {
    found.user == query.account
        || found.user == base_name(&query.account)
        || found.database.as_deref().is_some_and(|name| {
            query
                .databases
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(name))
        })
}

/// OceanBase shows `root` for the login `root@tenant#cluster`.
fn base_name(login: &str) -> &str {
    login.split('@').next().unwrap_or(login)
}

/// Other accounts' sessions are shown to holders of PROCESS only.
async fn judge_visibility(session: &mut Session) -> Result<SessionVisibility, MetaDbError> {
    let rows = session.read_plain("its own grants", "show grants").await?;
    let all = rows
        .iter()
        .filter_map(|row| row.optional_text(0))
        .any(|grant| grants_process(&grant));
    Ok(if all {
        SessionVisibility::AllAccounts
    } else {
        SessionVisibility::OwnAccountOnly
    })
}

fn grants_process(grant: &str) -> bool {
    let grant = grant.to_ascii_uppercase();
    let Some((privileges, target)) = grant
        .strip_prefix("GRANT ")
        .and_then(|rest| rest.split_once(" ON "))
    else {
        return false;
    };
    let global = target.starts_with("*.* ");
    global
        && privileges
            .split(',')
            .map(str::trim)
            .any(|word| word == "PROCESS" || word == "ALL" || word == "ALL PRIVILEGES")
}

async fn read_sessions(session: &mut Session) -> Result<(Vec<Cells>, ServerCoverage), MetaDbError> {
    if let Some(list) = SessionList::of_all_servers(session.engine, MARK) {
        match session.read_plain(list.what, &list.sql).await {
            Ok(rows) => return Ok((rows, ServerCoverage::AllServers)),
            // The list of one server would hide sessions on the others, so it is taken only where there is no other.
            Err(error) if error.is_unavailable() => {}
            Err(error) => return Err(error),
        }
    }
    let list = SessionList::of_one_server(MARK);
    let rows = session.read_plain(list.what, &list.sql).await?;
    let coverage = judge_coverage(session).await;
    Ok((rows, coverage))
}

/// Whether the server that answered is known to be the only one that has sessions. What cannot be asked is not known.
async fn judge_coverage(session: &mut Session) -> ServerCoverage {
    let only_one = match session.engine {
        Engine::SeekDb => true,
        Engine::OceanBase => is_tenant_on_one_server(session).await,
        Engine::MySql | Engine::MariaDb => is_in_no_cluster(session).await,
        Engine::Other => false,
    };
    if only_one {
        ServerCoverage::AllServers
    } else {
        ServerCoverage::AnsweringServer
    }
}

/// A tenant has sessions where it has units. Views of OceanBase 4 and 3, of which the account may read one.
async fn is_tenant_on_one_server(session: &mut Session) -> bool {
    for view in ["gv$ob_units", "gv$unit"] {
        let sql = format!(
            "select count(*) from (select distinct svr_ip, svr_port from oceanbase.{view}) units"
        );
        if let Ok(rows) = session.read_plain("units of the tenant", &sql).await {
            return rows.first().and_then(|row| row.signed(0).ok()) == Some(1);
        }
    }
    false
}

/// Galera, group replication and NDB have several servers that write. `SHOW` needs no privilege; a server without such
/// a feature has no such variable.
async fn is_in_no_cluster(session: &mut Session) -> bool {
    for question in [
        "show global status like 'wsrep_cluster_size'",
        "show global status like 'ndb_number_of_data_nodes'",
    ] {
        match read_variable(session, question).await {
            Ok(value) if value.as_deref().is_none_or(is_number_below_two) => {}
            Ok(_) | Err(_) => return false,
        }
    }
    let group = "show global variables like 'group_replication_group_name'";
    match read_variable(session, group).await {
        Ok(name) if name.as_deref().is_none_or(str::is_empty) => true,
        Ok(_) => {
            let question = "select count(*) from performance_schema.replication_group_members";
            session
                .read_plain("members of the replication group", question)
                .await
                .is_ok_and(|rows| rows.first().and_then(|row| row.signed(0).ok()) == Some(1))
        }
        Err(_) => false,
    }
}

fn is_number_below_two(text: &str) -> bool {
    text.trim().parse::<u64>().is_ok_and(|number| number < 2)
}

/// Value of a status or system variable; `None` when the server has none of that name.
async fn read_variable(
    session: &mut Session,
    question: &str,
) -> Result<Option<String>, MetaDbError> {
    let rows = session.read_plain("cluster membership", question).await?;
    Ok(rows.first().and_then(|row| row.optional_text(1)))
}

fn read_session(row: &Cells) -> Result<(ForeignSession, bool), MetaDbError> {
    let found = ForeignSession {
        id: row.unsigned(0)?,
        user: row.optional_text(1).unwrap_or_default(),
        host: cut_port(&row.optional_text(2).unwrap_or_default()),
        database: name_database(row.optional_text(3)),
        command: row.optional_text(4).unwrap_or_default(),
        seconds: row
            .signed(5)
            .ok()
            .and_then(|seconds| u64::try_from(seconds).ok())
            .unwrap_or(0),
    };
    Ok((found, row.signed(6).unwrap_or(0) == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_grants() {
        assert!(grants_process(
            "GRANT ALL PRIVILEGES ON *.* TO `root`@`%` WITH GRANT OPTION"
        ));
        assert!(grants_process("GRANT SELECT, PROCESS ON *.* TO 'a'@'%'"));
        assert!(!grants_process(
            "GRANT ALL PRIVILEGES ON `oms_rm`.* TO 'a'@'%'"
        ));
        assert!(!grants_process("GRANT USAGE ON *.* TO 'PROCESS'@'%'"));
        assert!(!grants_process("GRANT PROCESS TO 'a'"));
    }
}
