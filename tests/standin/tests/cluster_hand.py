"""The hand script both ways on a real cluster, on both engines. Needs STANDIN_KUBECONFIG and loaded images."""

import json
import os
import subprocess
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
STANDIN = os.path.dirname(HERE)


class ByHand(unittest.TestCase):
    """One namespace per engine, one after the other: OMS occupies the ports of its node."""

    engine = "seekdb"
    nodes = ()

    def setUp(self):
        self.namespace = f"hand-{self.engine}"
        self.kubeconfig = ["--kubeconfig", os.environ["STANDIN_KUBECONFIG"]]
        self.addCleanup(self.ctl, "uninstall", self.namespace)
        nodes = ["--nodes", ",".join(self.nodes)] if self.nodes else []
        self.ctl("install", "--namespace", self.namespace, "--engine", self.engine, "--fast", "--size-mb", "20", *nodes)

    def ctl(self, *arguments, check=True):
        """standinctl; its output."""
        result = subprocess.run([os.path.join(STANDIN, "standinctl"), *self.kubeconfig, *arguments],
                                capture_output=True, text=True)
        if check:
            self.assertEqual(result.returncode, 0, result.stderr + result.stdout)
        return result.stdout

    def manifests(self):
        """What the owner wrote of every OMS Deployment."""
        result = subprocess.run(["kubectl", *self.kubeconfig, "-n", self.namespace, "get", "deployments", "-l", "app=oms",
                                 "-o", "json"], capture_output=True, text=True, check=True)
        return {item["metadata"]["name"]: item["spec"] for item in json.loads(result.stdout)["items"]}

    def test_there_and_back(self):
        before = self.manifests()
        result = subprocess.run([os.path.join(STANDIN, "hand-upgrade"), *self.kubeconfig, self.namespace, "both", "--trim"],
                                capture_output=True, text=True)
        print(f"\n{self.engine}:\n{result.stdout}", flush=True)
        self.assertEqual(result.returncode, 0, result.stderr + result.stdout)
        self.assertEqual(self.manifests(), before)
        journal = json.loads(self.ctl("journal", self.namespace, "--json"))
        self.assertEqual(journal["violations"], [])
        names = [row["name"] for row in journal["events"]]
        self.assertEqual(names.count("InitFinished"), 1)
        self.ctl("bad-day", self.namespace, "sessions-left-open")
        self.ctl("bad-day", self.namespace, "--clear")


class ByHandOnMariadb(ByHand):
    engine = "mariadb"


def load_tests(loader, tests, _):
    """With a second node also the installation of two."""
    found = subprocess.run(["kubectl", "--kubeconfig", os.environ["STANDIN_KUBECONFIG"], "get", "nodes", "-o", "name"],
                           capture_output=True, text=True, check=True).stdout.split()
    if len(found) > 1:
        class ByHandOnTwoNodes(ByHand):
            nodes = tuple(name.partition("/")[2] for name in found[:2])
        tests.addTests(loader.loadTestsFromTestCase(ByHandOnTwoNodes))
    return tests
