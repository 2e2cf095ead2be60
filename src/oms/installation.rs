//! One installation of OMS: where its meta database is, what its databases are called, which regions and nodes it has.
//! Plain data, without secrets. Files, a recorded status and the spec are all read into this one type.
use crate::api::InstallationStatus;
use serde::{Deserialize, Serialize};

pub use crate::protocol::request::Address;

/// Names of the databases of one installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Databases {
    /// `drc_rm_db`: projects, system parameters, regions.
    pub rm: String,
    /// `drc_cm_db`: hosts, connectors, stores.
    pub cm: String,
    /// `drc_cm_heartbeat_db` of every region, sorted, each once.
    pub heartbeats: Vec<String>,
}

impl Databases {
    /// All names: rm, cm, then every heartbeat database.
    pub fn names(&self) -> Vec<String> {
        let mut names = vec![self.rm.clone(), self.cm.clone()];
        names.extend(self.heartbeats.iter().cloned());
        names
    }
}

/// One region of an installation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Region {
    /// `cm_region`; empty when absent.
    pub name: String,
    /// `cm_location`.
    pub location: String,
    pub cm_url: String,
    /// Heartbeat database of the region.
    pub heartbeat: String,
    /// Addresses of its nodes (`cm_nodes` of all its files), sorted.
    pub nodes: Vec<String>,
    /// Targets whose files belong to the region, in the order given.
    pub members: Vec<String>,
    /// Targets that must run `docker_init.sh`: the first one when all files of the region are the
    /// same, otherwise every one (guide, multi-node upgrade).
    pub init_members: Vec<String>,
}

/// A whole installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Installation {
    /// The meta database.
    pub metadb: Address,
    /// Names of all databases.
    pub databases: Databases,
    /// Addresses of all nodes that `cm_nodes` lists, sorted, each once.
    pub nodes: Vec<String>,
    /// Targets on which `docker_init.sh` must run: those of every region.
    pub init_targets: Vec<String>,
    /// Regions, sorted by location. Only files tell them: a recorded installation has none.
    pub regions: Vec<Region>,
    /// `OMS_HOST_IP` of each target, in the order of the spec, where it can be read.
    pub target_addresses: Vec<Option<String>>,
    /// For a recorded one: whether the files of today name another MetaDB.
    pub departure: Departure,
}

/// Whether the files of OMS name another MetaDB, or other databases, than were recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Departure {
    /// They name the same, or none tells.
    #[default]
    None,
    /// What they say, in words.
    Moved(String),
    /// Why it cannot be told now: files that contradict each other, as while they are edited one after the other.
    Unread(String),
}

impl Installation {
    /// What the regions add up to.
    pub fn of_regions(metadb: Address, rm: String, cm: String, regions: Vec<Region>) -> Self {
        Self {
            metadb,
            databases: Databases {
                rm,
                cm,
                heartbeats: sort_once(regions.iter().map(|region| region.heartbeat.clone())),
            },
            nodes: sort_once(regions.iter().flat_map(|region| region.nodes.clone())),
            init_targets: regions
                .iter()
                .flat_map(|region| region.init_members.clone())
                .collect(),
            regions,
            ..Self::default()
        }
    }

    /// As it was recorded when the upgrade began.
    pub fn from_status(recorded: &InstallationStatus) -> Self {
        Self {
            metadb: Address {
                host: recorded.metadb_host.clone(),
                port: u16::try_from(recorded.metadb_port).unwrap_or_default(),
            },
            databases: Databases {
                rm: recorded.rm_database.clone(),
                cm: recorded.cm_database.clone(),
                heartbeats: recorded.heartbeat_databases.clone(),
            },
            nodes: recorded.nodes.clone(),
            init_targets: recorded.init_targets.clone(),
            ..Self::default()
        }
    }

    /// Whether another one, as the files say it today, lies on another MetaDB or in other databases, in words.
    pub fn describe_departure(&self, today: &Self) -> Option<String> {
        if today.metadb != self.metadb {
            return Some(format!(
                "config.yaml names the MetaDB {}, and this upgrade was begun on {}",
                today.metadb, self.metadb
            ));
        }
        if today.databases != self.databases {
            return Some(format!(
                "config.yaml names the databases {}, and this upgrade was begun on {}",
                today.databases.names().join(", "),
                self.databases.names().join(", ")
            ));
        }
        None
    }

    /// What is recorded, with the product that answers and the addresses that OMS may connect from.
    pub fn to_status(&self, server: Option<String>, addresses: Vec<String>) -> InstallationStatus {
        InstallationStatus {
            metadb_host: self.metadb.host.clone(),
            metadb_port: i32::from(self.metadb.port),
            databases: self.databases.names(),
            rm_database: self.databases.rm.clone(),
            cm_database: self.databases.cm.clone(),
            heartbeat_databases: self.databases.heartbeats.clone(),
            server,
            nodes: self.nodes.clone(),
            addresses,
            init_targets: self.init_targets.clone(),
        }
    }
}

fn sort_once(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut words: Vec<String> = words.collect();
    words.sort();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_back() {
        let found = Installation {
            metadb: Address {
                host: "metadb".into(),
                port: 2881,
            },
            databases: Databases {
                rm: "rm".into(),
                cm: "cm".into(),
                heartbeats: vec!["hb".into()],
            },
            nodes: vec!["10.0.0.1".into()],
            init_targets: vec!["oms".into()],
            ..Installation::default()
        };
        let status = found.to_status(Some("SeekDb 1".into()), vec!["10.0.0.9".into()]);
        assert_eq!(status.databases, ["rm", "cm", "hb"]);
        assert_eq!(Installation::from_status(&status), found);
    }

    #[test]
    fn only_another_metadb_and_other_databases_are_a_departure() {
        let address = |host: &str| Address {
            host: host.into(),
            port: 2881,
        };
        let recorded = Installation {
            metadb: address("metadb"),
            nodes: vec!["10.0.0.1".into()],
            ..Installation::default()
        };
        let mut today = Installation {
            nodes: vec!["10.0.0.2".into()],
            ..recorded.clone()
        };
        assert_eq!(recorded.describe_departure(&today), None);
        today.databases.heartbeats = vec!["hb_2".into()];
        let words = recorded.describe_departure(&today).unwrap();
        assert!(words.contains("hb_2"), "{words}");
        today.metadb = address("::1");
        let words = recorded.describe_departure(&today).unwrap();
        assert!(
            words.contains("[::1]:2881") && words.contains("metadb:2881"),
            "{words}"
        );
    }
}
