"""The *restricted* Pod Security Standard, as far as it concerns a pod like ours (kubernetes.io, Pod Security Standards).

The API server's own admission judges the pod again when the chart is installed into a namespace that enforces it.
"""

ALLOWED_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def find_violations(pod):
    """What in a pod spec the restricted standard forbids."""
    found = []
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            found.append(f"{field} is set")
    for volume in pod.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= ALLOWED_VOLUMES:
            found.append(f"volume {volume['name']} is a {kinds}")
    outer = pod.get("securityContext", {})
    for container in pod["containers"] + pod.get("initContainers", []):
        inner = {**outer, **container.get("securityContext", {})}
        name = container["name"]
        if inner.get("runAsNonRoot") is not True:
            found.append(f"{name}: runAsNonRoot is not true")
        if inner.get("runAsUser") == 0:
            found.append(f"{name}: runAsUser is 0")
        if inner.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            found.append(f"{name}: no seccomp profile")
        if inner.get("privileged"):
            found.append(f"{name}: privileged")
        if inner.get("allowPrivilegeEscalation") is not False:
            found.append(f"{name}: allowPrivilegeEscalation is not false")
        capabilities = inner.get("capabilities", {})
        if "ALL" not in capabilities.get("drop", []):
            found.append(f"{name}: capabilities are not dropped")
        if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
            found.append(f"{name}: capabilities are added")
        if any("hostPort" in port for port in container.get("ports", [])):
            found.append(f"{name}: a host port")
    return found
