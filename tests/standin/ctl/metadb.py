"""The MetaDB of a sample installation: seekdb or MariaDB, from the images of tests/cluster, and its accounts."""

import json

from ctl import manifests
from ctl.kube import EYE

NAME = "metadb"
ROOT_PASSWORD = "root's \"own\" # % ß"
PORTS = {"seekdb": 2881, "mariadb": 3306}
ENGINES = PORTS
IMAGES = {"seekdb": "localhost/seekdb:1.4.0", "mariadb": "localhost/mariadb:10.11"}

# The engine's own limits are left alone (ob_query_timeout of 10 s above all): the product must cope with them.
COMMANDS = {
    "seekdb": "TELEMETRY_ENABLED=false exec seekdb --nodaemon --port 2881 --base-dir /data --log-level ERROR"
              " --parameter memory_budget=1G --parameter log_disk_size=2G --parameter datafile_maxsize=10G"
              " --variable time_zone=+00:00",
    "mariadb": "[ -d /data/mysql ] || mariadb-install-db --no-defaults --user=root --datadir=/data"
               " --auth-root-authentication-method=normal --skip-test-db --force >/dev/null;"
               " exec mariadbd --no-defaults --user=root --datadir=/data --port=3306 --socket=/tmp/m.sock"
               " --skip-name-resolve --init-file=/init/init.sql",
}


def address(_engine, namespace):
    """(host, port) under which OMS finds it."""
    return f"{NAME}.{namespace}.svc.cluster.local", PORTS[_engine]


def quote(text):
    """An SQL string."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def statements():
    """Accounts: OMS's own with the rights that the guide gives it, and the observer's."""
    found = []
    for user, password in ((manifests.META_USER, manifests.META_PASSWORD), (manifests.EYE_USER, manifests.EYE_PASSWORD)):
        account = f"{quote(user)}@'%'"
        found += [f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY {quote(password)}",
                  f"GRANT ALL ON *.* TO {account} WITH GRANT OPTION"]
    return found


def objects(engine):
    """Claim, Secret, Service and Deployment."""
    labels = {"app": NAME}
    init = "".join(line + ";\n" for line in statements())
    root = f"SET PASSWORD FOR 'root'@'localhost' = PASSWORD({quote(ROOT_PASSWORD)});\n"
    container = {"name": engine, "image": IMAGES[engine], "imagePullPolicy": "IfNotPresent",
                 "command": ["bash", "-c", COMMANDS[engine]],
                 "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}},
                 "readinessProbe": {"tcpSocket": {"port": PORTS[engine]}, "periodSeconds": 1},
                 "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "init", "mountPath": "/init"}]}
    pod = {"enableServiceLinks": False, "automountServiceAccountToken": False, "containers": [container],
           "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": f"{NAME}-data"}},
                       {"name": "init", "secret": {"secretName": f"{NAME}-init"}}]}
    return [manifests.claim(f"{NAME}-data", "10Gi"), manifests.secret(f"{NAME}-init", {"init.sql": init + root}),
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME},
             "spec": {"selector": labels, "ports": [{"port": PORTS[engine]}]}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME, "labels": labels},
             "spec": {"replicas": 1, "strategy": {"type": "Recreate"}, "selector": {"matchLabels": labels},
                      "template": {"metadata": {"labels": labels}, "spec": pod}}}]


_ROOT_SCRIPT = """
import json, sys, time
import pymysql
given = json.load(sys.stdin)
deadline = time.monotonic() + 60
while True:
    for password in ("", given["password"]):
        try:
            session = pymysql.connect(host=given["host"], port=given["port"], user="root", password=password.encode(),
                                      charset="utf8mb4", autocommit=True)
            cursor = session.cursor()
            for statement in given["statements"]:
                cursor.execute(statement)
            sys.exit(0)
        except pymysql.err.OperationalError as error:
            last = error
    if time.monotonic() > deadline:
        sys.exit(str(last))
    time.sleep(0.3)
"""


def prepare(kube, engine):
    """Waits for the server; seekdb starts with an empty root password, which goes first."""
    kube.run("rollout", "status", f"deployment/{NAME}", "--timeout=180s")
    kube.run("wait", "--for=condition=Ready", f"pod/{EYE}", "--timeout=180s")
    if engine == "seekdb":
        host, port = address(engine, kube.namespace)
        given = {"host": host, "port": port, "password": ROOT_PASSWORD,
                 "statements": [f"ALTER USER root IDENTIFIED BY {quote(ROOT_PASSWORD)}", *statements()]}
        kube.exec(EYE, "python3", "-c", _ROOT_SCRIPT, stdin=json.dumps(given))
