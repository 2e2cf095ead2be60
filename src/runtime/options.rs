//! Command line of `oms-operator run`.
use crate::objects::pod_settings::PodSettings;
use std::net::{Ipv6Addr, SocketAddr};

/// Runs the operator.
#[derive(Clone, Debug, clap::Args)]
pub struct RunOptions {
    /// Namespace to watch; may be given several times. Default: the namespace that the operator runs in.
    #[arg(long = "watch-namespace", value_name = "NAMESPACE")]
    pub watch_namespaces: Vec<String>,
    /// Image for the Jobs: this program and a dump client.
    #[arg(long, value_name = "IMAGE", required = true)]
    pub tools_image: String,
    /// When the kubelet pulls that image: Always, IfNotPresent or Never.
    #[arg(long, value_name = "POLICY")]
    pub tools_image_pull_policy: Option<String>,
    /// Further settings of the Jobs' pods as JSON: imagePullSecrets, nodeSelector, tolerations, resources.
    #[arg(long, value_name = "JSON", value_parser = parse_pod_settings)]
    pub job_pods: Option<PodSettings>,
    /// Namespace in which Applications of Argo CD may be read, its own first; may be given several times.
    #[arg(long = "applications", value_name = "NAMESPACE")]
    pub applications: Vec<String>,
    /// Lease by which one of several operators works at a time, as `NAMESPACE/NAME`, or `none`.
    #[arg(long, value_name = "LEASE", default_value = "oms-operator", value_parser = parse_lease)]
    pub lease: LeaseOption,
    /// Address for /healthz, /readyz and /metrics; `:PORT` listens everywhere, `none` nowhere.
    #[arg(long, value_name = "ADDRESS", default_value = ":8080", value_parser = parse_listen)]
    pub listen: ListenOption,
    /// What is logged: a level, or directives as the crate tracing-subscriber takes them.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log: String,
}

/// Whether only one of several operators works, and who decides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseOption {
    /// The operator runs alone.
    None,
    /// Namespace (the operator's own when absent) and name.
    Named {
        namespace: Option<String>,
        name: String,
    },
}

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenOption {
    /// Nowhere.
    None,
    /// Here.
    At(SocketAddr),
}

/// `none`, `NAMESPACE/NAME` or `NAME`.
pub(super) fn parse_lease(text: &str) -> Result<LeaseOption, String> {
    if text == "none" {
        return Ok(LeaseOption::None);
    }
    let (namespace, name) = match text.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, text),
    };
    if name.is_empty() || namespace.is_some_and(str::is_empty) || name.contains('/') {
        return Err("must be NAMESPACE/NAME, NAME or none".into());
    }
    Ok(LeaseOption::Named {
        namespace: namespace.map(str::to_owned),
        name: name.into(),
    })
}

fn parse_listen(text: &str) -> Result<ListenOption, String> {
    if text == "none" {
        return Ok(ListenOption::None);
    }
    let at = match text.strip_prefix(':') {
        Some(port) => port
            .parse()
            .map(|port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))
            .ok(),
        None => text.parse().ok(),
    };
    at.map(ListenOption::At)
        .ok_or_else(|| "must be :PORT, ADDRESS:PORT or none".into())
}

fn parse_pod_settings(text: &str) -> Result<PodSettings, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_leases_and_addresses() {
        assert_eq!(parse_lease("none"), Ok(LeaseOption::None));
        let named = |namespace: Option<&str>, name: &str| {
            Ok(LeaseOption::Named {
                namespace: namespace.map(str::to_owned),
                name: name.into(),
            })
        };
        assert_eq!(parse_lease("ns/op"), named(Some("ns"), "op"));
        assert_eq!(parse_lease("op"), named(None, "op"));
        for wrong in ["", "/op", "ns/", "a/b/c"] {
            assert!(parse_lease(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            parse_listen(":8080"),
            Ok(ListenOption::At("[::]:8080".parse().unwrap()))
        );
        assert_eq!(
            parse_listen("127.0.0.1:1"),
            Ok(ListenOption::At("127.0.0.1:1".parse().unwrap()))
        );
        assert!(parse_listen("8080").is_err());
    }
}
