"""Each probe on facts that make its assumption true, false and unseen."""

import copy
import unittest

from kit import observations, probes
from kit.facts import Facts
from kit.probes import FAILS, HOLDS, UNSEEN

UP = {"up": True, "seconds": 3, "alive": True, "console": 200, "programs": {
    name: "RUNNING" for name in ("nginx", "oms_console", "oms_drc_cm", "oms_drc_supervisor", "sshd")}}
WAITS = {**UP, "up": False, "console": 502, "programs": {**UP["programs"], "oms_console": "STOPPED"}}
ENDED = {"up": False, "seconds": 9, "alive": False, "console": 0, "programs": None}
CHINESE = "【结束】全部初始化步骤执行成功"
HA = '{"enable": false, "refetchStoreIntervalMin": 30}'
INI = "a.ini:startsecs = 10\na.ini:startretries = 0\n"
HOSTS = {"first": {"host": [{"ip": "10.0.0.1", "status": "ONLINE"}], "beats": [{"ip": "10.0.0.1", "age": "1", "at": "12:00:01"}]},
         "second": {"host": [{"ip": "10.0.0.1", "status": "ONLINE"}], "beats": [{"ip": "10.0.0.1", "age": "2", "at": "12:00:21"}]}}
STALE = {**HOSTS, "second": {**HOSTS["second"], "beats": [{"ip": "10.0.0.1", "age": "21", "at": "12:00:01"}]}}
PROJECTS = {"oms_project": {"columns": ["id", "project_status"], "rows": [("p_1", "RUNNING")]},
            "oms_sync_project": {"columns": ["id", "project_status"], "rows": []}}
NO_PROJECTS = {name: {**table, "rows": []} for name, table in PROJECTS.items()}
NO_COLUMN = {**PROJECTS, "oms_project": {"columns": ["id", "status"], "rows": []}}
ODD_STATE = {**PROJECTS, "oms_project": {"columns": ["id", "project_status"], "rows": [("p_1", "DOZING")]}}
HEALTHY = {"status": 200, "body": '{"data": {"healthy": true}}'}
JOBS = {"columns": ["id", "job_name", "key", "value"], "keys": {"sourceFile.dbType": 2, "sourceFile.sourceType": 4}}


def progress(text):
    return {"p_1": {"http": 200, "status": "RUNNING", "checkpoints": {"incrSyncCheckpoint": text}}}


GOOD = {
    "ground.version": "8.0", "ground.databases": {}, "first.fresh": True, "first.settled": WAITS, "first.made": [], "oldinit.settled": UP,
    "oldinit.seconds": 60, "old.databases": {"rm": "oms_rm", "cm": "oms_cm", "hb": "oms_cm_hb"}, "old.hosts": HOSTS, "plain.hosts": HOSTS,
    "old.ha": HA, "plain.ha": HA, "old.programs": UP["programs"], "plain.programs": UP["programs"], "old.ini": INI, "plain.ini": INI,
    "old.projects": PROJECTS, "plain.projects": PROJECTS, "old.connectors": JOBS, "old.progress": progress(1700000000),
    "plain.progress": progress("1700000005"), "run.now": 1700000100.0, "old.versions": ["3.3.1-CE"], "plain.versions": ["4.0.0-CE"],
    "run.old": "reg:5000/oceanbase/oms:feature_3.3.1-ce", "run.new": "oms:feature_4.0.0-ce@sha256:aa", "ha.changed": False, "ha.kept": True,
    "ha.survived": True, "ha.restarted": True, "oldstop.written": [], "newstop.written": [], "oldstop.sessions": [],
    "newstop.sessions": [], "again.settled": UP, "upgrade.settled": WAITS, "upgrade.made": ["rm.oms_label"], "upgrade.rows": [],
    "upgrade.versions": ["3.3.1-CE"], "init.output": f"x\n# {CHINESE}\n", "init.status": 0, "init.completion": CHINESE, "init.inlog": None,
    "init.settled": UP, "repeat.output": CHINESE, "repeat.status": 0, "repeat.seconds": 60, "repeat.completion": CHINESE, "repeat.inlog": None,
    "repeat.settled": UP, "repeat.made": [], "plain.settled": UP, "components.projects": ["p_1"], "components.off": [],
    "components.on": ["p_1"], "back.settled": WAITS, "back.cm": {"status": 503}, "back.made": [], "back.rows": [],
    "old.health": HEALTHY, "plain.health": HEALTHY, "run.account": "root@metadb#obtest",
    "old.sessions": [("root", "oms_rm", "h"), ("root@metadb#obtest", "", "h")], "plain.sessions": [("drc", "oms_cm", "h")]}

# Assumption: changes of GOOD (None takes the fact away) and the verdict.
CASES = (
    ("InitText", {}, HOLDS),
    ("InitText", {"init.completion": None, "init.inlog": "[Completed] All initialization steps are executed"}, HOLDS),
    ("InitText", {"init.completion": False, "init.output": "done"}, FAILS),
    ("InitText", {"init.completion": False, "init.status": 1, "init.settled": WAITS}, UNSEEN),
    ("InitRepeats", {}, HOLDS),
    ("InitRepeats", {"repeat.status": 1, "repeat.completion": False}, FAILS),
    ("InitRepeats", {"repeat.settled": WAITS}, FAILS),
    ("InitRepeats", {"init.completion": False, "repeat.completion": False}, HOLDS),
    ("InitRepeats", {"init.settled": WAITS}, UNSEEN),
    ("PlainStartMayMigrate", {}, HOLDS),
    ("PlainStartMayMigrate", {"upgrade.made": []}, FAILS),
    ("PlainStartMayMigrate", {"upgrade.made": None}, UNSEEN),
    ("PlainStartMayMigrate", {"upgrade.made": [], "upgrade.settled": ENDED}, UNSEEN),
    ("IsUpgrade", {}, HOLDS),
    ("IsUpgrade", {"plain.settled": WAITS}, FAILS),
    ("IsUpgrade", {"plain.settled": ENDED}, FAILS),
    ("IsUpgrade", {"init.settled": WAITS}, UNSEEN),
    ("RestsBeforeInit", {}, HOLDS),
    ("RestsBeforeInit", {"upgrade.settled": ENDED}, FAILS),
    ("RestsBeforeInit", {"upgrade.settled": {**WAITS, "programs": {"oms_drc_cm": "STARTING"}}}, FAILS),
    ("RestsBeforeInit", {"upgrade.settled": None}, UNSEEN),
    ("OldOnNewSchema", {}, HOLDS),
    ("OldOnNewSchema", {"back.settled": UP, "back.rows": ["rm.oms_project"]}, HOLDS),
    ("OldOnNewSchema", {"back.settled": UP}, FAILS),
    ("OldOnNewSchema", {"back.settled": None}, UNSEEN),
    ("HealthPage", {}, HOLDS),
    ("HealthPage", {"old.health": {"status": 404, "body": "<html>"}}, FAILS),
    ("HealthPage", {"plain.health": {"status": 200, "body": '{"data": {"healthy": false}}'}}, FAILS),
    ("HealthPage", {"plain.health": None}, UNSEEN),
    ("Account", {}, HOLDS),
    ("Account", {"old.sessions": [("root", "", "h")]}, HOLDS),
    ("Account", {"plain.sessions": [("drc", "", "h")]}, FAILS),
    ("Account", {"plain.sessions": []}, UNSEEN),
    ("ConsoleCachesHa", {}, HOLDS),
    ("ConsoleCachesHa", {"ha.changed": None, "ha.survived": False}, HOLDS),
    ("ConsoleCachesHa", {"ha.changed": True, "ha.kept": False}, HOLDS),
    ("ConsoleCachesHa", {"ha.changed": True}, FAILS),
    ("ConsoleCachesHa", {"ha.survived": None}, UNSEEN),
    ("HaRow", {}, HOLDS),
    ("HaRow", {"plain.ha": "enable=true"}, FAILS),
    ("HaRow", {"old.ha": '{"enable": "yes"}'}, FAILS),
    ("HaRow", {"old.ha": {"error": "no such table"}}, FAILS),
    ("HaRow", {"plain.ha": None}, UNSEEN),
    ("OnlyHaStarts", {}, HOLDS),
    ("OnlyHaStarts", {"components.off": ["p_1"]}, FAILS),
    ("OnlyHaStarts", {"components.on": []}, UNSEEN),
    ("HostRows", {}, HOLDS),
    ("HostRows", {"plain.hosts": STALE}, FAILS),
    ("HostRows", {"old.hosts": {"error": "Table 'oms_cm.host' doesn't exist"}}, FAILS),
    ("HostRows", {"plain.hosts": None}, UNSEEN),
    ("Programs", {}, HOLDS),
    ("Programs", {"plain.programs": {"nginx": "RUNNING"}}, FAILS),
    ("Programs", {"old.ini": "startretries = 3"}, FAILS),
    ("Programs", {"old.ini": ""}, FAILS),
    ("Programs", {"old.programs": None}, UNSEEN),
    ("Mounts", {}, HOLDS),
    ("Mounts", {"again.settled": WAITS}, FAILS),
    ("Mounts", {"oldinit.settled": WAITS, "again.settled": WAITS}, UNSEEN),
    ("ConfigFile", {}, HOLDS),
    ("ConfigFile", {"old.databases": {"rm": "oms_rm"}}, FAILS),
    ("ConfigFile", {"old.hosts": {"error": "x"}}, FAILS),
    ("ConfigFile", {"old.databases": None}, UNSEEN),
    ("ProjectStates", {}, HOLDS),
    ("ProjectStates", {"plain.projects": ODD_STATE}, FAILS),
    ("ProjectStates", {"old.projects": NO_COLUMN}, FAILS),
    ("ProjectStates", {"old.projects": NO_PROJECTS, "plain.projects": NO_PROJECTS}, UNSEEN),
    ("Checkpoint", {}, HOLDS),
    ("Checkpoint", {"plain.progress": progress("1700000005000")}, FAILS),
    ("Checkpoint", {"old.progress": progress("2023-11-14 22:13:20")}, FAILS),
    ("Checkpoint", {"old.progress": {}, "plain.progress": {}}, UNSEEN),
    ("DbType", {}, HOLDS),
    ("DbType", {"old.connectors": {"columns": [], "keys": {}}}, FAILS),
    ("DbType", {"old.connectors": {**JOBS, "keys": {"sourceFile.type": 1}}}, FAILS),
    ("DbType", {"old.connectors": {**JOBS, "keys": {}}}, UNSEEN),
    ("SilentWhenStopped", {}, HOLDS),
    ("SilentWhenStopped", {"newstop.written": ["hb.heart_beat"]}, FAILS),
    ("SilentWhenStopped", {"newstop.written": None}, UNSEEN),
    ("TagsTellVersions", {}, HOLDS),
    ("TagsTellVersions", {"run.new": "oms:latest"}, FAILS),
    ("TagsTellVersions", {"run.old": "oms:feature_3.2.2-ce"}, FAILS),
    ("TagsTellVersions", {"old.versions": "no such table"}, UNSEEN),
)


def make_facts(changes):
    """GOOD with changes; None takes a fact away, unless a probe tells None from missing."""
    facts = Facts()
    for name, value in copy.deepcopy({**GOOD, **changes}).items():
        if value is not None or name in ("ha.changed", "init.inlog", "repeat.inlog", "init.completion"):
            facts.put(name, value)
    return facts


class Verdicts(unittest.TestCase):
    def test_each_case(self):
        for name, changes, verdict in CASES:
            with self.subTest(name, changes=changes):
                found = probes.judge(make_facts(changes))[name]
                self.assertEqual(found["verdict"], verdict, found["evidence"])
                self.assertNotIn("did not understand", found["evidence"])

    def test_each_probe_can_say_each(self):
        for name in probes.PROBES:
            self.assertEqual({verdict for one, _, verdict in CASES if one == name}, {HOLDS, FAILS, UNSEEN}, name)

    def test_where_nothing_was_seen_nothing_is_said(self):
        facts = Facts()
        facts.fail("init", "no OMS runs")
        found = probes.judge(facts)
        self.assertEqual({one["verdict"] for one in found.values()}, {UNSEEN})
        self.assertIn("no OMS runs", found["InitText"]["evidence"])
        self.assertEqual({one["verdict"] for one in observations.compare(facts).values()}, {observations.UNSEEN})

    def test_a_shape_that_nobody_thought_of_ends_one_probe_only(self):
        found = probes.judge(make_facts({"old.hosts": 7}))
        self.assertIn("did not understand", found["HostRows"]["evidence"])
        self.assertEqual((found["HostRows"]["verdict"], found["InitText"]["verdict"]), (UNSEEN, HOLDS))


class Beside(unittest.TestCase):
    """Observations see where OMS is not as the stand-in."""

    CASES = {"console_before_init": {"upgrade.settled": UP}, "others_before_init": {"upgrade.settled": ENDED},
             "rows_before_init": {"upgrade.rows": ["rm.oms_user"]}, "init_status": {"init.status": 3},
             "init_headings": {"init.output": "[Step 1] [Step 2]"}, "init_log": {"init.logs": ["docker_init.log"]},
             "init_starts_console": {"init.settled": WAITS}, "ha_after_init": {"init.ha": '{"enable": true}', "again.haoff": True},
             "stops": {"oldstop.status": 137, "oldstop.seconds": 30, "newstop.status": 0, "newstop.seconds": 3},
             "status_after_stop": {"oldstop.hosts": {"host": [{"ip": "10.0.0.1", "status": "OFFLINE"}], "beats": []}},
             "ports": {"old.ports": [8089], "plain.ports": [8089]},
             "first_start": {"first.made": ["rm"]}, "old_on_new": {"back.settled": UP, "back.cm": {"status": 200}},
             "old_on_new_writes": {"back.made": ["rm.oms_project"], "back.rows": []}, "version_row": {"upgrade.versions": ["4.0.0-CE"]}}

    def test_each_can_say_otherwise(self):
        measured = {"init_takes", "starts_take", "supervisor_files"}
        self.assertEqual(self.CASES.keys() | measured, {look.__name__ for look in observations.OBSERVATIONS})
        for name, changes in self.CASES.items():
            with self.subTest(name):
                found = observations.compare(make_facts(changes))[name]
                self.assertEqual(found["verdict"], observations.OTHER, found["evidence"])
