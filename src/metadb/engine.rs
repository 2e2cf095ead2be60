//! Which product answers. Pure.
use crate::protocol::report;
use serde::{Deserialize, Serialize};

/// Kind of server that speaks the MySQL protocol here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Engine {
    /// OceanBase, a tenant of a cluster in MySQL mode.
    OceanBase,
    /// OceanBase's stand-alone seekdb.
    SeekDb,
    MySql,
    MariaDb,
    /// Something else.
    Other,
}

impl Engine {
    /// Its name in objects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OceanBase => "OceanBase",
            Self::SeekDb => "SeekDb",
            Self::MySql => "MySql",
            Self::MariaDb => "MariaDb",
            Self::Other => "Other",
        }
    }

    /// True for engines with OceanBase's traits: `ob_query_timeout`, `LOCK TABLES` that does not lock.
    pub fn is_oceanbase(self) -> bool {
        matches!(self, Self::OceanBase | Self::SeekDb)
    }

    /// The engine as a manifest and a report name it: what a backup of the one can be restored into.
    pub fn family(self) -> report::Engine {
        match self {
            Self::OceanBase | Self::SeekDb => report::Engine::OceanBase,
            Self::MariaDb => report::Engine::MariaDb,
            Self::MySql | Self::Other => report::Engine::MySql,
        }
    }
}

/// Tells the engine by `version()` and `@@version_comment`: OceanBase calls itself `5.7.25-OceanBase…` or says so in
/// its comment, MariaDB says so in the version.
pub fn name_engine(version: &str, comment: &str) -> Engine {
    let text = format!("{version} {comment}").to_ascii_lowercase();
    if text.contains("seekdb") {
        Engine::SeekDb
    } else if text.contains("oceanbase") {
        Engine::OceanBase
    } else if text.contains("mariadb") {
        Engine::MariaDb
    } else if text.contains("tidb") {
        // Its version begins like MySQL's; its list of sessions is that of one server of many.
        Engine::Other
    } else if text.contains("mysql") || reads_like_mysql(version) {
        Engine::MySql
    } else {
        Engine::Other
    }
}

/// Builds of distributions do not name the product: three numbers from 5.x to 9.x are MySQL's.
fn reads_like_mysql(version: &str) -> bool {
    let numbers: Vec<&str> = version.split(['.', '-', '+']).take(3).collect();
    let major = numbers.first().and_then(|major| major.parse().ok());
    major.is_some_and(|major: u32| (5..=9).contains(&major))
        && numbers.len() == 3
        && numbers.iter().all(|number| number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_engines() {
        for (version, comment, engine) in [
            (
                "5.7.25-OceanBase seekdb-v1.4.0.0",
                "OceanBase 4.3.5.3 seekdb (r1.4.0.0)",
                Engine::SeekDb,
            ),
            (
                "5.7.25-OceanBase-v4.2.1.0",
                "OceanBase 4.2.1.0 (r1)",
                Engine::OceanBase,
            ),
            ("5.7.25", "OceanBase 3.1.4 (r1)", Engine::OceanBase),
            ("10.11.19-MariaDB-0+deb12u1", "Debian 12", Engine::MariaDb),
            ("8.0.36", "MySQL Community Server - GPL", Engine::MySql),
            ("5.7.44-log", "Source distribution", Engine::MySql),
            ("9.7.4-2", "Debian", Engine::MySql),
            ("8.4.6-0ubuntu0.25.04.1", "(Ubuntu)", Engine::MySql),
            (
                "8.0.36-28",
                "Percona Server (GPL), Release 28",
                Engine::MySql,
            ),
            (
                "8.0.11-TiDB-v7.5.0",
                "TiDB Server (Apache License 2.0), MySQL 8.0 compatible",
                Engine::Other,
            ),
            ("14.2", "PostgreSQL", Engine::Other),
            ("9.7", "", Engine::Other),
            ("99", "", Engine::Other),
        ] {
            assert_eq!(name_engine(version, comment), engine, "{version}");
        }
    }
}
