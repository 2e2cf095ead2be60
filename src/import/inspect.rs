//! What `docker inspect` and `podman inspect` print of a container.
use crate::import::container::{Container, HOST_ADDRESS, Mount, Port, UPGRADE, Variable};
use crate::import::error::ImportError;
use crate::import::run_line::values::read_volume;
use crate::import::why;
use serde::Deserialize;
use serde_json::error::Category;
use std::collections::BTreeMap;

/// What docker gives a container that asks for nothing, in bytes.
const USUAL_SHM: u64 = 64 << 20;
/// Variables besides OMS's own that are taken over: they hold no secret and mean the same in every image.
const TIME_ZONE: &str = "TZ";

#[derive(Deserialize)]
#[serde(untagged)]
enum Given {
    Many(Vec<serde_json::Value>),
    One(serde_json::Value),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    name: Option<String>,
    /// Podman's alone; docker has it in `Config.Image`.
    image_name: Option<String>,
    config: Option<Config>,
    host_config: Option<HostConfig>,
    mounts: Option<Vec<MountPoint>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    hostname: Option<String>,
    image: Option<String>,
    env: Option<Vec<String>>,
    tty: Option<bool>,
    open_stdin: Option<bool>,
    stop_timeout: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    binds: Option<Vec<String>>,
    network_mode: Option<String>,
    port_bindings: Option<BTreeMap<String, Option<Vec<PortBinding>>>>,
    restart_policy: Option<RestartPolicy>,
    privileged: Option<bool>,
    cap_add: Option<Vec<String>>,
    extra_hosts: Option<Vec<String>>,
    nano_cpus: Option<u64>,
    cpu_quota: Option<i64>,
    cpu_period: Option<u64>,
    memory: Option<u64>,
    memory_reservation: Option<u64>,
    shm_size: Option<u64>,
    pids_limit: Option<i64>,
    ulimits: Option<Vec<Ulimit>>,
    volumes_from: Option<Vec<String>>,
    tmpfs: Option<BTreeMap<String, String>>,
    devices: Option<Vec<serde_json::Value>>,
    dns: Option<Vec<String>>,
    security_opt: Option<Vec<String>>,
    pid_mode: Option<String>,
    ipc_mode: Option<String>,
    cpu_shares: Option<u64>,
    cpuset_cpus: Option<String>,
    readonly_rootfs: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PortBinding {
    host_port: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RestartPolicy {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ulimit {
    name: String,
    soft: i64,
    hard: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MountPoint {
    r#type: Option<String>,
    source: Option<String>,
    destination: String,
    #[serde(rename = "RW")]
    rw: Option<bool>,
}

/// Reads one container, alone or as the only one of a list.
///
/// # Errors
/// No JSON; another shape; none or several containers; a container that is not OMS.
pub(crate) fn read_inspect(text: &str) -> Result<Container, ImportError> {
    let given: Given = serde_json::from_str(text).map_err(|error| ImportError::Json {
        line: error.line(),
        column: error.column(),
        what: match error.classify() {
            Category::Eof => "it ends too early",
            _ => "this sign does not belong there",
        },
    })?;
    let all = match given {
        Given::Many(all) => all,
        Given::One(one) => vec![one],
    };
    let names = all
        .iter()
        .map(|one| one["Name"].as_str().unwrap_or("?").trim_start_matches('/'));
    let names = names.collect::<Vec<_>>().join(", ");
    let count = all.len();
    let [one] = <[serde_json::Value; 1]>::try_from(all).map_err(|_| match count {
        0 => ImportError::NoContainer,
        _ => ImportError::Several { count, names },
    })?;
    let inspected: Inspected = serde_path_to_error::deserialize(one).map_err(|error| {
        let path = error.path().to_string();
        ImportError::Field { path }
    })?;
    let host = inspected.host_config.ok_or(ImportError::NoContainer)?;
    let config = inspected.config.unwrap_or_default();
    let tool = if inspected.image_name.is_some() {
        "podman"
    } else {
        "docker"
    };
    let mut container = Container {
        tool,
        source: if tool == "podman" {
            "podman inspect"
        } else {
            "docker inspect"
        },
        name: inspected
            .name
            .map(|name| name.trim_start_matches('/').to_owned()),
        image: inspected.image_name.or(config.image),
        network: host.network_mode.clone(),
        privileged: host.privileged.unwrap_or_default(),
        stdin: config.open_stdin.unwrap_or_default(),
        tty: config.tty.unwrap_or_default(),
        cpu_limit: find_cpus(&host),
        memory_limit: host.memory.filter(|bytes| *bytes > 0),
        memory_request: host.memory_reservation.filter(|bytes| *bytes > 0),
        stop_timeout: config.stop_timeout,
        restart: host
            .restart_policy
            .as_ref()
            .and_then(|policy| policy.name.clone()),
        ..Container::default()
    };
    container.host_name = config.hostname.filter(|_| container.is_on_host_network());
    for name in host.cap_add.iter().flatten() {
        container.add_capability(name);
    }
    for mapping in host.extra_hosts.iter().flatten() {
        if let Some((name, address)) = mapping.split_once(':') {
            container.add_host(name, address);
        }
    }
    take_variables(&mut container, config.env.unwrap_or_default());
    take_mounts(&mut container, inspected.mounts, host.binds.as_deref())?;
    take_ports(&mut container, host.port_bindings.as_ref());
    drop_rest(&mut container, &host);
    container.require_oms()
}

fn find_cpus(host: &HostConfig) -> Option<u64> {
    if let Some(nano) = host.nano_cpus.filter(|nano| *nano > 0) {
        return Some(nano / 1_000_000);
    }
    let quota = u64::try_from(host.cpu_quota?)
        .ok()
        .filter(|quota| *quota > 0)?;
    let period = host
        .cpu_period
        .filter(|period| *period > 0)
        .unwrap_or(100_000);
    quota.checked_mul(1000).map(|all| all / period)
}

fn take_variables(container: &mut Container, all: Vec<String>) {
    for text in all {
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        match name {
            HOST_ADDRESS | TIME_ZONE => container.variables.push(Variable {
                name: name.to_owned(),
                value: Some(value.to_owned()),
            }),
            UPGRADE => container.drop_it(UPGRADE, why::UPGRADE),
            _ => container.unsure_variables.push(name.to_owned()),
        }
    }
}

fn take_mounts(
    container: &mut Container,
    mounts: Option<Vec<MountPoint>>,
    binds: Option<&[String]>,
) -> Result<(), ImportError> {
    for mount in mounts.into_iter().flatten() {
        let kind = mount.r#type.as_deref().unwrap_or("bind");
        if !["bind", "volume"].contains(&kind) {
            container.drop_it(
                format!("{kind} at {}", mount.destination),
                why::explain("tmpfs"),
            );
            continue;
        }
        container.mounts.push(Mount {
            source: mount.source.filter(|path| !path.is_empty()),
            target: mount.destination,
            read_only: mount.rw == Some(false),
            is_volume: kind == "volume",
        });
    }
    for (at, bind) in binds.iter().flat_map(|all| all.iter()).enumerate() {
        let mount = read_volume(bind).map_err(|_| ImportError::Field {
            path: format!("HostConfig.Binds[{at}]"),
        })?;
        if container.find_mount(&mount.target).is_none() {
            container.mounts.push(mount);
        }
    }
    Ok(())
}

fn take_ports(
    container: &mut Container,
    bindings: Option<&BTreeMap<String, Option<Vec<PortBinding>>>>,
) {
    for (port, hosts) in bindings.into_iter().flatten() {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let Ok(number) = number.parse() else { continue };
        let host = hosts.iter().flatten().next();
        container.ports.push(Port {
            container: number,
            host: host.and_then(|one| one.host_port.as_deref()?.parse().ok()),
            is_udp: protocol == "udp",
        });
    }
}

/// What is set and has no place: told by the name of the option that sets it.
fn drop_rest(container: &mut Container, host: &HostConfig) {
    let some = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|all| !all.is_empty());
    let mut drop_it = |is_set: bool, option: &str, value: String| {
        if is_set {
            container.drop_it(format!("--{option}{value}"), why::explain(option));
        }
    };
    for limit in host.ulimits.iter().flatten() {
        let name = limit
            .name
            .trim_start_matches("RLIMIT_")
            .to_ascii_lowercase();
        drop_it(
            true,
            "ulimit",
            format!(" {name}={}:{}", limit.soft, limit.hard),
        );
    }
    let pids = host.pids_limit.unwrap_or_default();
    drop_it(pids != 0, "pids-limit", format!(" {pids}"));
    let shm = host.shm_size.unwrap_or(USUAL_SHM);
    drop_it(
        ![0, USUAL_SHM].contains(&shm),
        "shm-size",
        format!(" {shm}"),
    );
    drop_it(some(&host.volumes_from), "volumes-from", String::new());
    drop_it(
        host.tmpfs.as_ref().is_some_and(|all| !all.is_empty()),
        "tmpfs",
        String::new(),
    );
    drop_it(
        host.devices.as_ref().is_some_and(|all| !all.is_empty()),
        "device",
        String::new(),
    );
    drop_it(some(&host.dns), "dns", String::new());
    // A privileged container is told so with these words.
    let labels = host.security_opt.as_deref().unwrap_or_default();
    drop_it(
        labels.iter().any(|one| one != "label=disable"),
        "security-opt",
        String::new(),
    );
    let is_host = |mode: &Option<String>| mode.as_deref() == Some("host");
    drop_it(is_host(&host.pid_mode), "pid", " host".into());
    drop_it(is_host(&host.ipc_mode), "ipc", " host".into());
    drop_it(
        host.cpu_shares.is_some_and(|shares| shares > 0),
        "cpu-shares",
        String::new(),
    );
    drop_it(
        host.cpuset_cpus.as_ref().is_some_and(|set| !set.is_empty()),
        "cpuset-cpus",
        String::new(),
    );
    drop_it(
        host.readonly_rootfs == Some(true),
        "read-only",
        String::new(),
    );
}
