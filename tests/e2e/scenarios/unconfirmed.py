"""What docker_init.sh says at its end: the Chinese text in every other scenario, here the other one, and none."""

import re

import checks
from api import condition, is_true
from registry import scenario
from upgrade import Upgrade


def wait_unconfirmed(lab, upgrade):
    """Until a person is asked; OMS runs then, HA is off, docker_init.sh ran once, and the end of its log is told."""
    upgrade.wait_stalled("InitUnconfirmed", 300)
    status = upgrade.status()
    message = status["stall"]["message"]
    for word in ("oms", "spec.accept", "action: RollBack", "oms-backup", "HA stays off", "【步骤五】"):
        assert word in message, f"the stall does not say {word!r}: {message}"
    assert "【步骤五】" in str(status["internal"]["initRuns"][0]["unconfirmed"]["lastLines"]), status["internal"]["initRuns"]
    assert condition(upgrade.watch.last(), "SchemaInitialized")["reason"] == "Unconfirmed"
    state = lab.state()
    assert not state["ha"]["enabled"], "HA is on although nobody said that the init is complete"
    assert all(host["host_status"] == "ONLINE" for host in state["hosts"]), state["hosts"]


@scenario("init-text-english", reusable=False)
def init_text_english(lab):
    """docker_init.sh prints the text of the translated pages: success."""
    before = checks.Photo(lab)
    lab.bad_day("init-text", "english")
    with Upgrade(lab, "init-english") as upgrade:
        item = upgrade.wait_end("Succeeded")
        assert is_true(item, "SchemaInitialized")
        lab.bad_day("--clear")
        checks.check_end(lab, upgrade, before, "succeeded")
        upgrade.delete()


@scenario("init-text-none-accepted", reusable=False)
def init_text_none_accepted(lab):
    """docker_init.sh says nothing at its end and ends well: a person is asked, accepts by spec.accept, and it succeeds."""
    before = checks.Photo(lab)
    lab.bad_day("init-text", "none")
    with Upgrade(lab, "init-accepted") as upgrade:
        wait_unconfirmed(lab, upgrade)
        [value] = re.findall(r'value: "([^"]+)"', upgrade.status()["stall"]["message"])
        upgrade.patch(accept=[{"reason": "InitUnconfirmed", "value": value}])
        upgrade.watch.wait("it succeeds", lambda item: item["status"].get("phase") == "Succeeded"
                           and item["status"].get("settled"), 300)
        lab.bad_day("--clear")
        item = upgrade.watch.last()
        assert is_true(item, "SchemaInitialized") and condition(item, "SchemaInitialized")["reason"] == "Accepted"
        assert [run["attempt"] for run in item["status"]["internal"]["initRuns"]] == [1], item["status"]["internal"]["initRuns"]
        checks.check_end(lab, upgrade, before, "succeeded")
        upgrade.delete()


@scenario("init-text-none-back")
def init_text_none_back(lab):
    """The same, and the person asks for the rollback: data and image of before."""
    before = checks.Photo(lab)
    lab.bad_day("init-text", "none")
    with Upgrade(lab, "init-back") as upgrade:
        wait_unconfirmed(lab, upgrade)
        lab.bad_day("--clear")
        position = upgrade.ask("RollBack")
        upgrade.wait_end("RolledBack", after=position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()
