//! A container as docker or podman was told to run it: plain data, whatever it was read from.
use crate::import::error::ImportError;
use crate::import::why;
use std::net::IpAddr;

/// Name and path of what OMS keeps outside its container (V4.0.0 deployment guide).
pub(crate) const KEPT: [(&str, &str); 3] = [
    ("logs", "/home/admin/logs"),
    ("store", "/home/ds/store"),
    ("run", "/home/ds/run"),
];
/// Where OMS reads its configuration.
pub(crate) const CONFIG: &str = "/home/admin/conf/config.yaml";
/// Key in a Secret and path of what makes nginx speak HTTPS.
pub(crate) const CERTIFICATES: [(&str, &str); 2] = [
    ("oms_server.crt", "/etc/pki/nginx/oms_server.crt"),
    ("oms_server.key", "/etc/pki/nginx/oms_server.key"),
];
/// Under which address OMS knows the host.
pub(crate) const HOST_ADDRESS: &str = "OMS_HOST_IP";
/// Makes a start the start of an upgrade; no other start may have it.
pub(crate) const UPGRADE: &str = "IS_UPGRADE";

/// What was told about one container. Nothing is made up: what was not told is `None`, empty or false.
#[derive(Default)]
pub(crate) struct Container {
    /// `docker` or `podman`.
    pub tool: &'static str,
    /// What it was read from, for people.
    pub source: &'static str,
    pub name: Option<String>,
    pub image: Option<String>,
    /// What the host calls itself, where the container shares its network.
    pub host_name: Option<String>,
    /// `host`, `bridge`, the name of a network.
    pub network: Option<String>,
    pub variables: Vec<Variable>,
    /// Variables that are set, by the image or by a person, which cannot be told apart; their values are not kept.
    pub unsure_variables: Vec<String>,
    pub mounts: Vec<Mount>,
    pub ports: Vec<Port>,
    /// Name and address.
    pub hosts: Vec<(String, String)>,
    pub capabilities: Vec<String>,
    pub privileged: bool,
    pub stdin: bool,
    pub tty: bool,
    /// Thousandths of a CPU.
    pub cpu_limit: Option<u64>,
    /// Bytes.
    pub memory_limit: Option<u64>,
    /// Bytes.
    pub memory_request: Option<u64>,
    /// Seconds.
    pub stop_timeout: Option<i64>,
    /// When docker starts it again by itself.
    pub restart: Option<String>,
    /// What has no place in the manifests, in the order in which it was told.
    pub dropped: Vec<Dropped>,
}

/// A variable of the environment. The value may be a secret: it is shown for names that are known to hold none.
pub(crate) struct Variable {
    pub name: String,
    /// `None` where it is taken from the environment of whoever runs the line.
    pub value: Option<String>,
}

/// Something of the host, or a volume of docker's, in the container.
pub(crate) struct Mount {
    /// A path of the host; the name of a volume where the path is not known; `None` for a nameless volume.
    pub source: Option<String>,
    pub target: String,
    pub read_only: bool,
    /// Docker keeps it, and removes it with `docker volume rm` and `docker volume prune`.
    pub is_volume: bool,
}

/// A port of the container, on the host.
pub(crate) struct Port {
    pub container: i32,
    pub host: Option<i32>,
    pub is_udp: bool,
}

/// Something that was told and is in no manifest.
pub(crate) struct Dropped {
    /// The option or field, never a value that may be a secret.
    pub what: String,
    pub why: String,
}

impl Container {
    pub(crate) fn drop_it(&mut self, what: impl Into<String>, why: impl Into<String>) {
        let (what, why) = (what.into(), why.into());
        self.dropped.push(Dropped { what, why });
    }

    /// A name in the container's /etc/hosts. Docker also takes words in the place of an address.
    pub(crate) fn add_host(&mut self, name: &str, address: &str) {
        if address.parse::<IpAddr>().is_ok() {
            self.hosts.push((name.to_owned(), address.to_owned()));
        } else {
            self.drop_it(format!("--add-host {name}"), why::HOST);
        }
    }

    /// A right beside those that each container has.
    pub(crate) fn add_capability(&mut self, name: &str) {
        let name = name.strip_prefix("CAP_").unwrap_or(name);
        self.capabilities.push(name.to_owned());
    }

    /// The mount of a path itself.
    pub(crate) fn find_mount(&self, path: &str) -> Option<&Mount> {
        self.mounts.iter().find(|mount| mount.target == path)
    }

    pub(crate) fn is_on_host_network(&self) -> bool {
        self.network.as_deref() == Some("host")
    }

    /// Whether nginx was given certificates, and so speaks HTTPS alone.
    pub(crate) fn speaks_https(&self) -> bool {
        CERTIFICATES
            .iter()
            .all(|(_, path)| self.find_mount(path).is_some())
    }

    /// That it is OMS at all: the documents mount at least one of these.
    pub(crate) fn require_oms(self) -> Result<Self, ImportError> {
        let known = |mount: &Mount| {
            mount.target == CONFIG || KEPT.iter().any(|(_, path)| holds(&mount.target, path))
        };
        if self.mounts.iter().any(known) {
            return Ok(self);
        }
        Err(ImportError::NotOms {
            name: self.name.unwrap_or_else(|| "without a name".into()),
        })
    }
}

/// Whether a mount at one path holds another one.
pub(crate) fn holds(mount: &str, path: &str) -> bool {
    let mount = mount.trim_end_matches('/');
    !mount.is_empty()
        && path
            .strip_prefix(mount)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a text stands for another one that a person is to put in: a variable of the shell, a placeholder of the
/// vendor's pages.
pub(crate) fn is_open(text: &str) -> bool {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    let stands =
        words.filter(|word| !word.is_empty() && word.chars().all(|c| matches!(c, 'x' | 'X')));
    let letters: usize = stands.map(str::len).sum();
    text.is_empty() || text.contains(['$', '`', '<', '{']) || text.contains("***") || letters > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_values() {
        for open in [
            "",
            "xxx",
            "oms_xxx",
            "$IP",
            "${IP}",
            "$(hostname -i)",
            "`id`",
            "<OMS_IMAGE>",
            "{Mounted data disk}",
            "oms:feature_x.x.x-ce",
            "xxx.xxx.xxx.1",
            "****",
        ] {
            assert!(is_open(open), "{open}");
        }
        for whole in [
            "10.0.0.11",
            "oms",
            "reg/oms:feature_3.3.1-ce",
            "/data/oms/oms_logs",
            "box.x86",
        ] {
            assert!(!is_open(whole), "{whole}");
        }
    }

    #[test]
    fn a_parent_holds_what_is_below_it_and_no_neighbour() {
        assert!(holds("/home/ds", "/home/ds/run") && holds("/home/ds/run/", "/home/ds/run"));
        assert!(!holds("/home/ds/ru", "/home/ds/run") && !holds("/", "/home/ds/run"));
    }
}
