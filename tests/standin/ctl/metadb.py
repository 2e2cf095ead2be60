"""The MetaDB of a sample installation: the manifests of tests/cluster/metadb, and the observer's account in it."""

import base64
import json
import os

from ctl import manifests
from ctl.kube import EYE, ROOT

NAME = "metadb"
PORTS = {"seekdb": 2881, "mariadb": 3306}
ARCHIVES = {"seekdb": "seekdb_1.4.0.tar", "mariadb": "mariadb_10.11.tar"}


def objects(kube, engine):
    """Its objects; kubectl reads the YAML."""
    text = kube.run("create", "--dry-run=client", "-o", "json", "-f",
                    os.path.join(ROOT, "tests", "cluster", "metadb", f"{engine}.yaml"))
    found, decoder = [], json.JSONDecoder()
    while text.strip():
        item, end = decoder.raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        found += item["items"] if item["kind"] == "List" else [item]
    return found


def account(found):
    """(user, password) that OMS gets, from the Secret among the objects."""
    for item in found:
        if item["kind"] == "Secret":
            texts = {key: base64.b64decode(value).decode() for key, value in item.get("data", {}).items()}
            texts.update(item.get("stringData", {}))
            return texts["user"], texts["password"]
    raise KeyError("the MetaDB's manifest has no Secret")


def address(engine, namespace):
    """(host, port) under which OMS finds it."""
    return f"{NAME}.{namespace}.svc.cluster.local", PORTS[engine]


_CREATE_ACCOUNT = """
import json, sys
sys.path.insert(0, "/root/standin")
import identity, metadb
given = json.load(sys.stdin)
db = metadb.MetaDb(identity.read_config())
db.connect_patiently(60)
db.run("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s", given["user"], given["password"])
db.run("GRANT ALL ON *.* TO %s@'%%'", given["user"])
"""


def prepare(kube):
    """Waits for the server and makes the observer's account with OMS's."""
    kube.run("rollout", "status", f"deployment/{NAME}", "--timeout=300s")
    kube.run("wait", "--for=condition=Ready", f"pod/{EYE}", "--timeout=300s")
    kube.exec(EYE, "python3", "-c", _CREATE_ACCOUNT,
              stdin=json.dumps({"user": manifests.EYE_USER, "password": manifests.EYE_PASSWORD}))
