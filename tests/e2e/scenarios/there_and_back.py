"""The main job: plan, upgrade, and back on request."""

import json

import checks
import installation
import steps
from api import condition, is_true
from ctl import manifests
from registry import scenario
from upgrade import Upgrade

# The way forward without a plan that waits.
STEPS = [entry["step"] for entry in steps.read() if entry["forward"] and entry["step"] != "Planned"]


@scenario("plan", sample=True)
def plan(lab):
    """A plan touches nothing, waits for action Run, and is made again when it is edited."""
    before = checks.Photo(lab)
    with Upgrade(lab, "plan", action="Plan") as upgrade:
        item = upgrade.watch.wait("planned", lambda item: item["status"].get("phase") == "Planned", 180)
        assert is_true(item, "Planned") and is_true(item, "PreflightPassed") and not is_true(item, "Finished")
        plan_text = str(item["status"]["plan"])
        for word in ("switch HA off", "docker_init.sh", "oms-backup", "IS_UPGRADE", "estimates"):
            assert word in plan_text, f"the plan does not speak of {word}"
        check_advice(lab, item["status"]["plan"])
        checks.check_deployments(before, checks.Photo(lab, before.columns), None)
        position = len(upgrade.watch.states)
        upgrade.patch(backup={"claimName": "oms-backup", "verification": "Manifest"})
        upgrade.watch.wait("preflight made again", lambda item: item["status"].get("step") == "Preflight", 60, position)
        upgrade.watch.wait("planned again", lambda item: item["status"].get("phase") == "Planned", 180, position + 1)
        lab.kubectl("delete", "omsup", "plan", "--timeout=60s")
        upgrade.watch.wait_deleted(60)
        after = checks.Photo(lab, before.columns)
        checks.check_deployments(before, after, None)
        checks.check_content_as_before(before, after)
        checks.check_services(lab, before, after)
        checks.check_nothing_left(lab, upgrade, before, after)


def check_advice(lab, plan):
    """Time zones as a client beside the operator sees them; each assumption in one list."""
    minutes = int(lab.sql("SELECT TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(), NOW()) AS minutes")[0]["minutes"])
    zones = [check for check in plan["checks"] if check["name"] == "TimeZones"]
    assert [check["outcome"] for check in zones] == ["Passed" if abs(minutes) < 2 else "Warning"], (minutes, zones)
    assert "UTC+00:00" in zones[0]["evidence"], zones
    stores = [check for check in plan["checks"] if check["name"] == "HaSettings"]
    assert [(check["outcome"], check["subject"]) for check in stores] == [("Passed", "Stores")], stores
    told = plan["assumptions"]
    assert {"HaRow", "HostRows", "Programs", "HealthPage", "Mounts"} <= set(told["lookedAt"]), told
    assert "InitText" in told["later"], told
    speaks = any(words.startswith("TimeZones: ") for words in told.get("contradicted", []))
    assert speaks == (zones[0]["outcome"] == "Warning"), told


SET_ZONE = """
import sys
sys.path.insert(0, "/root/standin")
import identity, metadb
db = metadb.MetaDb(identity.read_config())
db.connect_patiently(30)
db.run("SET GLOBAL time_zone = %s", sys.stdin.read())
"""


@scenario("other-time-zone", reusable=False)
def other_time_zone(lab):
    """A MetaDB in another time zone than OMS: told with both, and no finding by itself."""
    before = lab.sql("SELECT @@global.time_zone AS zone")[0]["zone"]
    lab.in_eye("python3", "-c", SET_ZONE, stdin="+05:30")
    try:
        with Upgrade(lab, "east", action="Plan") as upgrade:
            plan = upgrade.watch.wait("planned", lambda item: item["status"].get("phase") == "Planned", 180)["status"]["plan"]
            check_advice(lab, plan)
            told = next(check for check in plan["checks"] if check["name"] == "TimeZones")
            assert told["outcome"] == "Warning" and "UTC+05:30" in told["evidence"] and "/etc/localtime" in told["wayOut"], told
            lab.kubectl("delete", "omsup", "east", "--timeout=60s")
    finally:
        lab.in_eye("python3", "-c", SET_ZONE, stdin=before)


@scenario("there-and-back", sample=True)
def there_and_back(lab):
    """Success, everything asserted; then a rollback on request, everything asserted; reads well at both ends."""
    before = checks.Photo(lab)
    with Upgrade(lab, "there-and-back") as upgrade:
        lab.kubectl("wait", "--for=condition=Finished", "omsup/there-and-back", "--timeout=300s")
        item = upgrade.wait_end("Succeeded")
        for kind in ("Ready", "PreflightPassed", "BackupVerified", "SchemaInitialized", "ReplicationRecovered",
                     "HaRestored"):
            assert is_true(item, kind), f"{kind} is not true"
        checks.check_end(lab, upgrade, before, "succeeded")
        seen = [step for _, step in upgrade.watch.steps()]
        assert [step for step in seen if step in STEPS] == [step for step in STEPS if step in seen], seen
        assert set(STEPS[1:]) <= set(seen), f"steps not seen: {set(STEPS[1:]) - set(seen)}"
        check_reading(lab, upgrade, "Succeeded", ("browser cache", "RollBack"))
        refuse_changes(lab, upgrade)
        position = upgrade.ask("RollBack")
        item = upgrade.wait_end("RolledBack", after=position)
        assert is_true(item, "RolledBack"), "the condition RolledBack is not true"
        checks.check_end(lab, upgrade, before, "restored")
        check_reading(lab, upgrade, "RolledBack", ("three mounts", "rollback was asked for"))
        upgrade.delete()


def check_reading(lab, upgrade, phase, words):
    """kubectl get, wait, describe and the events tell a new user what happened and what to do."""
    line = lab.kubectl("get", "omsup", upgrade.name)
    wide = lab.kubectl("get", "omsup", upgrade.name, "-o", "wide")
    description = lab.kubectl("describe", "omsup", upgrade.name)
    events = lab.kubectl("events", "--for", f"omsupgrade/{upgrade.name}")
    if lab.verbose:
        print(f"\n$ kubectl get omsup\n{line}\n$ kubectl get omsup -o wide\n{wide}\n$ kubectl describe omsup\n"
              f"{description}\n$ kubectl events\n{events}")
    for word in ("PHASE", "STEP", "HA", "AGE", phase):
        assert word in line, f"kubectl get does not show {word}:\n{line}"
    for word in ("FROM", "TO", "MESSAGE", "3.3.1", "4.0.0"):
        assert word in wide, f"kubectl get -o wide does not show {word}:\n{wide}"
    for word in words:
        assert word in wide and word in description, f"kubectl get -o wide or describe does not show {word!r}"
    for word in ("Manifest Digest", "Checkpoint", "Events:", "Conditions:", phase):
        assert word in description, f"kubectl describe does not show {word}"
    for word in ("DisablingHa", "BackingUp", "Initializing", phase, "Settled"):
        assert word in events, f"the events do not show {word}:\n{events}"
    reasons = [entry["reason"] for entry in lab.get("events", "--field-selector",
                                                      f"involvedObject.uid={upgrade.uid}")["items"]]
    assert len(reasons) >= len(set(reasons)) > 10, reasons


def refuse_changes(lab, upgrade):
    """The spec is frozen, and the API server says what may change."""
    for change in ({"image": "localhost/oms-standin:4.0.1-ce"}, {"backup": {"claimName": "other"}}):
        patch = json.dumps({"spec": change})
        code, text = lab.try_kubectl("patch", "omsup", upgrade.name, "--type=merge", "-p", patch)
        assert code != 0 and "cannot change once the upgrade has started" in text, text


@scenario("restart-evidence")
def restart_evidence(lab):
    """An installation that never restarted: preflight says so and how to make good for it; then it passes."""
    lab.kubectl("delete", "deployment", "oms", "--cascade=foreground", "--wait", "--timeout=120s")
    node = lab.get("nodes")["items"][0]
    address = next(entry["address"] for entry in node["status"]["addresses"] if entry["type"] == "InternalIP")
    lab.apply(manifests.oms_objects([(node["metadata"]["name"], address)])[0])
    lab.wait_serving()
    with Upgrade(lab, "restart-evidence", checks=None, action="Plan") as upgrade:
        item = upgrade.wait_findings()
        text = condition(item, "PreflightPassed")["message"]
        assert "OldImageRestarts" in text and "kubectl rollout restart deployment oms" in text, text
        installation.restart_container(lab)
        lab.wait_serving()
        # It becomes better, and the plan is made again by a word, with the same object.
        position = len(upgrade.watch.states)
        upgrade.patch(planRequest="2")
        upgrade.watch.wait("planned", lambda item: item["status"].get("phase") == "Planned" and is_true(item, "PreflightPassed"), 180,
                           position)
        lab.kubectl("delete", "omsup", upgrade.name, "--timeout=60s")
