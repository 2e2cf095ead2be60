"""The objects of a sample installation, written as careful users write theirs."""

import base64
import json

from ctl.kube import EYE

OLD, NEW = "3.3.1-ce", "4.0.0-ce"
# What is upgraded, oldest first, and the hop after the new version.
SOURCES = ("3.2.2-ce", "3.3.0-ce", OLD)
NEXT = "4.1.0-ce"
IMAGE = "localhost/oms-standin:"
CONSOLE = {"username": "admin", "password": "konsole \"pass' # %41 ä"}
EYE_USER = "standin_eye"
EYE_PASSWORD = "eye's pass"
# Where nginx finds certificates; with them the console speaks HTTPS only.
CERTIFICATES = "/etc/pki/nginx"
MOUNTS = (("logs", "/home/admin/logs"), ("store", "/home/ds/store"), ("run", "/home/ds/run"))


def authorization():
    """The console user's Authorization header."""
    return "Basic " + base64.b64encode(f"{CONSOLE['username']}:{CONSOLE['password']}".encode()).decode()


def _meta(name, labels=None):
    return {"name": name, **({"labels": labels} if labels else {})}


def secret(name, values, kind="Opaque"):
    """A Secret of texts."""
    data = {key: base64.b64encode(text.encode()).decode() for key, text in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": _meta(name), "data": data}


def claim(name, size):
    """A PersistentVolumeClaim of the default class."""
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": _meta(name),
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}}


def namespace(name):
    """The namespace; OMS is privileged."""
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": _meta(name, labels)}


def config_yaml(meta, addresses):
    """config.yaml as the guide shows it; JSON quoting is YAML's double quoting."""
    def line(key, value):
        return f"{key}: {json.dumps(value, ensure_ascii=False)}\n"
    text = "".join(line(key, value) for key, value in (
        ("oms_meta_host", meta["host"]), ("oms_meta_port", meta["port"]), ("oms_meta_user", meta["user"]),
        ("oms_meta_password", meta["password"]), ("drc_rm_db", "oms_rm"), ("drc_cm_db", "oms_cm"),
        ("drc_cm_heartbeat_db", "oms_cm_hb"), ("cm_url", f"http://{addresses[0]}:8088"), ("cm_location", 0),
        ("cm_region", "cn-standin"), ("cm_region_cn", "演示"), ("cm_is_default", True)))
    return text + "cm_nodes:\n" + "".join(f"  - {json.dumps(address)}\n" for address in addresses) + "tsdb_enabled: false\n"


def _probe(console, period, failures):
    scheme = {"scheme": "HTTPS"} if console.secret else {}
    return {"httpGet": {"path": "/oms/health", "port": console.port, **scheme}, "periodSeconds": period,
            "failureThreshold": failures, "timeoutSeconds": 4}


class Console:
    """Where the console listens, and the Secret with its certificate, where it has one."""

    def __init__(self, port=8089, secret=None):
        self.port, self.secret = port, secret


def deployment(name, node, address, image, console=Console()):
    """One OMS node."""
    labels = {"app": "oms", "oms-node": name}
    mounts = [{"name": mount, "mountPath": path} for mount, path in MOUNTS]
    mounts.append({"name": "config", "mountPath": "/home/admin/conf/config.yaml", "subPath": "config.yaml",
                   "readOnly": True})
    volumes = [{"name": mount, "persistentVolumeClaim": {"claimName": f"{name}-{mount}"}} for mount, _ in MOUNTS]
    volumes.append({"name": "config", "secret": {"secretName": "oms-config"}})
    environment = [{"name": "OMS_HOST_IP", "value": address}]
    if console.port != 8089:
        environment.append({"name": "STANDIN_CONSOLE_PORT", "value": str(console.port)})
    if console.secret:
        volumes.append({"name": "certificates", "secret": {"secretName": console.secret}})
        mounts += [{"name": "certificates", "mountPath": f"{CERTIFICATES}/oms_server.{end}", "subPath": f"tls.{end}", "readOnly": True}
                   for end in ("crt", "key")]
    container = {
        "name": "oms", "image": image, "imagePullPolicy": "IfNotPresent",
        "env": environment,
        "ports": [{"name": "console", "containerPort": console.port}, {"name": "cm", "containerPort": 8088}],
        "securityContext": {"privileged": True},
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "startupProbe": _probe(console, 1, 60), "livenessProbe": _probe(console, 10, 3),
        "readinessProbe": _probe(console, 2, 3),
        "volumeMounts": mounts}
    pod = {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet", "enableServiceLinks": False,
           "nodeSelector": {"kubernetes.io/hostname": node}, "terminationGracePeriodSeconds": 60,
           "automountServiceAccountToken": False, "containers": [container], "volumes": volumes}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _meta(name, labels),
            "spec": {"replicas": 1, "strategy": {"type": "Recreate"}, "revisionHistoryLimit": 5,
                     "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}}


def eye_pod():
    """The observer beside OMS: image files, config.yaml, an account of its own; not part of OMS."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _meta(EYE, {"app": EYE}),
            "spec": {"enableServiceLinks": False, "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0,
                     "containers": [{
                         "name": "eye", "image": IMAGE + OLD, "imagePullPolicy": "IfNotPresent",
                         "command": ["sleep", "infinity"],
                         "volumeMounts": [
                             {"name": "config", "mountPath": "/home/admin/conf/config.yaml", "subPath": "config.yaml"},
                             {"name": "eye", "mountPath": "/eye"}]}],
                     "volumes": [{"name": "config", "secret": {"secretName": "oms-config"}},
                                 {"name": "eye", "secret": {"secretName": "oms-standin-eye"}}]}}


def node_names(count):
    """Names of the Deployments: `oms`, or `oms-node1`, `oms-node2`, …"""
    return ["oms"] if count == 1 else [f"oms-node{number + 1}" for number in range(count)]


def base_objects(name, meta, nodes):
    """Everything that OMS needs but the MetaDB and OMS itself; `meta` has host, port, user, password of the MetaDB,
    `nodes` is [(node, address)]."""
    addresses = [address for _, address in nodes]
    objects = [namespace(name),
               secret("oms-config", {"config.yaml": config_yaml(meta, addresses)}),
               secret("oms-console", {**CONSOLE, "authorization": authorization()}, "kubernetes.io/basic-auth"),
               secret("oms-standin-eye", {"account.json": json.dumps({"user": EYE_USER, "password": EYE_PASSWORD})}),
               claim("oms-backup", "2Gi")]
    for oms in node_names(len(nodes)):
        objects += [claim(f"{oms}-{mount}", "1Gi") for mount, _ in MOUNTS]
    return objects + [eye_pod()]


def oms_objects(nodes, version=OLD, console=Console()):
    """One Deployment per node."""
    return [deployment(oms, node, address, IMAGE + version, console)
            for oms, (node, address) in zip(node_names(len(nodes)), nodes)]
