"""Every rule of the journal is broken by a client that does it wrong, and by nothing else."""

from box import COMMAND, wait_for
from case import DOWN, NEW, OLD, Case


class Rules(Case):
    def test_two_versions_at_once(self):
        self.start_old()
        self.ground.start(NEW, upgrade=True)
        self.wait_rule("TwoVersions")

    def test_start_without_is_upgrade_skips_the_init(self):
        self.stop_for_upgrade(self.start_old())
        container = self.ground.start(NEW)
        wait_for("console gives up", lambda: container.programs().get("oms_console") in DOWN, 30)
        self.assert_rules("SkippedInit")
        self.assertFalse(container.healthy())

    def test_console_started_by_hand_skips_the_init(self):
        self.stop_for_upgrade(self.start_old())
        container = self.start_upgrade()
        self.assert_rules()
        container.exec("supervisorctl", "start", "oms_console")
        self.assert_rules("SkippedInit")

    def test_normal_start_after_failed_init(self):
        self.stop_for_upgrade(self.start_old())
        container = self.start_upgrade()
        self.bad_day("init-fails-half-way")
        self.init(container)
        container.stop()
        self.assert_rules()
        self.ground.start(NEW)
        self.wait_rule("SkippedInit")

    def test_normal_start_after_an_init_that_lied(self):
        self.stop_for_upgrade(self.start_old())
        container = self.start_upgrade()
        self.bad_day("init-fails-half-way")
        self.bad_day("init-exit-lies")
        self.assertEqual(self.init(container).returncode, 0)
        container.stop()
        container = self.ground.start(NEW)
        wait_for("the console gave up", lambda: container.programs().get("oms_console") in DOWN, 30)
        self.assert_rules()
        container.stop()
        # Nor is it an excuse for what came after an init that told the truth.
        self.end_bad_days()
        self.bad_day("init-fails-half-way")
        self.init(self.start_upgrade())
        self.ground.stop_all()
        self.ground.start(NEW)
        self.wait_rule("SkippedInit")

    def test_two_inits_at_once(self):
        self.stop_for_upgrade(self.start_old())
        container = self.start_upgrade()
        self.bad_day("init-slow", "8")
        first = container.exec("bash", "/root/docker_init.sh", wait=False)
        wait_for("first init", lambda: self.events("InitStarted"), 20)
        second = container.exec("bash", "/root/docker_init.sh", wait=False)
        first.communicate(timeout=COMMAND)
        second.communicate(timeout=COMMAND)
        self.assert_rules("DoubleInit")

    def test_second_init_afterwards_is_allowed(self):
        self.stop_for_upgrade(self.start_old())
        container = self.start_upgrade()
        self.init(container)
        self.assertIn("【结束】", self.init(container).stdout)
        self.assert_rules()

    def test_upgrade_start_after_init(self):
        self.upgrade().stop()
        self.assert_rules()
        self.ground.start(NEW, upgrade=True)
        self.wait_rule("UpgradeStartAfterInit")
        self.assert_rules("UpgradeStartAfterInit")

    def test_ha_left_on(self):
        self.start_old().stop()
        self.ground.start(NEW, upgrade=True)
        self.wait_rule("HaWhileDown")
        self.assert_rules("HaWhileDown")

    def test_ha_switched_on_while_stopped(self):
        container = self.start_old()
        self.stop_for_upgrade(container)
        self.ground.sql("UPDATE {rm}.oms_normal_config SET cfg_value = REPLACE(cfg_value, 'false', 'true')"
                        " WHERE cfg_name = 'ha.config'")
        self.ground.start(OLD).wait_healthy()
        self.assert_rules("HaWhileDown")

    def test_restart_with_ha_on_is_allowed(self):
        self.start_old().stop()
        self.start_old()
        self.assert_rules()

    def test_ha_on_while_a_node_is_down(self):
        self.ground.config["cm_nodes"] = ["10.99.0.1", "10.99.0.2"]
        try:
            self.ground.install()
            container = self.ground.start(OLD).wait_healthy()
            self.set_ha(container, enable=False)
            wait_for("off seen", lambda: self.events("HaOff"), 20)
            self.set_ha(container, enable=True)
            self.wait_rule("HaWhileDown")
            self.assert_rules("HaWhileDown")
        finally:
            self.ground.config["cm_nodes"] = ["10.99.0.1"]

    def test_write_after_stop(self):
        self.stop_for_upgrade(self.start_old())
        self.ground.sql("UPDATE {rm}.oms_project SET importance = 'LOW' WHERE id = 'p_reverse01'")
        self.ground.start(NEW, upgrade=True)
        self.wait_rule("WriteAfterStop")
        row = self.journal()["violations"][0]
        self.assertIn("rm.oms_project", row["detail"])
        self.assert_rules("WriteAfterStop")

    def test_dump_taken_before_the_stop(self):
        container = self.start_old()
        self.wait_running()
        self.ground.dump()
        seen = self.state()["connectors"]
        wait_for("a checkpoint that the dump does not hold", lambda: self.state()["connectors"] != seen, 20)
        self.stop_for_upgrade(container)
        self.ground.restore()
        self.ground.start(OLD)
        self.wait_rule("WriteAfterStop")

    def test_restore_after_a_kill_is_not_judged(self):
        """Nobody recorded what a killed container left behind."""
        container = self.start_old()
        self.set_ha(container, enable=False)
        container.kill()
        self.ground.dump()
        container = self.start_upgrade()
        self.init(container)
        container.stop()
        self.ground.restore()
        self.ground.start(OLD).wait_healthy()
        self.assert_rules()

    def test_trimming_and_ha_by_sql_are_no_writes(self):
        self.start_old().stop()
        newest = self.ground.sql("SELECT MAX(id) AS id FROM {hb}.heatbeat_sequence")[0]["id"]
        self.ground.sql(f"DELETE FROM {{hb}}.heatbeat_sequence WHERE id < {newest}")
        self.ground.sql("UPDATE {rm}.oms_normal_config SET cfg_value = REPLACE(cfg_value, '\"enable\": true',"
                        " '\"enable\": false') WHERE cfg_name = 'ha.config'")
        self.start_upgrade()
        self.assert_rules()

    def test_empty_mount(self):
        self.stop_for_upgrade(self.start_old())
        container = self.ground.start(NEW, upgrade=True, mounts={"store": "another"})
        self.assertEqual(container.outer.wait(120), 1)
        self.assert_rules("ChangedMounts")

    def test_exchanged_mounts(self):
        self.stop_for_upgrade(self.start_old())
        container = self.ground.start(OLD, mounts={"store": "run", "run": "store"})
        self.assertEqual(container.outer.wait(120), 1)
        self.assert_rules("ChangedMounts")

    def test_added_variable(self):
        self.stop_for_upgrade(self.start_old())
        self.ground.start(OLD, environment={"JAVA_OPTS": "-Xmx1g"}).wait_healthy()
        self.assert_rules("ChangedEnvironment")

    def test_other_host_ip(self):
        self.stop_for_upgrade(self.start_old())
        container = self.ground.start(OLD, environment={"OMS_HOST_IP": "10.99.0.9"})
        self.assertEqual(container.outer.wait(120), 1)
        self.assert_rules("ChangedEnvironment")

    def test_other_config(self):
        self.stop_for_upgrade(self.start_old())
        self.ground.start(OLD, config={**self.ground.config, "cm_location": 7}).wait_healthy()
        self.assert_rules("ChangedEnvironment")

    def test_old_image_on_new_schema(self):
        self.upgrade().stop()
        container = self.ground.start(OLD)
        wait_for("console gives up", lambda: container.programs().get("oms_console") in DOWN, 30)
        self.assert_rules("OldOnNewSchema")

    def test_short_pull_back_loses_changes(self):
        container = self.upgrade()
        self.set_ha(container, enable=True, refetchStoreIntervalMin=0)
        self.wait_rule("ReplicationGap")
        self.assert_rules("ShortPullBack", "ReplicationGap")

    def test_parameter_of_another_type(self):
        container = self.upgrade()
        self.set_ha(container, enable=True, perceiveStoreClientCheckpoint=True, subtopicStoreNumberThreshold="8",
                    checkHostDownIntervalSec=300)
        self.wait_rule("HaKeyType")
        self.assertIn('subtopicStoreNumberThreshold: "8"', self.journal()["violations"][0]["detail"])
        self.assert_rules("HaKeyType")

    def test_gap_of_a_project_that_lags(self):
        """The pull-back reaches behind the stop, but not behind what the project had applied."""
        container = self.start_old()
        self.bad_day("lagging-project", "p_sync11:7200")
        wait_for("lag", lambda: self.state()["now"] - self.state()["projects"]["p_sync11"]["checkpoints"]["sync"] > 7000, 20)
        self.stop_for_upgrade(container)
        container = self.ground.start(OLD).wait_healthy()
        self.wait_online()
        self.set_ha(container, enable=True)
        self.wait_rule("ReplicationGap")
        self.assert_rules("ReplicationGap")

    def test_ha_on_before_the_first_heart_beat(self):
        """Right after a start the row still says ONLINE; only the heart beat tells the truth."""
        self.stop_for_upgrade(self.start_old())
        self.ground.sql("UPDATE {hb}.heart_beat SET gmt_modified = TIMESTAMPADD(SECOND, -60, gmt_modified)")
        container = self.ground.start(OLD)
        wait_for("running", lambda: container.programs().get("oms_drc_supervisor") == "RUNNING", 30)
        container.exec("supervisorctl", "stop", "oms_drc_supervisor")
        container.wait_healthy()
        self.ground.sql("UPDATE {hb}.heart_beat SET gmt_modified = TIMESTAMPADD(SECOND, -60, gmt_modified)")
        self.assertEqual(self.state()["hosts"][0]["host_status"], "ONLINE")
        self.set_ha(container, enable=True)
        self.wait_rule("HaWhileDown")
