"""Who this container is: version of the image, config.yaml, node address, pod.

Reads files and the environment, writes nothing.
"""

import os
import re
import uuid

import yaml

CONFIG_FILE = "/home/admin/conf/config.yaml"
VERSION_FILE = "/root/standin/VERSION"
BOOT_FILE = "/run/standin.boot"

# What the stand-in plays, in order. Those before 3.3.1 have no high availability, 3.2.2 has no open API, and the connectors
# that it makes have no dbType [documented]; what a later one changes in the schema is in schema.py.
VERSIONS = ("3.2.2-ce", "3.3.0-ce", "3.3.1-ce", "4.0.0-ce", "4.1.0-ce")
OLD = "3.3.1-ce"
NEW = "4.0.0-ce"

# Set by the container runtime or by Kubernetes, different in every pod without anybody's doing.
_NOISE = re.compile(
    r"^(HOSTNAME|PATH|HOME|PWD|OLDPWD|SHLVL|TERM|_|LC_CTYPE|KUBERNETES_.*"
    r"|.*_SERVICE_(HOST|PORT)(_.*)?|.*_PORT(_\d+_(TCP|UDP).*)?)$"
)


def read_config(path=CONFIG_FILE):
    """config.yaml as a dict; the documented keys are required."""
    with open(path, encoding="utf-8") as file:
        config = yaml.safe_load(file) or {}
    for key in ("oms_meta_host", "oms_meta_port", "oms_meta_user", "oms_meta_password",
                "drc_rm_db", "drc_cm_db", "drc_cm_heartbeat_db", "cm_location", "cm_nodes"):
        if key not in config:
            raise SystemExit(f"config.yaml has no {key}")
    return config


def image_version():
    """Version this image was built as, e.g. 4.0.0-ce."""
    with open(VERSION_FILE, encoding="ascii") as file:
        return file.read().strip()


def rank(version):
    """Place of a version in their order; -1 for what is none (an empty or a mixed schema)."""
    return VERSIONS.index(version) if version in VERSIONS else -1


def is_new(version):
    """True for a version that others are upgraded to, and whose docker_init.sh migrates."""
    return rank(version) >= rank(NEW)


def has_ha(version):
    """Whether there is a system parameter for high availability [documented]."""
    return rank(version) >= rank("3.3.1-ce")


def has_open_api(version):
    """Whether the console answers under /api/omsp/v2 [documented]."""
    return rank(version) >= rank("3.3.0-ce")


def has_db_type(version):
    """Whether connectors that this version makes have dbType [documented]."""
    return rank(version) > rank("3.2.2-ce")


def host_ip():
    """OMS_HOST_IP, the identity of the node in host, cm_nodes and Store names."""
    address = os.environ.get("OMS_HOST_IP", "")
    if not address:
        raise SystemExit("OMS_HOST_IP is not set")
    return address


def started_for_upgrade():
    """True when IS_UPGRADE=true was given."""
    return os.environ.get("IS_UPGRADE", "").lower() == "true"


def pod_id():
    """uid of the pod, read off the mounts that the kubelet made; else an id of this container."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        found = re.search(r"/pods/([0-9a-f-]{36})/", file.read())
    return found.group(1) if found else "container-" + uuid.uuid4().hex[:12]


def own_environment():
    """The environment as the user gave it; IS_UPGRADE is meant to differ and is left out."""
    return {name: value for name, value in sorted(os.environ.items())
            if name != "IS_UPGRADE" and not _NOISE.match(name)}


def comparable_config(config):
    """config.yaml without what may change in operation (passwords)."""
    return {key: value for key, value in sorted(config.items()) if not key.endswith("_password")}


def write_boot(instance, pod):
    """Leaves id and pod of this container's life for the other programs."""
    with open(BOOT_FILE, "w", encoding="ascii") as file:
        file.write(f"{instance} {pod}")


def read_boot():
    """(instance id, pod) of this container's life."""
    with open(BOOT_FILE, encoding="ascii") as file:
        instance, pod = file.read().split()
    return int(instance), pod
