//! Which sessions surely belong to another program than this OMS. Pure; operator and agent judge alike.
use std::net::{IpAddr, SocketAddr};

use super::lock_table::LOCK_DATABASE;

/// Databases of the server itself: who is in one of them may be anybody.
const OF_THE_SERVER: [&str; 5] = [
    "information_schema",
    "mysql",
    "oceanbase",
    "performance_schema",
    "sys",
];
/// Stands in the name of every database that a Job makes beside OMS's own: its sessions must be seen.
const OF_A_JOB: &str = "__oms";

/// Whether a session of OMS's account is none of this OMS: it works in a database that is another's, and it comes
/// from no address of this OMS. Both must hold, and both must be known: OMS's own sessions may have no database, and
/// a session on OMS's databases writes there wherever it comes from.
pub fn is_elsewhere(
    database: Option<&str>,
    host: &str,
    databases: &[String],
    oms_addresses: &[IpAddr],
) -> bool {
    let is_others = database.is_some_and(|name| {
        let known = databases.iter().map(String::as_str);
        let named = |one: &str| one.eq_ignore_ascii_case(name);
        !name.is_empty()
            && !known.chain(OF_THE_SERVER).chain([LOCK_DATABASE]).any(named)
            && !name.to_ascii_lowercase().contains(OF_A_JOB)
    });
    // The name of a host cannot be compared.
    let comes_from_others = read_address(host).is_some_and(|address| {
        !oms_addresses.is_empty()
            && oms_addresses
                .iter()
                .all(|own| own.to_canonical() != address)
    });
    is_others && comes_from_others
}

/// The address in the column `HOST` of a process list, with or without a port.
pub fn read_address(host: &str) -> Option<IpAddr> {
    let address = host
        .parse::<IpAddr>()
        .or_else(|_| host.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_surely_anothers_is_elsewhere() {
        let databases = ["oms_rm".to_owned(), "oms_cm".to_owned()];
        let own: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        let judge = |database, host| is_elsewhere(database, host, &databases, &own);
        for host in [
            "10.0.0.9",
            "10.0.0.9:5123",
            "::ffff:10.0.0.9",
            "[fd00::9]:7",
        ] {
            assert!(judge(Some("other_rm"), host), "{host}");
        }
        for (database, host) in [
            // Its database is not known to be another's.
            (None, "10.0.0.9"),
            (Some(""), "10.0.0.9"),
            (Some("OMS_RM"), "10.0.0.9"),
            (Some("information_schema"), "10.0.0.9"),
            (Some("oms_operator_lock"), "10.0.0.9"),
            (Some("oms_rm__omsrestore_2"), "10.0.0.9"),
            // It may come from this OMS.
            (Some("other_rm"), "10.0.0.1"),
            (Some("other_rm"), "::ffff:10.0.0.1"),
            (Some("other_rm"), "[fd00::1]:7"),
            (Some("other_rm"), "node-9.example.com"),
        ] {
            assert!(!judge(database, host), "{database:?} {host}");
        }
        let unknown = is_elsewhere(Some("other_rm"), "10.0.0.9", &databases, &[]);
        assert!(!unknown, "no address of OMS is known");
    }
}
