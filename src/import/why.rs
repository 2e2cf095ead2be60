//! Why an option of docker has no place in the manifests, and what to do where OMS needs it.

pub(crate) const ARGUMENTS: &str = "they replace the command of the image; OMS has none, so write them as `args` only if you know that yours needs them";
pub(crate) const UPGRADE: &str = "it makes a start the start of an upgrade; the operator sets it for the one start that wants it";
pub(crate) const ENV_FILE: &str = "what is in the file is not known here: CHANGE ME, add to `env` what OMS needs of it, but never IS_UPGRADE";
pub(crate) const HOST: &str = "its address is no IP address: CHANGE ME, add it to `hostAliases`";
pub(crate) const PORT: &str = "ranges of ports are not read: CHANGE ME, add each to `ports`";

/// Whether the value of an option may be shown: it holds no secret.
pub(crate) fn is_shown(option: &str) -> bool {
    matches!(
        option,
        "ulimit"
            | "pids-limit"
            | "shm-size"
            | "memory-swap"
            | "network-alias"
            | "user"
            | "hostname"
            | "pid"
            | "ipc"
            | "uts"
    )
}

/// Why an option is left out.
pub(crate) fn explain(option: &str) -> &'static str {
    match option {
        "pids-limit" => {
            "a limit of the kubelet (podPidsLimit), not of a pod; see that the node's is high enough"
        }
        "ulimit" => {
            "limits come from the container runtime of the node; see that its nproc is 65535 or more"
        }
        "init" => "OMS brings a first process of its own, supervisord",
        "quiet"
        | "rm"
        | "replace"
        | "pull"
        | "attach"
        | "sig-proxy"
        | "detach-keys"
        | "cidfile"
        | "pidfile"
        | "conmon-pidfile"
        | "disable-content-trust"
        | "rmi"
        | "http-proxy"
        | "help"
        | "platform"
        | "arch"
        | "os" => "it means something to whoever runs the line, and nothing to a Deployment",
        "hostname" | "domainname" => {
            "on the host's network a pod has the name of its node; on another one set `hostname` yourself"
        }
        "label" | "label-file" | "annotation" => {
            "nothing in OMS reads it; add it to the Deployment where something of yours does"
        }
        "log-driver" | "log-opt" => "the kubelet keeps and rotates logs",
        "health-cmd"
        | "health-interval"
        | "health-retries"
        | "health-start-interval"
        | "health-start-period"
        | "health-timeout"
        | "no-healthcheck" => {
            "Kubernetes knows no health check of docker's; write probes, with time enough for OMS to start"
        }
        "cpu-shares" | "cpu-quota" | "cpu-period" | "cpuset-cpus" | "cpuset-mems"
        | "memory-swap" | "memory-swappiness" | "oom-kill-disable" | "oom-score-adj"
        | "blkio-weight" => "a pod is given CPU and memory by `resources` alone",
        "tmpfs" | "shm-size" => {
            "add an emptyDir with `medium: Memory` at that path where OMS needs it"
        }
        "volumes-from" => {
            "which volumes these are is not known here: CHANGE ME, add them to `volumes` and `volumeMounts`"
        }
        "entrypoint" => {
            "OMS has none of its own; write it as `command` only if you know that your image needs it"
        }
        "user" => {
            "OMS's documents run it as root, whom its entry script wants; set `securityContext.runAsUser` only if yours differs"
        }
        "publish-all" | "expose" => {
            "which ports these are is known to the image alone; add them to `ports`"
        }
        "pid" | "ipc" | "uts" | "userns" => {
            "set hostPID, hostIPC or hostUsers of the pod where OMS needs it"
        }
        "dns" | "dns-opt" | "dns-option" | "dns-search" => {
            "write it as `dnsConfig` where the names of the node do not do"
        }
        "device" | "gpus" => {
            "a privileged pod sees the devices of its node; another one wants a device plug-in"
        }
        "security-opt" | "cap-drop" | "group-add" | "read-only" | "sysctl" => {
            "write it in `securityContext` where OMS needs it; a privileged container has all rights"
        }
        _ => "it has no counterpart that OMS is known to need; look whether yours does",
    }
}
