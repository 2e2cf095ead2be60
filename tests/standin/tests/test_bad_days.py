"""Every bad day is seen to do what it says, and breaks no rule by itself."""

import json
import time

from box import COMMAND, EYE, wait_for
from case import DOWN, HA, NEW, OLD, Case

BANNER = "【结束】全部初始化步骤执行成功"
STEPS = ("【步骤一】", "【步骤二】", "【步骤三】", "【步骤四】", "【步骤五】")
ENGLISH = "# [Completed] All initialization steps are executed."


class InitDays(Case):
    """Bad days of docker_init.sh, each on an upgrade start."""

    def setUp(self):
        super().setUp()
        self.stop_for_upgrade(self.start_old())
        self.container = self.start_upgrade()

    def test_fails_half_way(self):
        self.bad_day("init-fails-half-way")
        result = self.init(self.container)
        self.assertEqual(result.returncode, 1)
        self.assertIn("[Failed]", result.stdout)
        self.assertNotIn(BANNER, result.stdout)
        markers = self.state()["markers"]
        self.assertEqual((markers["rm"], markers["cm"], markers["hb"]), (NEW, OLD, OLD))
        self.assertEqual(self.container.programs()["oms_console"], "STOPPED")
        self.end_bad_days()
        self.assertIn(BANNER, self.init(self.container).stdout)
        self.assertEqual(self.state()["schema"], NEW)
        self.assert_rules()

    def test_exit_status_lies(self):
        self.bad_day("init-fails-half-way")
        self.bad_day("init-exit-lies")
        result = self.init(self.container)
        self.assertEqual(result.returncode, 0)
        self.assertNotIn(BANNER, result.stdout)
        log = self.container.exec("bash", "-c", "cat /home/admin/logs/docker_init.log.*")
        self.assertEqual(log.stdout, result.stdout)

    def test_text_is_english(self):
        self.bad_day("init-text", "english")
        result = self.init(self.container)
        self.assertEqual((result.returncode, result.stdout.rstrip().rpartition("\n")[2]), (0, ENGLISH))
        self.assertNotIn(BANNER, result.stdout)
        for step in STEPS:
            self.assertNotIn(step, result.stdout)
        self.assertIn("[Step 5]", result.stdout)
        self.assert_rules()

    def test_text_is_another_one(self):
        self.bad_day("init-text", "initialised to the end")
        result = self.init(self.container)
        self.assertEqual((result.returncode, result.stdout.rstrip().rpartition("\n")[2]), (0, "initialised to the end"))
        self.assertEqual([step for step in STEPS if step not in result.stdout], [])
        self.assertNotIn(BANNER, result.stdout)

    def test_python2(self):
        """Chinese text to an output that counts as ASCII ends the script at its first heading, and says so in its log."""
        self.bad_day("init-python2")
        result = self.init(self.container)
        self.assertEqual(result.returncode, 1)
        self.assertIn("UnicodeEncodeError: 'ascii' codec can't encode", result.stdout)
        self.assertEqual(self.state()["schema"], OLD)
        told = self.container.exec("env", "PYTHONIOENCODING=utf-8", "bash", "/root/docker_init.sh")
        self.assertIn(BANNER, told.stdout)
        self.assertEqual(self.state()["schema"], NEW)
        self.assert_rules()

    def test_text_is_missing(self):
        self.bad_day("init-text", "none")
        result = self.init(self.container)
        self.assertEqual(result.returncode, 0)
        self.assertNotIn(BANNER, result.stdout)
        self.assertNotIn(ENGLISH, result.stdout)
        self.assertIn(STEPS[-1], result.stdout)
        self.assertEqual(self.state()["schema"], NEW)
        self.assert_rules()

    def test_does_not_repeat(self):
        self.bad_day("init-not-repeatable")
        self.assertEqual(self.init(self.container).returncode, 0)
        result = self.init(self.container)
        self.assertEqual(result.returncode, 1)
        self.assertIn("initialised already", result.stdout)
        self.assertNotIn(BANNER, result.stdout)
        self.assert_rules()

    def test_hangs(self):
        self.bad_day("init-hangs")
        process = self.container.exec("bash", "/root/docker_init.sh", wait=False)
        wait_for("first database", lambda: self.state()["markers"]["rm"] == NEW, 30)
        time.sleep(3)  # shown is that nothing goes on
        self.assertIsNone(process.poll())
        self.assertEqual(self.state()["markers"]["cm"], OLD)
        self.end_bad_days()
        self.assertIn(BANNER, process.communicate(timeout=COMMAND)[0])

    def test_slow(self):
        self.bad_day("init-slow", "8")
        begin = time.monotonic()
        self.assertIn(BANNER, self.init(self.container).stdout)
        self.assertGreaterEqual(time.monotonic() - begin, 8)

    def test_kills_container(self):
        self.bad_day("init-kills-container")
        self.container.exec("bash", "/root/docker_init.sh")
        self.assertEqual(self.container.outer.wait(120), 137)
        self.assertEqual(self.state()["schema"], "mixed")
        self.container = self.start_upgrade()
        self.assertIn(BANNER, self.init(self.container).stdout)
        self.assert_rules()


class NewVersionDays(Case):
    """Bad days of 4.0.0's normal start."""

    def setUp(self):
        super().setUp()
        self.upgrade().stop()

    def test_console_never_up(self):
        self.bad_day("console-never-up")
        container = self.ground.start(NEW)
        wait_for("FATAL", lambda: container.programs().get("oms_console") in DOWN, 30)
        container.stop()
        self.bad_day("console-never-up", "hang")
        container = self.ground.start(NEW)
        wait_for("RUNNING", lambda: container.programs().get("oms_console") == "RUNNING", 30)
        self.assertEqual(container.http("/oms/health")[0], 502)
        self.assert_rules()

    def test_crash_loop(self):
        self.bad_day("crash-loop", "after-init")
        self.assertEqual(self.ground.start(NEW).outer.wait(120), 1)
        self.ground.start(NEW, upgrade=True)
        wait_for("start", lambda: "IS_UPGRADE=true" in self.events("Start")[-1:], 30)
        self.ground.stop_all()
        self.bad_day("crash-loop")
        self.assertEqual(self.ground.start(NEW, upgrade=True).outer.wait(120), 1)

    def test_needs_second_init(self):
        self.bad_day("needs-second-init")
        container = self.ground.start(NEW)
        wait_for("nginx", lambda: container.programs().get("nginx") == "RUNNING", 30)
        self.assertEqual({container.programs()[name] for name in ("oms_console", "oms_drc_cm", "oms_drc_supervisor")},
                         {"STOPPED"})
        self.assertIn(BANNER, self.init(container).stdout)
        container.wait_healthy()
        container.stop()
        self.ground.start(NEW).wait_healthy()
        self.assert_rules()


class RunningDays(Case):
    """Bad days of a running 3.3.1."""

    def test_ha_api(self):
        container = self.start_old()
        before = container.http(HA)[1]["data"]["json"]
        self.bad_day("ha-api-lies")
        status, body = container.http(HA, "PUT", {"value": {**before, "enable": False}})
        self.assertEqual((status, body["success"]), (200, True))
        self.assertTrue(self.state()["ha"]["enabled"])
        self.end_bad_days()
        self.bad_day("ha-api-errors")
        status, body = container.http(HA, "PUT", {"value": {**before, "enable": False}})
        self.assertEqual((status, body["success"]), (500, False))
        self.assertTrue(self.state()["ha"]["enabled"])
        self.end_bad_days()
        self.assertEqual(container.http(HA, "PUT", {"value": {"enable": "no"}})[0], 400)
        self.assertEqual(container.http(HA, "PUT", {"value": before}, user=False)[0], 401)
        self.set_ha(container, enable=False)
        self.assertEqual(json.loads(self.state()["ha"]["text"]), {**before, "enable": False})
        self.assert_rules()

    def test_cache_is_written_back(self):
        container = self.start_old()
        self.bad_day("ha-cached-write-back-on-stop")
        self.ground.sql("UPDATE {rm}.oms_normal_config SET cfg_value = '{\"enable\": false}' WHERE cfg_name = 'ha.config'")
        self.assertTrue(container.http(HA)[1]["data"]["json"]["enable"], "the console works from its cache")
        container.exec("supervisorctl", "restart", "oms_console")
        self.assertTrue(self.state()["ha"]["enabled"])
        self.end_bad_days()
        self.ground.sql("UPDATE {rm}.oms_normal_config SET cfg_value = '{\"enable\": false}' WHERE cfg_name = 'ha.config'")
        container.exec("supervisorctl", "restart", "oms_console")
        container.wait_healthy()
        self.assertFalse(container.http(HA)[1]["data"]["json"]["enable"], "a restart reads the row")
        self.assert_rules()

    def test_nothing_is_cached(self):
        container = self.start_old()
        self.bad_day("ha-not-cached")
        self.ground.sql("UPDATE {rm}.oms_normal_config SET cfg_value = '{\"enable\": false}' WHERE cfg_name = 'ha.config'")
        self.assertFalse(container.http(HA)[1]["data"]["json"]["enable"])
        self.assert_rules()

    def test_slow_start(self):
        self.bad_day("slow-start", "5")
        begin = time.monotonic()
        container = self.ground.start(OLD)
        container.wait_healthy()
        self.assertGreaterEqual(time.monotonic() - begin, 5)

    def test_lagging_project(self):
        self.start_old()
        self.bad_day("lagging-project", "p_sync11:1000")
        wait_for("lag", lambda: self.state()["now"] - self.checkpoint("p_sync11", "sync") >= 1000, 20)
        self.assertLess(self.state()["now"] - self.checkpoint("p_sync12", "sync"), 10)
        self.end_bad_days()
        wait_for("caught up", lambda: self.state()["now"] - self.checkpoint("p_sync11", "sync") < 10, 30)
        self.assert_rules()

    def test_stopped_project(self):
        self.start_old()
        self.bad_day("stopped-project", "p_sync11")
        wait_for("abnormal", lambda: {row["status"] for row in self.state()["connectors"]
                                      if row["project_id"] == "p_sync11"} == {"ABNORMAL"}, 20)
        stood = self.checkpoint("p_sync11", "sync")
        other = self.checkpoint("p_sync12", "sync")
        wait_for("others go on", lambda: self.checkpoint("p_sync12", "sync") > other + 2, 20)
        self.assertEqual(self.checkpoint("p_sync11", "sync"), stood)
        self.end_bad_days()
        self.wait_running()
        self.assert_rules()

    def test_sessions_left_open(self):
        self.start_old().stop()
        self.assertEqual(self.sessions(), 0)
        self.bad_day("sessions-left-open")
        holder = self.ground.observer.exec("python3", EYE, "hold-sessions", wait=False)
        wait_for("two sessions", lambda: self.sessions() == 2, 20)
        self.end_bad_days()
        holder.wait(80)
        wait_for("no session", lambda: self.sessions() == 0, 20)

    def checkpoint(self, project, link):
        return self.state()["projects"][project]["checkpoints"][link]

    def sessions(self):
        """Idle sessions of OMS's account on its databases."""
        rows = self.ground.sql("SELECT db AS db FROM information_schema.processlist WHERE db LIKE 'oms_rm'"
                               " OR db LIKE 'oms_cm'")
        return len(rows)
