"""Bad days on which the upgrade must still find its way, or wait for a person."""

import base64
import json

import checks
from api import condition
from registry import scenario
from upgrade import ATTESTED, QUICK, Upgrade

CALL = """
import sys, urllib.request
sys.path.insert(0, "/root/standin")
request = urllib.request.Request(sys.argv[1], method="POST", data=b"", headers={"Authorization": sys.stdin.read()})
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""
API = {"driver": "OmsApi", "api": {
    "method": "PUT", "path": "/oms/standin/v1/system-parameters/ha.config", "bodyTemplate": '{"value": ${config}}',
    "headers": [{"name": "Content-Type", "value": "application/json"},
                {"name": "Authorization", "secretKeyRef": {"name": "oms-console", "key": "authorization"}}]}}


def succeed_and_return(lab, name, bad_day=(), notice=None, **changes):
    """Succeeds in spite of a bad day; then goes back. `notice` sees the installation after success."""
    before = checks.Photo(lab)
    if bad_day:
        lab.bad_day(*bad_day)
    with Upgrade(lab, name, **changes) as upgrade:
        item = upgrade.wait_end("Succeeded", seconds=420)
        if bad_day:
            lab.bad_day("--clear")
        after = checks.check_end(lab, upgrade, before, "succeeded")
        if notice:
            notice(item, after)
        position = upgrade.ask("RollBack")
        upgrade.wait_end("RolledBack", seconds=420, after=position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


@scenario("ha-written-back-on-stop")
def ha_written_back(lab):
    """A console that writes its cached HA parameter back when it is stopped."""
    succeed_and_return(lab, "ha-written-back", ("ha-cached-write-back-on-stop",))


@scenario("needs-second-init")
def needs_second_init(lab):
    """The normal start brings the programs up only after docker_init.sh ran once more; the status tells."""
    succeed_and_return(lab, "second-init", ("needs-second-init",))


@scenario("ha-by-console")
def ha_by_console(lab):
    """HA is switched by the console's own call (driver OmsApi) there and back."""
    succeed_and_return(lab, "ha-by-console", ha=API)


@scenario("ha-by-pull-back")
def ha_by_pull_back(lab):
    """HA comes back with a pull-back interval instead of the downstream checkpoint."""
    succeed_and_return(lab, "ha-by-pull-back", ha={"pullBack": {"method": "RefetchInterval", "slackMinutes": 30}})


@scenario("ha-call-lies")
def ha_call_lies(lab):
    """The console's call says 200 and stores nothing: it is noticed, and all is as before."""
    before = checks.Photo(lab)
    lab.bad_day("ha-api-lies")
    with Upgrade(lab, "ha-call-lies", ha=API, timeouts={**QUICK, "ha": "10s"}) as upgrade:
        upgrade.watch.wait("it turns back", lambda item: item["status"].get("direction") == "Abort"
                           or item["status"].get("stall"), 120)
        lab.bad_day("--clear")
        item = upgrade.wait_end("Aborted")
        assert "ha.config" in condition(item, "Ready")["message"] or "HA" in condition(item, "Ready")["message"]
        checks.check_end(lab, upgrade, before, "unchanged")
        upgrade.delete()


@scenario("sessions-left-open")
def sessions_left_open(lab):
    """Sessions of OMS's account stay on the databases: no dump before they end, and it goes on by itself then."""
    lab.bad_day("sessions-left-open")
    before = checks.Photo(lab)
    with Upgrade(lab, "sessions") as upgrade:
        upgrade.watch.wait("it says what it waits for",
                           lambda item: item["status"].get("waiting", {}).get("reason") == "SessionsLeft", 180)
        assert not [name for name in upgrade.jobs() if "-dump-" in name], "a dump began in spite of open sessions"
        lab.bad_day("--clear")
        upgrade.wait_end("Succeeded")
        checks.check_end(lab, upgrade, before, "succeeded")
        position = upgrade.ask("RollBack")
        upgrade.wait_end("RolledBack", after=position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


@scenario("annotated-while-stopped")
def annotated_while_stopped(lab):
    """Somebody annotates the stopped Deployment, there and back: nobody started it, so it goes on."""
    before = checks.Photo(lab)

    def annotate(value):
        lab.kubectl("annotate", "deployment", "oms", "--overwrite", f"example.com/note{value}")

    with Upgrade(lab, "annotated") as upgrade:
        upgrade.wait_step("BackingUp")
        annotate("=backing-up")
        upgrade.wait_end("Succeeded")
        position = upgrade.ask("RollBack")
        upgrade.wait_step("Comparing", direction="RollBack", after=position)
        annotate("=comparing")
        upgrade.wait_end("RolledBack", after=position)
        annotate("-")
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


@scenario("project-stays-down")
def project_stays_down(lab):
    """A project that HA cannot start: listed with what to do; goes on by itself after a start by hand."""
    before = checks.Photo(lab)
    lab.bad_day("stopped-project", "p_sync11")
    with Upgrade(lab, "stays-down", timeouts={**QUICK, "recovery": "15s"},
                 checks=ATTESTED + [{"name": "ProjectsInSync", "policy": "Skip", "reason": "one is down on purpose"}]
                 ) as upgrade:
        upgrade.wait_stalled("ReplicationNotRecovered", 300)
        item = upgrade.watch.last()
        assert condition(item, "ReplicationRecovered")["status"] == "False"
        open_projects = item["status"]["openProjects"]
        assert [entry["project"] for entry in open_projects] == ["p_sync11"], open_projects
        assert "startByName" in open_projects[0]["message"], open_projects
        start_by_hand(lab, "p_sync11")
        # From here on this is an upgrade like any other: HA may do its work again.
        lab.bad_day("--clear")
        upgrade.watch.wait("it goes on", lambda item: item["status"].get("phase") == "Succeeded", 120)
        upgrade.watch.wait("settled", lambda item: item["status"].get("settled"), 60)
        checks.check_end(lab, upgrade, before, "succeeded")
        position = upgrade.ask("RollBack")
        upgrade.wait_end("RolledBack", after=position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


@scenario("nothing-watched")
def nothing_watched(lab):
    """Nobody can watch the recovery: the pull-back stays, the verdict says so, and the next upgrade puts back what was there."""
    before = checks.Photo(lab)
    attested = [{"name": name, "policy": "Attest", "reason": "the test knows its projects"}
                for name in ("ProjectsInSync", "ForwardSwitchover")]
    kept = {**before.ha, "perceiveStoreClientCheckpoint": True}

    def check_kept(item):
        recovered = condition(item, "ReplicationRecovered")
        assert (recovered["status"], recovered["reason"]) == ("Unknown", "NothingWatched"), recovered
        assert "perceiveStoreClientCheckpoint" in condition(item, "Ready")["message"], condition(item, "Ready")
        assert checks.Photo(lab).ha == kept, "the pull-back does not stay"

    with Upgrade(lab, "nothing-watched", console=None, checks=ATTESTED + attested) as upgrade:
        upgrade.wait_end("Succeeded")
        check_kept(upgrade.watch.last())
        position = upgrade.ask("RollBack")
        upgrade.wait_end("RolledBack", after=position)
        check_kept(upgrade.watch.last())
        upgrade.delete()
    with Upgrade(lab, "watched-again") as upgrade:
        upgrade.wait_end("Succeeded")
        checks.check_end(lab, upgrade, before, "succeeded")
        position = upgrade.ask("RollBack")
        upgrade.wait_end("RolledBack", after=position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


def start_by_hand(lab, project):
    """What a person would do: the same Store again, then the Connector, by CM's calls."""
    state = lab.state()
    node = state["hosts"][0]["ip"]
    store = max((row for row in state["stores"] if row["project_id"] == project), key=lambda row: row["fetched_ts"])
    connector = next(row for row in state["connectors"] if row["project_id"] == project)
    secret = json.loads(lab.kubectl("get", "secret", "oms-console", "-o", "json"))["data"]["authorization"]
    header = base64.b64decode(secret).decode()
    for call in (f"crawler/restore?crawler={store['name']}", f"connector/task/startByName?taskName={connector['name']}"):
        answer = lab.in_eye("python3", "-c", CALL, f"http://{node}:8088/{call}", stdin=header)
        assert '"isSuccess": true' in answer, answer
