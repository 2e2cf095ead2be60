//! OMS's `config.yaml`: where the meta database is, what its databases are called, which regions
//! and nodes there are. No I/O.
//!
//! Keys are those of the V4.0.0 deployment guide. How the text is read, and what is wrong with it:
//! [`crate::metadb::config_file`].
use std::collections::BTreeMap;

use crate::protocol::hex::write_hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::installation::{Address, Installation, Region};
use crate::metadb::config_file::{
    ConfigFlaw, NodeList, cut_byte_order_mark, read_config_file, require,
};
use crate::metadb::secret::Credentials;

/// What one node's `config.yaml` says, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeConfig {
    /// `oms_meta_host`, `oms_meta_port`.
    pub metadb: Address,
    /// `drc_rm_db`.
    pub rm: String,
    /// `drc_cm_db`.
    pub cm: String,
    /// `drc_cm_heartbeat_db`.
    pub heartbeat: String,
    /// `cm_location` as written (0–127, unique per region).
    pub location: String,
    /// `cm_region`; empty when absent.
    pub region: String,
    /// `cm_url`; empty when absent.
    pub cm_url: String,
    /// `cm_nodes`: addresses of all nodes of the region.
    pub nodes: Vec<String>,
    /// SHA-256 over the lines of the file without comments and without secrets: two nodes with the
    /// same fingerprint have the same configuration.
    pub fingerprint: String,
}

/// Why a `config.yaml` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
pub enum ConfigError {
    /// The text is not as it must be, or lacks a key.
    #[error("config.yaml cannot be used: {0}; nothing was done; {advice}", advice = .0.advise())]
    Flaw(#[from] ConfigFlaw),
    /// A value cannot be what the key means.
    #[error("the value of {key} in config.yaml is not {expected}; nothing was done; correct it")]
    BadValue {
        key: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Files of several nodes contradict each other.
    #[error(
        "the config.yaml files of {first} and {second} differ in {key}, so they are not one \
         installation; nothing was done; list only nodes of one installation as targets"
    )]
    Contradiction {
        /// A target.
        first: String,
        /// Another target.
        second: String,
        key: &'static str,
    },
    /// There was no file at all.
    #[error(
        "no config.yaml was found for any target; nothing was done; name the credentials and databases in the spec"
    )]
    NoFile,
}

/// Reads one file.
pub fn parse_config(text: &str) -> Result<(NodeConfig, Credentials), ConfigError> {
    let mut file = read_config_file(text)?;
    let credentials = file.take_account()?;
    let port = require("oms_meta_port", file.oms_meta_port)?;
    let config = NodeConfig {
        metadb: Address {
            host: require("oms_meta_host", file.oms_meta_host)?,
            port: port
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or(ConfigError::BadValue {
                    key: "oms_meta_port",
                    expected: "a TCP port",
                })?,
        },
        rm: require("drc_rm_db", file.drc_rm_db)?,
        cm: require("drc_cm_db", file.drc_cm_db)?,
        heartbeat: require("drc_cm_heartbeat_db", file.drc_cm_heartbeat_db)?,
        location: file.cm_location.unwrap_or_default().trim().to_owned(),
        region: file.cm_region.unwrap_or_default().trim().to_owned(),
        cm_url: file.cm_url.unwrap_or_default().trim().to_owned(),
        nodes: match file.cm_nodes {
            Some(NodeList::Many(nodes)) => nodes,
            Some(NodeList::One(nodes)) => nodes.split(',').map(str::to_owned).collect(),
            None => Vec::new(),
        }
        .into_iter()
        .map(|node| node.trim().to_owned())
        .filter(|node| !node.is_empty())
        .collect(),
        fingerprint: compute_fingerprint(cut_byte_order_mark(text)),
    };
    Ok((config, credentials))
}

fn compute_fingerprint(text: &str) -> String {
    let mut hash = Sha256::new();
    for line in text.lines().map(str::trim_end) {
        let body = line.trim_start();
        let key = body
            .split(':')
            .next()
            .unwrap_or_default()
            // The vendor's deployment tool quotes keys.
            .trim_matches(['"', '\'', ' '])
            .to_ascii_lowercase();
        let secret = ["password", "secret", "access_key", "ak", "sk"]
            .iter()
            .any(|word| key.split('_').any(|part| part == *word) || key.ends_with(word));
        if body.is_empty() || body.starts_with('#') || secret {
            continue;
        }
        hash.update(line.as_bytes());
        hash.update(b"\n");
    }
    write_hex(&hash.finalize())
}

/// Joins the files of all targets, given as (target name, file), into one installation.
///
/// rm and cm database and the meta database must be the same everywhere; regions are told apart by
/// `cm_location`; every region has one heartbeat database.
pub fn merge_configs(files: &[(String, NodeConfig)]) -> Result<Installation, ConfigError> {
    let (first_name, first) = files.first().ok_or(ConfigError::NoFile)?;
    let mut by_location: BTreeMap<&str, Vec<&(String, NodeConfig)>> = BTreeMap::new();
    for file in files {
        let (name, config) = file;
        let contradiction = |key| ConfigError::Contradiction {
            first: first_name.clone(),
            second: name.clone(),
            key,
        };
        if config.metadb != first.metadb {
            return Err(contradiction("oms_meta_host or oms_meta_port"));
        }
        if config.rm != first.rm {
            return Err(contradiction("drc_rm_db"));
        }
        if config.cm != first.cm {
            return Err(contradiction("drc_cm_db"));
        }
        by_location.entry(&config.location).or_default().push(file);
    }
    let mut regions = Vec::new();
    for (location, members) in by_location {
        regions.push(merge_region(location, &members)?);
    }
    Ok(Installation::of_regions(
        first.metadb.clone(),
        first.rm.clone(),
        first.cm.clone(),
        regions,
    ))
}

fn merge_region(location: &str, members: &[&(String, NodeConfig)]) -> Result<Region, ConfigError> {
    let (first_name, first) = members.first().ok_or(ConfigError::NoFile)?;
    for (name, config) in members {
        if config.heartbeat != first.heartbeat {
            return Err(ConfigError::Contradiction {
                first: first_name.clone(),
                second: name.clone(),
                key: "drc_cm_heartbeat_db (both have the same cm_location)",
            });
        }
    }
    let mut nodes: Vec<String> = members.iter().flat_map(|(_, c)| c.nodes.clone()).collect();
    nodes.sort();
    nodes.dedup();
    let names: Vec<String> = members.iter().map(|(name, _)| name.clone()).collect();
    let same = members
        .iter()
        .all(|(_, c)| c.fingerprint == first.fingerprint);
    Ok(Region {
        name: first.region.clone(),
        location: location.to_owned(),
        cm_url: first.cm_url.clone(),
        heartbeat: first.heartbeat.clone(),
        nodes,
        init_members: if same {
            vec![first_name.clone()]
        } else {
            names.clone()
        },
        members: names,
    })
}

#[cfg(test)]
#[path = "config_yaml_tests.rs"]
mod tests;
