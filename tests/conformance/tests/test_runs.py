"""Whole runs over the stand-in: as it is, on bad days that make assumptions false, and from empty databases."""

import json
import os
import tempfile
import unittest

from kit import main
from kit.probes import FAILS, HOLDS, UNSEEN

CONSOLE = "konsole \"pass' # %41 ä"
PARAMETER = "/oms/standin/v1/system-parameters/ha.config"
ALL_HOLD = {name: HOLDS for name in (
    "InitText", "InitRepeats", "IsUpgrade", "ConsoleCachesHa", "HaRow", "OnlyHaStarts", "HostRows", "Programs", "Mounts", "ConfigFile",
    "ProjectStates", "Checkpoint", "DbType", "SilentWhenStopped", "TagsTellVersions", "RestsBeforeInit", "OldOnNewSchema", "HealthPage", "Account")}


class Run(unittest.TestCase):
    """One run, of which each test looks at a part."""

    engine, options = "mariadb", ()
    expected = {}

    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as password:
            password.write(CONSOLE + "\n")
            password.flush()
            account = ["--console-user", "admin", "--console-password-file", password.name, "--ha-path", PARAMETER]
            given = main.parse(["--runtime", "box", "--quick", "--metadb", cls.engine, "--old", "oms-standin_3.3.1-ce", "--new",
                                "oms-standin_4.0.0-ce", *account, *cls.options])
        cls.found = main.run(given, cls.prepare, cls.at_stage)
        print(main.report.table(cls.found), flush=True)

    @classmethod
    def prepare(cls, rig, db):
        """The stand-in's sample installation, with HA on."""
        rig.ground.install()

    @classmethod
    def at_stage(cls, journey, stage):
        """What happens on this day."""

    def verdicts(self):
        return {name: one["verdict"] for name, one in self.found["assumptions"].items()}

    def seen_otherwise(self):
        return {name for name, one in self.found["observations"].items() if one["verdict"] == "otherwise"}


class AsExpected(Run):
    options = ("--existing",)

    def test_verdicts(self):
        # The stand-in changes nothing before docker_init.sh; what the operator does about it costs nothing where it is so.
        self.assertEqual(self.verdicts(), {**ALL_HOLD, "PlainStartMayMigrate": FAILS, "TimeZones": UNSEEN, "StoreLimits": UNSEEN, "Lag": UNSEEN, "RollbackPullBack": UNSEEN})

    def test_it_is_as_the_stand_in_says_of_itself(self):
        self.assertEqual(self.seen_otherwise(), set())
        self.assertEqual([name for name, one in self.found["observations"].items() if one["verdict"] == "not seen"], ["first_start"])

    def test_it_says_what_it_looked_at(self):
        self.assertEqual(self.found["schema"], "oms-operator/conformance/v1")
        self.assertRegex(self.found["images"]["old"]["digest"], "^[0-9a-f:sha]{64,71}$")
        self.assertIn("MariaDB", self.found["metadb"]["version"])
        self.assertEqual([name for name, stage in self.found["stages"].items() if "ended_early" in stage], ["oldinit"])

    def test_no_secret_and_no_address(self):
        text = json.dumps(self.found, ensure_ascii=False)
        for word in (CONSOLE, "konsole", "o'b", "pä$$", "10.99.0.1"):
            self.assertNotIn(word, text)


class BadDays(Run):
    """A kit that can only say yes proves nothing."""

    options = ("--existing",)

    @classmethod
    def prepare(cls, rig, db):
        rig.ground.install()
        db.run("UPDATE {rm}.oms_sync_project SET project_status = 'DOZING' WHERE id = 'p_sync13'")
        for name, value in (("ha-not-cached", "on"), ("init-text", "none"), ("init-not-repeatable", "on")):
            rig.ground.eye("bad-day", name, value)

    @classmethod
    def at_stage(cls, journey, stage):
        db = journey.db
        if stage == "quiet":
            db.run("UPDATE {rm}.oms_audit_log SET actor = CONCAT(actor, 'x') LIMIT 1")
        if stage == "plain":
            journey.rig.ground.eye("bad-day", "needs-second-init", "on")
            db.write_ha("enable: true, key: " + journey.config["oms_meta_password"])

    def test_verdicts(self):
        found = self.verdicts()
        wrong = ("InitText", "InitRepeats", "IsUpgrade", "ConsoleCachesHa", "HaRow", "HostRows", "ProjectStates", "SilentWhenStopped")
        self.assertEqual({name: found[name] for name in wrong}, dict.fromkeys(wrong, FAILS))
        right = ("Programs", "Mounts", "ConfigFile", "DbType")
        self.assertEqual({name: found[name] for name in right}, dict.fromkeys(right, HOLDS))

    def test_evidence_names_it(self):
        for name, words in (("InitText", "neither text"), ("InitRepeats", "initialised already"), ("IsUpgrade", "oms_console STOPPED"),
                            ("ConsoleCachesHa", "shows it"), ("ProjectStates", "DOZING"), ("SilentWhenStopped", "oms_audit_log")):
            self.assertIn(words, self.found["assumptions"][name]["evidence"], name)

    def test_what_could_not_be_seen_is_no_verdict(self):
        self.assertEqual(self.verdicts()["OnlyHaStarts"], UNSEEN)

    def test_no_secret_of_what_OMS_holds(self):
        self.assertIn("***", self.found["assumptions"]["HaRow"]["evidence"])
        self.assertNotIn("pä$$", json.dumps(self.found, ensure_ascii=False))


class FromNothing(Run):
    """As with an image that was just downloaded: empty databases, no projects; on OceanBase's engine."""

    engine = "seekdb"

    @classmethod
    def prepare(cls, rig, db):
        """Nothing is there."""

    def test_verdicts(self):
        unseen = ("ConsoleCachesHa", "OnlyHaStarts", "ProjectStates", "Checkpoint", "DbType", "TimeZones", "StoreLimits", "Lag", "RollbackPullBack")
        self.assertEqual(self.verdicts(), {**ALL_HOLD, **dict.fromkeys(unseen, UNSEEN), "PlainStartMayMigrate": FAILS, "HaRow": FAILS})

    def test_what_is_not_seen_says_why(self):
        for name, words in (("ProjectStates", "--pause"), ("Checkpoint", "RUNNING"), ("ConsoleCachesHa", "ha.config")):
            self.assertIn(words, self.found["assumptions"][name]["evidence"], name)

    def test_it_was_initialised_by_the_old_image(self):
        self.assertEqual(self.found["observations"]["first_start"]["verdict"], "as the stand-in")
        self.assertFalse(self.found["metadb"]["databases_were_there"])


del Run


class Refusals(unittest.TestCase):
    """What is refused before anything is started."""

    def parse(self, *more):
        return main.parse(["--runtime", "box", "--old", "a", "--new", "b", *more])

    def test_a_password_in_an_argument(self):
        with self.assertRaisesRegex(SystemExit, "password does not belong"):
            main.start_metadb(None, self.parse("--metadb", "mysql://root:geheim@h:3306"), os.devnull)

    def test_no_user(self):
        with self.assertRaisesRegex(SystemExit, "mysql://USER@HOST:PORT"):
            main.start_metadb(None, self.parse("--metadb", "mysql://h:3306"), os.devnull)
