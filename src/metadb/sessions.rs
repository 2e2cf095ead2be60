//! How a server lists its sessions. Pure: statements and the reading of their cells.
use super::engine::Engine;
use std::net::IpAddr;

/// A statement that lists sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionList {
    /// What is read, for error texts.
    pub what: &'static str,
    /// The statement: id, user, host, db, command, time, and as `own` 1 where the row's own statement holds the mark.
    pub sql: String,
}

impl SessionList {
    /// The sessions on every server of a cluster, where the engine has such a list. A server may refuse it: an older
    /// version has no such view, or the account may not read it. Then the list of one server is what there is. After
    /// any other error it must not be taken: it would hide the sessions on the other servers.
    ///
    /// `mark` makes the statement's own row known even behind a proxy that renumbers sessions.
    pub fn of_all_servers(engine: Engine, mark: &str) -> Option<Self> {
        // seekdb stands alone.
        (engine == Engine::OceanBase)
            .then(|| Self::of("gv$ob_processlist", "oceanbase.gv$ob_processlist", mark))
    }

    /// The sessions on the server that answers; every engine has this list.
    pub fn of_one_server(mark: &str) -> Self {
        let list = "information_schema.processlist";
        Self::of(list, list, mark)
    }

    /// Statements of others are looked at for the mark only and never read out.
    fn of(what: &'static str, list: &str, mark: &str) -> Self {
        let sql = format!(
            "select id, user, host, db, command, time, case when info like '%{mark}%' then 1 else 0 end as own \
             from {list} order by id"
        );
        Self { what, sql }
    }
}

/// The column `db`: seekdb writes the word for "no database".
pub fn name_database(cell: Option<String>) -> Option<String> {
    cell.filter(|name| !name.is_empty() && name != "NULL")
}

/// The column `host` without the port, where there is one.
pub fn cut_port(host: &str) -> String {
    if host.parse::<IpAddr>().is_ok() {
        return host.to_owned();
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned(),
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cluster_has_a_list_of_all_servers() {
        for engine in [
            Engine::SeekDb,
            Engine::MySql,
            Engine::MariaDb,
            Engine::Other,
        ] {
            assert_eq!(SessionList::of_all_servers(engine, "m"), None, "{engine:?}");
        }
        let list = SessionList::of_all_servers(Engine::OceanBase, "m").unwrap();
        assert!(list.sql.contains("like '%m%'") && list.sql.contains("gv$ob_processlist"));
    }

    #[test]
    fn cuts_ports_off() {
        for (host, name) in [
            ("10.0.0.1:5123", "10.0.0.1"),
            ("[::1]:5", "::1"),
            ("::1", "::1"),
            ("localhost", "localhost"),
            ("fe80::1:99", "fe80::1:99"),
        ] {
            assert_eq!(cut_port(host), name);
        }
    }
}
