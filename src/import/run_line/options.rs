//! The options of `docker run` and `podman run`: their names, and whether a value follows. A word that is none of them
//! is told, for it cannot be known whether the next one is its value or the image.

/// Options that take no value of their own (`--tty`, `--tty=false`).
const SWITCHES: [&str; 22] = [
    "detach",
    "disable-content-trust",
    "env-host",
    "help",
    "http-proxy",
    "init",
    "interactive",
    "no-healthcheck",
    "no-hosts",
    "no-hostname",
    "oom-kill-disable",
    "passwd",
    "privileged",
    "publish-all",
    "quiet",
    "read-only",
    "read-only-tmpfs",
    "replace",
    "rm",
    "rmi",
    "sig-proxy",
    "tty",
];
/// Options that are followed by one.
const VALUED: [&str; 103] = [
    "add-host",
    "annotation",
    "arch",
    "attach",
    "authfile",
    "blkio-weight",
    "blkio-weight-device",
    "cap-add",
    "cap-drop",
    "cgroup-conf",
    "cgroup-parent",
    "cgroupns",
    "cgroups",
    "cidfile",
    "conmon-pidfile",
    "cpu-count",
    "cpu-percent",
    "cpu-period",
    "cpu-quota",
    "cpu-rt-period",
    "cpu-rt-runtime",
    "cpu-shares",
    "cpus",
    "cpuset-cpus",
    "cpuset-mems",
    "detach-keys",
    "device",
    "device-cgroup-rule",
    "device-read-bps",
    "device-read-iops",
    "device-write-bps",
    "device-write-iops",
    "dns",
    "dns-opt",
    "dns-option",
    "dns-search",
    "domainname",
    "entrypoint",
    "env",
    "env-file",
    "env-merge",
    "expose",
    "gidmap",
    "gpus",
    "group-add",
    "health-cmd",
    "health-interval",
    "health-retries",
    "health-start-interval",
    "health-start-period",
    "health-timeout",
    "hooks-dir",
    "hostname",
    "ip",
    "ip6",
    "ipc",
    "isolation",
    "label",
    "label-file",
    "link",
    "link-local-ip",
    "log-driver",
    "log-opt",
    "mac-address",
    "memory",
    "memory-reservation",
    "memory-swap",
    "memory-swappiness",
    "mount",
    "name",
    "network",
    "network-alias",
    "oom-score-adj",
    "os",
    "pid",
    "pidfile",
    "pids-limit",
    "platform",
    "pod",
    "publish",
    "pull",
    "restart",
    "runtime",
    "secret",
    "security-opt",
    "shm-size",
    "stop-signal",
    "stop-timeout",
    "storage-opt",
    "sysctl",
    "systemd",
    "timeout",
    "tmpfs",
    "tz",
    "uidmap",
    "ulimit",
    "umask",
    "user",
    "userns",
    "uts",
    "volume",
    "volumes-from",
    "workdir",
];
/// One letter in place of a name.
const LETTERS: [(char, &str); 15] = [
    ('a', "attach"),
    ('c', "cpu-shares"),
    ('d', "detach"),
    ('e', "env"),
    ('h', "hostname"),
    ('i', "interactive"),
    ('l', "label"),
    ('m', "memory"),
    ('p', "publish"),
    ('P', "publish-all"),
    ('q', "quiet"),
    ('t', "tty"),
    ('u', "user"),
    ('v', "volume"),
    ('w', "workdir"),
];

/// An option: its long name, and whether a value follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub name: &'static str,
    pub has_value: bool,
}

/// An option by its long name; docker also takes `--net` and `--net-alias`.
pub(crate) fn find_long(name: &str) -> Option<Known> {
    let name = match name {
        "net" => "network",
        "net-alias" => "network-alias",
        other => other,
    };
    let find = |names: &'static [&'static str], has_value| {
        let name = names.iter().copied().find(|known| *known == name)?;
        Some(Known { name, has_value })
    };
    find(&SWITCHES, false).or_else(|| find(&VALUED, true))
}

/// An option by its letter.
pub(crate) fn find_letter(letter: char) -> Option<Known> {
    let (_, name) = LETTERS.iter().find(|(known, _)| *known == letter)?;
    find_long(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_stands_once_and_each_letter_has_one() {
        let mut all: Vec<&str> = SWITCHES.iter().chain(&VALUED).copied().collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
        for (letter, _) in LETTERS {
            assert!(find_letter(letter).is_some(), "{letter}");
        }
        assert_eq!(find_long("net"), find_long("network"));
        assert_eq!(find_long("no-such"), None);
        assert_eq!(find_letter('x'), None);
    }
}
