"""The documented upgrade and rollback done by hand on Kubernetes, with zero thinking time.

May touch: the OMS Deployments and the MetaDB of one namespace; dumps lie in the observer's pod.
"""

import json
import math
import time

from ctl import manifests
from ctl.kube import EYE, wait_for

PARAMETER = "/oms/standin/v1/system-parameters/ha.config"
BANNER = "【结束】全部初始化步骤执行成功"
SLACK_MINUTES = 30


class Hand:
    """One installation; what has to be remembered between the steps lies in the observer's pod."""

    def __init__(self, kube):
        self.kube = kube
        self.config = json.loads(kube.exec(EYE, "python3", "-c", "import sys, json, yaml;"
                                           "json.dump(yaml.safe_load(open('/home/admin/conf/config.yaml')), sys.stdout)"))
        self.databases = [self.config[key] for key in ("drc_rm_db", "drc_cm_db", "drc_cm_heartbeat_db")]
        self.deployments = [item["metadata"]["name"] for item in kube.get("deployments", "-l", "app=oms")["items"]]
        self.times = []
        self.login()

    def step(self, text, action, *arguments):
        """Runs one step and prints how long it took."""
        began = time.monotonic()
        value = action(*arguments)
        took = time.monotonic() - began
        self.times.append((text, took))
        print(f"{took:7.1f} s  {text}", flush=True)
        return value

    # HA, through the console

    def call_console(self, method, body=None):
        """The console's system parameter API, reached from the observer's pod."""
        user, password = manifests.CONSOLE["username"], manifests.CONSOLE["password"]
        options = [f'user = "{_escape(user)}:{_escape(password)}"', f'request = "{method}"', "silent", "show-error", "fail",
                   f'url = "http://{self.config["cm_nodes"][0]}:8089{PARAMETER}"']
        if body is not None:
            options.append(f'data = "{_escape(json.dumps(body))}"')
        return json.loads(self.kube.exec(EYE, "curl", "-K", "-", stdin="\n".join(options)))

    def set_ha(self, **keys):
        """Changes keys of ha.config and reads them back from the console's answer."""
        now = self.call_console("GET")["data"]["json"]
        stored = self.call_console("PUT", {"value": {**now, **keys}})["data"]["json"]
        assert stored == {**now, **keys}, stored

    # Deployments

    def scale(self, replicas):
        """All nodes to 0 or 1, and to the end of it."""
        self.kube.run("scale", "--replicas", str(replicas), *[f"deployment/{name}" for name in self.deployments])
        if replicas == 0:
            wait_for("pods gone", lambda: not self.kube.get("pods", "-l", "app=oms")["items"], 120)

    def wait_served(self):
        """Deployments rolled out, hosts ONLINE with fresh heart beats."""
        for name in self.deployments:
            self.kube.run("rollout", "status", f"deployment/{name}", "--timeout=300s")
        wait_for("hosts ONLINE", self._online, 120)

    def _online(self):
        state = self.kube.eye("state")
        return (all(host["host_status"] == "ONLINE" for host in state["hosts"])
                and all(beat["age"] <= 10 for beat in state["heart_beats"]))

    def patch(self, operations):
        """One JSON patch on every Deployment."""
        for name in self.deployments:
            self.kube.run("patch", "deployment", name, "--type=json", "-p", json.dumps(operations))

    def start_for_upgrade(self, image):
        """New image, IS_UPGRADE=true, without the probes that would kill it while it waits for the init."""
        container = "/spec/template/spec/containers/0/"
        self.patch([{"op": "replace", "path": container + "image", "value": image},
                    {"op": "add", "path": container + "env/-", "value": {"name": "IS_UPGRADE", "value": "true"}},
                    {"op": "remove", "path": container + "livenessProbe"},
                    {"op": "remove", "path": container + "startupProbe"}])
        self.scale(1)
        wait_for("programs up", self._programs_up, 300)

    def _programs_up(self):
        pods = self.kube.get("pods", "-l", "app=oms")["items"]
        return len(pods) == len(self.deployments) and all(
            "oms_drc_cm                       RUNNING" in self.kube.exec(pod["metadata"]["name"], "supervisorctl", "status",
                                                                         check=False) for pod in pods)

    def initialise(self):
        """docker_init.sh on the first node."""
        output = self.kube.exec(f"deployment/{self.deployments[0]}", "bash", "/root/docker_init.sh")
        assert output.rstrip().endswith(BANNER), output

    def put_back(self, templates, image):
        """The original pod templates, with this image."""
        for name in self.deployments:
            container = dict(templates[name]["spec"]["containers"][0])
            container["image"] = image or container["image"]
            self.kube.run("patch", "deployment", name, "--type=json", "-p", json.dumps(
                [{"op": "replace", "path": "/spec/template/spec/containers/0", "value": container}]))

    # MetaDB

    def login(self):
        """Leaves the login options in the observer's pod (an option file, not argv)."""
        config = self.config
        options = (f"[client]\nhost={config['oms_meta_host']}\nport={config['oms_meta_port']}\n"
                   f'user="{_escape(config["oms_meta_user"])}"\npassword="{_escape(config["oms_meta_password"])}"\n'
                   "default-character-set=utf8mb4\n")
        self.kube.exec(EYE, "bash", "-c", "umask 077; mkdir -p /backup; cat > /backup/login.cnf", stdin=options)

    def client(self, *lines):
        """Shell lines in the observer's pod, up to the first that fails; {user} stands for the login options."""
        script = "\n".join(["set -e", *lines]).replace("{user}", "--defaults-file=/backup/login.cnf")
        return self.kube.exec(EYE, "bash", "-c", script)

    def sql(self, statement):
        """Rows of one statement."""
        return self.kube.eye("sql", statement)["rows"]

    def trim(self):
        """The guide's trimming, in the two statements that every engine takes."""
        table = f"`{self.databases[2]}`.heatbeat_sequence"
        newest = self.sql(f"SELECT MAX(id) AS id FROM {table}")[0]["id"]
        if newest:
            self.sql(f"DELETE FROM {table} WHERE id < {newest}")

    def dump(self):
        """The three documented dumps; none may be cut off. OceanBase ends a query after 10 s, and with it a dump."""
        limit = 'mariadb {user} -NBe "SHOW GLOBAL VARIABLES LIKE \'ob_query_timeout\'" | cut -f2'
        put_back = '[ -z "$limit" ] || mariadb {user} -e "SET GLOBAL ob_query_timeout = $limit"'
        self.client(f"limit=$({limit})", f"trap '{put_back}' EXIT",
                    '[ -z "$limit" ] || mariadb {user} -e "SET GLOBAL ob_query_timeout = 36000000000"',
                    *[f"mariadb-dump {{user}} --triggers=false {name} > /backup/{name}.sql;"
                      f" tail -n 1 /backup/{name}.sql | grep -q 'Dump completed'" for name in self.databases])

    def restore(self, charsets):
        """drop database, create database as it was, source; three times. Through stdin: `source` goes on after an error."""
        statements = "".join(f"DROP DATABASE {name}; CREATE DATABASE {name} CHARACTER SET {charsets[name]['charset']}"
                             f" COLLATE {charsets[name]['collation']};" for name in self.databases)
        self.client(f'mariadb {{user}} -e "{statements}"',
                    *[f"mariadb {{user}} {name} < /backup/{name}.sql" for name in self.databases])

    # memory

    def remember(self, memory):
        """Keeps what a rollback needs."""
        self.kube.exec(EYE, "bash", "-c", "mkdir -p /backup; cat > /backup/memory.json", stdin=json.dumps(memory))

    def recall(self):
        """What was kept."""
        return json.loads(self.kube.exec(EYE, "cat", "/backup/memory.json"))

    def journal_is_clean(self):
        """No rule was broken."""
        broken = self.kube.eye("journal")["violations"]
        assert not broken, broken

    def wait_replicating(self):
        """Every live link of a RUNNING project is close to now."""
        def replicating():
            state = self.kube.eye("state")
            due = [row for row in state["connectors"] if row["status"] not in ("STOPPED", "SUSPEND")]
            return due and all(row["status"] == "RUNNING" and state["now"] - row["checkpoint_ts"] < 10 for row in due)
        wait_for("replication running", replicating, 120)


def _escape(text):
    """Inside double quotes of curl's and the client's option files."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def upgrade(hand, trim=False):
    """3.3.1-ce → 4.0.0-ce; returns what was remembered."""
    templates = {item["metadata"]["name"]: item["spec"]["template"]
                 for item in hand.kube.get("deployments", "-l", "app=oms")["items"]}
    hand.step("1   HA off in the console", lambda: hand.set_ha(enable=False))
    stopped = time.time()
    hand.step("2a  stop the old containers (T1)", hand.scale, 0)
    before = hand.kube.eye("digest")
    if trim:
        hand.step("2b  trim heatbeat_sequence", hand.trim)
        before = hand.kube.eye("digest")
    hand.step("2c  dump the databases", hand.dump)
    memory = {"templates": templates, "stopped": stopped, "digest": before}
    hand.remember(memory)
    hand.step("4   start the new image with IS_UPGRADE", hand.start_for_upgrade, manifests.IMAGE + manifests.NEW)
    hand.step("6   docker_init.sh", hand.initialise)
    hand.step("    stop", hand.scale, 0)
    hand.step("    normal start", lambda: (hand.put_back(templates, manifests.IMAGE + manifests.NEW), hand.scale(1),
                                           hand.wait_served()))
    hand.step("8   HA on in the console (T2)", lambda: hand.set_ha(enable=True, perceiveStoreClientCheckpoint=True))
    hand.step("    replication runs", hand.wait_replicating)
    after = hand.kube.eye("digest")["tables"]
    for table, was in before["tables"].items():
        if table.endswith(("project", "object", "audit_log", "config_job")):
            assert after[table]["rows"] == was["rows"], table
    assert hand.kube.eye("state")["schema"] == manifests.NEW
    hand.journal_is_clean()
    return memory


def roll_back(hand):
    """4.0.0-ce → 3.3.1-ce from the dumps."""
    memory = hand.recall()
    hand.step("9.1 HA off in the console", lambda: hand.set_ha(enable=False))
    hand.step("9.2 stop the new containers (T3)", hand.scale, 0)
    hand.step("9.3 drop, create, source", hand.restore, memory["digest"]["databases"])
    after = hand.kube.eye("digest")
    assert after["tables"] == memory["digest"]["tables"] and after["databases"] == memory["digest"]["databases"], "content"
    hand.step("9.5 start the old containers", lambda: (hand.put_back(memory["templates"], None), hand.scale(1),
                                                       hand.wait_served()))
    minutes = math.ceil((time.time() - memory["stopped"]) / 60) + SLACK_MINUTES
    hand.step(f"9.6 HA on, pulled back {minutes} min",
              lambda: hand.set_ha(enable=True, perceiveStoreClientCheckpoint=False, refetchStoreIntervalMin=minutes))
    hand.step("    replication runs", hand.wait_replicating)
    assert hand.kube.eye("state")["schema"] == manifests.OLD
    hand.journal_is_clean()
