"""The documented procedure, there and back: a clean journal, no gap, the content that must be there."""

import os

import images
from box import wait_for
from case import NEW, OLD, Case


CERTIFICATES = os.path.join(images.ROOT, "tests", "oms_http", "certificates")


class Console(Case):
    def test_with_certificates_it_speaks_https_only(self):
        files = [os.path.join(CERTIFICATES, name) for name in ("own.pem", "server.key")]
        old = self.ground.start(OLD, certificates=files).wait_healthy()
        self.assertEqual(old.http("/oms/health", scheme="http", port=8089)[0], 400)
        self.set_ha(old, enable=False)
        self.assertFalse(self.state()["ha"]["enabled"])
        self.assert_rules()

    def test_on_another_port(self):
        old = self.ground.start(OLD, environment={"STANDIN_CONSOLE_PORT": "18089"}).wait_healthy()
        self.assertEqual(old.http("/oms/health", port=8089)[0], 0)
        self.assert_rules()


class Procedure(Case):
    def test_there_and_back(self):
        old = self.start_old()
        self.set_ha(old, enable=False)
        old.stop()
        before = self.ground.eye("digest")
        self.ground.dump()
        new = self.start_upgrade()
        self.assertEqual(new.programs()["oms_console"], "STOPPED")
        self.assertEqual(self.ground.eye("digest"), before, "before the init the new version writes nothing")
        self.assertEqual(self.init(new).returncode, 0)
        new.wait_healthy()
        new.stop()
        migrated = self.ground.eye("digest")["tables"]
        self.assertEqual(migrated["oms_rm.oms_audit_log"], before["tables"]["oms_rm.oms_audit_log"])
        self.assertEqual(migrated["oms_rm.oms_project"]["rows"], before["tables"]["oms_rm.oms_project"]["rows"])
        self.assertIn("project_source", migrated["oms_rm.oms_project"]["columns"])
        new = self.ground.start(NEW).wait_healthy()
        self.wait_online()
        self.assertIn("ABNORMAL", {row["status"] for row in self.state()["connectors"]}, "HA is off")
        self.set_ha(new, enable=True, perceiveStoreClientCheckpoint=True)
        self.wait_running()
        self.assert_rules()
        # and back, on request
        self.set_ha(new, enable=False)
        new.stop()
        self.ground.restore()
        self.assertEqual(self.ground.eye("digest")["tables"], before["tables"])
        old = self.ground.start(OLD).wait_healthy()
        self.wait_online()
        self.set_ha(old, enable=True, perceiveStoreClientCheckpoint=False, refetchStoreIntervalMin=90)
        self.wait_running()
        self.assert_rules()
        self.assertEqual(self.state()["schema"], OLD)

    def test_back_without_restore_when_nothing_was_changed(self):
        self.stop_for_upgrade(self.start_old())
        self.start_upgrade().stop()
        old = self.ground.start(OLD).wait_healthy()
        self.wait_online()
        self.set_ha(old, enable=True)
        self.wait_running()
        self.assert_rules()

    def test_by_hand_without_ha(self):
        """With HA off a person restarts Stores and Connectors through the CM."""
        container = self.upgrade()
        state = self.state()
        for store in state["stores"]:
            if store["status"] == "ABNORMAL" and store["created_by"] == "HA":
                self.assertEqual(container.http(f"/crawler/restore?crawler={store['name']}", "POST", port=8088)[0], 200)
        for row in state["connectors"]:
            if row["status"] == "ABNORMAL":
                path = ("/applier/start?applierName=" if row["kind"] == "JDBCWRITER"
                        else "/connector/task/startByName?taskName=")
                self.assertEqual(container.http(path + row["name"], "POST", port=8088)[0], 200)
        self.wait_running()
        self.assert_rules()


class ProcedureOnSeekdb(Procedure):
    engine = "seekdb"


class TwoNodes(Case):
    """Two nodes of one region; init runs once, HA goes on when both are ONLINE."""

    def test_there(self):
        self.ground.add_node("10.99.0.2")
        self.ground.install()
        olds = [self.ground.start(OLD, address=address) for address in self.ground.addresses]
        for container in olds:
            container.wait_healthy()
        self.wait_running()
        self.set_ha(olds[0], enable=False)
        wait_for("the other console hears of it", lambda: not olds[1].http(
            "/oms/standin/v1/system-parameters/ha.config")[1]["data"]["json"]["enable"], 10)
        for container in olds:
            container.stop()
        news = [self.ground.start(NEW, upgrade=True, address=address) for address in self.ground.addresses]
        for container in news:
            wait_for("programs", lambda: container.programs().get("oms_drc_cm") == "RUNNING", 60)
        self.assertEqual(self.init(news[0]).returncode, 0)
        news[0].wait_healthy()
        self.assertEqual(news[1].programs()["oms_console"], "STOPPED")
        for container in news:
            container.stop()
        news = [self.ground.start(NEW, address=address) for address in self.ground.addresses]
        for container in news:
            container.wait_healthy()
        self.wait_online()
        self.set_ha(news[1], enable=True, perceiveStoreClientCheckpoint=True)
        self.wait_running()
        self.assert_rules()
