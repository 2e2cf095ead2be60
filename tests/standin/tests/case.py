"""What the tests without a cluster share: one ground per class, a fresh installation per test."""

import os
import unittest

import images
from box import Ground, wait_for

OLD, NEW = "3.3.1-ce", "4.0.0-ce"
DOWN = ("FATAL", "EXITED")  # EXITED where a slow machine took the attempt for a start
HA = "/oms/standin/v1/system-parameters/ha.config"


class Case(unittest.TestCase):
    """A test on one engine; STANDIN_ENGINE chooses for those that run on one only."""

    engine = os.environ.get("STANDIN_ENGINE", "mariadb")

    @classmethod
    def setUpClass(cls):
        metadb = {"seekdb": "seekdb_1.4.0", "mariadb": "mariadb_10.11"}[cls.engine]
        cls.ground = Ground(cls.engine, images.unpack(metadb),
                            {version: images.unpack("oms-standin_" + version) for version in (OLD, NEW)})

    @classmethod
    def tearDownClass(cls):
        cls.ground.close()

    def setUp(self):
        self.ground.install()

    def bad_day(self, name, value="on"):
        self.ground.eye("bad-day", name, value)

    def end_bad_days(self):
        self.ground.eye("bad-day", "--clear")

    def state(self):
        return self.ground.eye("state")

    def journal(self):
        return self.ground.eye("journal")

    def events(self, name):
        """Details of the events of one name."""
        return [row["detail"] for row in self.journal()["events"] if row["name"] == name]

    def set_ha(self, container, **keys):
        """Changes keys of ha.config through the console, as a person would."""
        status, body = container.http(HA)
        self.assertEqual(status, 200, body)
        status, body = container.http(HA, "PUT", {"value": {**body["data"]["json"], **keys}})
        self.assertEqual((status, body["success"]), (200, True), body)

    def start_old(self, **options):
        """3.3.1 up, with its components running."""
        container = self.ground.start(OLD, **options).wait_healthy()
        self.wait_running()
        return container

    def wait_running(self):
        """Every project that is RUNNING has all its live connectors RUNNING and caught up."""
        def running():
            state = self.state()
            due = [row for row in state["connectors"] if row["status"] not in ("STOPPED", "SUSPEND")]
            return (all(row["status"] == "RUNNING" and state["now"] - row["checkpoint_ts"] < 5 for row in due)
                    and all(host["host_status"] == "ONLINE" for host in state["hosts"]))
        wait_for("running components", running, 60)

    def stop_for_upgrade(self, container):
        """The guide's steps 1 and 2: HA off, stop."""
        self.set_ha(container, enable=False)
        self.assertEqual(container.stop(), 0)

    def start_upgrade(self):
        """The guide's step 4: new image, IS_UPGRADE."""
        container = self.ground.start(NEW, upgrade=True)
        wait_for("programs", lambda: container.alive() and container.programs().get("oms_drc_cm") == "RUNNING", 60)
        return container

    def upgrade(self):
        """Old running → new running normally, HA still off."""
        self.stop_for_upgrade(self.start_old())
        container = self.start_upgrade()
        result = self.init(container)
        self.assertIn("【结束】全部初始化步骤执行成功", result.stdout)
        container.stop()
        container = self.ground.start(NEW).wait_healthy()
        self.wait_online()
        return container

    def init(self, container):
        """docker_init.sh to its end."""
        return container.exec("bash", "/root/docker_init.sh")

    def wait_online(self):
        """The guide's step 7: all hosts ONLINE, with fresh heart beats."""
        def online():
            state = self.state()
            return (all(host["host_status"] == "ONLINE" for host in state["hosts"])
                    and all(beat["age"] <= 10 for beat in state["heart_beats"]))
        wait_for("hosts online", online, 60)

    def assert_rules(self, *expected):
        """The journal holds these rules and no others."""
        rows = self.journal()["violations"]
        self.assertEqual({row["rule"] for row in rows}, set(expected), rows)

    def wait_rule(self, rule):
        """A rule that is judged all the time turns up."""
        wait_for(rule, lambda: rule in self.ground.violations(), 20)
