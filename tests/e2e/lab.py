"""One cluster with the OMS stand-in and the operator, made as a user would make them, and made anew when a scenario
left it in another state. May touch: the cluster it is given, .cache.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests", name) for name in ("demo", "standin", "docs", "chart")]

import installation  # noqa: E402
from ctl import manifests  # noqa: E402

import predecessor  # noqa: E402
from api import Api, upgrades_path  # noqa: E402
from audit import Audit  # noqa: E402
from processes import poll  # noqa: E402

RELEASE = "oms.oceanbase.com/release=i-accept-the-current-state"
OPERATOR = "system:serviceaccount:oms-operator:oms-operator"
# Where lock and record of the product lie. It stays; the lock does not.
LOCK_DATABASE = "oms_operator_lock"
# Databases of the product itself; none may be left but safety copies of a restore, which are kept on purpose.
OWN_DATABASES = ("__omsrestore_", "__omsverify_", "__omsprobe_")


class Lab(installation.Demo):
    """One cluster with one installation of OMS and one of the operator."""

    def __init__(self, cluster):
        super().__init__(cluster)
        self.api = Api(self.kubectl_base[0], self.kubeconfig)
        self.audit = Audit(cluster)
        self.engine, self.nodes, self.clean, self.operator = None, 1, False, False
        self.verbose = False
        # The operator of another revision (predecessor.Predecessor), where the run has one.
        self.predecessor = None

    # Clients

    def try_kubectl(self, *arguments, stdin=None):
        """(exit status, output and errors) of a kubectl call that may fail."""
        result = subprocess.run([*self.kubectl_base, *arguments], input=stdin, capture_output=True, text=True)
        return result.returncode, result.stdout + result.stderr

    def helm(self, *arguments):
        """helm, with its output in the log."""
        installation.run_logged(os.path.join(installation.BIN, "helm"), "--kubeconfig", self.kubeconfig, *arguments)

    def sql(self, statement):
        """Rows of one statement, by the observer's account."""
        return json.loads(self.standin("sql", self.namespace, statement))["rows"]

    def journal(self):
        """The stand-in's journal."""
        return json.loads(self.standin("journal", self.namespace, "--json", allowed=(0, 1)))

    def bad_day(self, *words):
        """Sets or ends a bad day."""
        self.standin("bad-day", self.namespace, *words)

    @contextmanager
    def dead_kubelet(self):
        """The kubelet of the first node does not run meanwhile; what it has started does. The MetaDB, on the same node here, is
        left reachable, as it is in a cluster in which it runs elsewhere."""
        reach = '{"spec":{"publishNotReadyAddresses":%s}}'
        self.kubectl("patch", "service", "metadb", "--type=merge", "--patch", reach % "true")
        installation.run_logged(installation.CLUSTER, "kill", "--name", self.cluster, "--node", "1", "kubelet")
        try:
            yield
        finally:
            installation.run_logged(installation.CLUSTER, "up", "--name", self.cluster)
            self.kubectl("patch", "service", "metadb", "--type=merge", "--patch", reach % "null")

    def in_eye(self, *command, stdin=None):
        """Output of a command in the observer's pod."""
        interactive = ["-i"] if stdin is not None else []
        return self.kubectl("exec", *interactive, "oms-standin-eye", "--", *command, stdin=stdin)

    def operator_pod(self):
        """The running pod of the operator, None when there is none."""
        pods = self.api.get(f"/api/v1/namespaces/{self.operator_namespace}/pods")["items"]
        for pod in pods:
            statuses = pod["status"].get("containerStatuses", [])
            if not pod["metadata"].get("deletionTimestamp") and statuses and "running" in statuses[0]["state"]:
                return pod
        return None

    def operator_calls(self, since):
        """What the operator called since a mark."""
        return list(self.audit.calls(since, OPERATOR))

    def name_image(self, image, name):
        """Gives an image of the first node a second name."""
        socket = f"/var/lib/testcluster/{self.cluster}/node1/containerd.sock"
        subprocess.run([installation.CLUSTER, "exec", "--name", self.cluster, "--", "ctr", "-a", socket, "-n", "k8s.io", "images",
                        "tag", "--force", image, name], check=True, capture_output=True)

    # Installation

    def prepare(self, engine, nodes, fresh):
        """Old version, HA on, projects running, clean journal, operator waiting. Whether anything had to be made."""
        if not self.operator:
            self.install_operator()
        if self.clean and not fresh and (self.engine, self.nodes) == (engine, nodes) and not self.is_worn():
            return False
        if self.engine is not None and (self.engine, self.nodes) != (engine, nodes):
            self.uninstall()
        names = ["--nodes", ",".join(f"node{number + 1}" for number in range(nodes))] if nodes > 1 else []
        self.install_oms(engine, 4, "--fast", *names)
        self.engine, self.nodes, self.clean = engine, nodes, True
        return True

    def load_standin(self, version):
        """The stand-in's image of another version than the two that every cluster has."""
        installation.run_logged("tests/standin/standinctl", "build", version)
        installation.run_logged(installation.CLUSTER, "load", "--name", self.cluster,
                                *installation.find_archives([f"oms-standin_{version}"]))

    def install_oms(self, engine, size_mb, *options):
        """A fresh installation of the old version; the MetaDB is kept when there is one."""
        self.remove_oms()
        installation.run_logged("tests/standin/standinctl", "--kubeconfig", self.kubeconfig, "install", "-n", self.namespace,
                                "--engine", engine, "--size-mb", str(size_mb), *options)

    def is_worn(self):
        """Whether HA might leave replication down next time: every stop of OMS costs each subtopic one Store, and HA
        makes none where there are `subtopicStoreNumberThreshold` (5) already. A scenario stops OMS up to twice."""
        rows = self.sql("SELECT COUNT(*) AS stores FROM oms_cm.oms_store GROUP BY subtopic")
        return max(int(row["stores"]) for row in rows) > 3

    def install_operator(self):
        """helm upgrade --install; the namespace that it watches must be there before."""
        self.apply(manifests.namespace(self.namespace))
        # Who scales a Deployment owns the number of its replicas, until the chart takes it back.
        installation.install_operator(self, options=["--force-conflicts"] if self.predecessor else [])
        self.operator = True

    def install_predecessor(self):
        """The operator of the other revision with its own chart and definition, as if there had never been another one."""
        self.operator = False
        self.helm("uninstall", "oms-operator", "--namespace", self.operator_namespace, "--wait", "--ignore-not-found")
        self.kubectl("delete", "crd", "omsupgrades.oms.oceanbase.com", "--ignore-not-found", "--timeout=60s")
        installation.install_operator(self, self.predecessor.chart, predecessor.TAG)

    def remove_oms(self):
        """OMS, its upgrades, what they left in the MetaDB, and what its volumes hold; the MetaDB stays."""
        self.remove_upgrades()
        found, _ = self.try_kubectl("get", "namespace", self.namespace)
        if found != 0:
            self.install_operator()
            return
        self.kubectl("delete", "deployments", "-l", "app=oms", "--cascade=foreground", "--wait", "--timeout=120s")
        self.kubectl("delete", "jobs,pods,secrets", "-l", "app.kubernetes.io/managed-by=oms-operator", "--wait")
        poll("pods of OMS gone", lambda: not self.get("pods", "-l", "app=oms")["items"], 60)
        for volume in self.get("pv")["items"]:
            claim = volume["spec"].get("claimRef", {})
            if claim.get("namespace") == self.namespace and claim["name"].startswith("oms"):
                empty(volume["spec"]["hostPath"]["path"])
        if self.try_kubectl("exec", "oms-standin-eye", "--", "true")[0] == 0:
            for row in self.sql("SELECT schema_name AS name FROM information_schema.schemata"):
                if "__oms" in row["name"] or row["name"] == LOCK_DATABASE:
                    self.sql(f"DROP DATABASE `{row['name']}`")

    def remove_upgrades(self):
        """Every OmsUpgrade, finished or not."""
        listed = self.api.get(upgrades_path(self.namespace)) or {"items": []}
        for item in listed["items"]:
            name = item["metadata"]["name"]
            if not item.get("status", {}).get("settled"):
                self.try_kubectl("annotate", "omsup", name, "--overwrite", RELEASE)
            self.kubectl("delete", "omsup", name, "--ignore-not-found", "--timeout=60s")

    def uninstall(self):
        """The namespace with everything in it; the operator's Role goes with it and is made again."""
        self.remove_upgrades()
        self.standin("uninstall", self.namespace)
        self.engine, self.clean = None, False
        self.install_operator()

    def wait_replicating(self, seconds=60):
        """Every live link runs and is close to now."""
        poll("every live link of a project close to now", lambda: installation.replicates(self.state()), seconds)

    def wait_serving(self, seconds=120):
        """OMS is rolled out and replicates."""
        for item in self.get("deployments", "-l", "app=oms")["items"]:
            self.kubectl("rollout", "status", f"deployment/{item['metadata']['name']}", f"--timeout={seconds}s")
        self.wait_replicating()


def empty(directory):
    """Removes what a volume holds, but not the volume."""
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)


def find(cluster):
    """A cluster that runs, with the images that it has."""
    installation.LOG = os.path.join(ROOT, ".cache", "e2e.log")
    return Lab(cluster)


def bring_up(cluster, nodes, engines, build, other=None):
    """Builds what is missing and starts the cluster; the arguments of scripts/build-images.sh come from the caller.
    `other` is the operator of another revision, to be built too."""
    os.makedirs(os.path.join(ROOT, ".cache"), exist_ok=True)
    installation.LOG = os.path.join(ROOT, ".cache", "e2e.log")
    open(installation.LOG, "a", encoding="utf-8").close()
    began = time.monotonic()
    installation.run_logged("tests/standin/standinctl", "build")
    installation.run_logged("scripts/build-images.sh", *build)
    names = [*installation.GROUND_IMAGES, *installation.OPERATOR_IMAGES, *(f"{engine}_*" for engine in engines)]
    if other:
        other.build(build)
        names += predecessor.IMAGES
    archives = sorted(installation.find_archives(names))
    installation.run_logged(installation.CLUSTER, "up", "--name", cluster, "--nodes", str(nodes), *archives)
    print(f"{time.monotonic() - began:6.1f} s  cluster {cluster} with {nodes} node(s) and the images", flush=True)
    return Lab(cluster)
