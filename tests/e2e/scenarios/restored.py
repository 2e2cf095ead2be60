"""A memory is put back: the cluster to a snapshot of before, or the MetaDB. Nothing is started, stopped or written on what
cannot be true, and a person decides."""

import checks
from api import condition, describe
from lab import LOCK_DATABASE, RELEASE
from registry import scenario
from scenarios.losing import set_replicas
from upgrade import Upgrade


def put_object_back(lab, upgrade, old):
    """Writes finalizers and status of an old state while the operator is off, as a cluster has them that was restored from a
    snapshot. The number of the next state."""
    set_replicas(lab, 0)
    position = len(upgrade.watch.states)
    lab.api.patch(upgrade.path, {"metadata": {"finalizers": old["metadata"]["finalizers"]}})
    item = lab.api.call("GET", upgrade.path)
    item["status"] = old["status"]
    lab.api.call("PUT", upgrade.path + "/status", item)
    set_replicas(lab, 1)
    return position


def let_go(lab, upgrade):
    """What the message tells a person to do in the end."""
    lab.kubectl("annotate", "omsup", upgrade.name, RELEASE)
    lab.kubectl("delete", "omsup", upgrade.name, "--wait=false")
    upgrade.watch.wait_deleted(60)
    last = [item for item in upgrade.watch.states if item["status"].get("phase") == "Failed"][-1]
    assert "nothing was put back" in condition(last, "Ready")["message"], describe(last)


def check_untouched(lab, upgrade, before, after, pods, outcome):
    """All is as it was when the old status came: pods, Deployments, content, services; no Job was made meanwhile."""
    assert checks.pod_uids(lab) == pods, "OMS was restarted"
    now = checks.Photo(lab, before.columns)
    found = checks.Findings()
    found.look(checks.check_deployments, before, now, upgrade.image if outcome == "succeeded" else None)
    found.look(checks.check_content_migrated if outcome == "succeeded" else checks.check_content_as_before, before, now)
    found.look(check_same_content, after, now)
    found.look(checks.check_services, lab, before, now)
    found.conclude()


def check_same_content(old, new):
    """Tables that nobody changes while OMS runs."""
    assert old.fixed_tables() == new.fixed_tables(), "data was changed"


def put_back(lab, name, step, end, bad_day=()):
    """The status of a step comes back after an end. What runs is left alone, people are told, and let go of the object."""
    before = checks.Photo(lab)
    if bad_day:
        lab.bad_day(*bad_day)
    with Upgrade(lab, name) as upgrade:
        old = upgrade.wait_step(step)
        upgrade.wait_end(end)
        if bad_day:
            lab.bad_day("--clear")
        outcome = "succeeded" if end == "Succeeded" else "restored"
        after = checks.check_end(lab, upgrade, before, outcome)
        pods, jobs = checks.pod_uids(lab), upgrade.jobs()
        position = put_object_back(lab, upgrade, old)
        told = upgrade.wait_stalled("StatusOlder", after=position)
        message = told["status"]["stall"]["message"]
        for word in ("restore of the cluster", "Verdict", "spec.accept", "let go"):
            assert word in message, message
        check_untouched(lab, upgrade, before, after, pods, outcome)
        assert upgrade.jobs() == jobs, f"Jobs were made: {upgrade.jobs()}"
        let_go(lab, upgrade)
        check_untouched(lab, upgrade, before, after, pods, outcome)
        checks.check_nothing_left(lab, upgrade, before, checks.Photo(lab, before.columns))


@scenario("status-of-backing-up-after-success", reusable=False)
def put_back_backing_up(lab):
    """The status of BackingUp is put back after success: nothing is started or stopped, and a person decides."""
    put_back(lab, "old-dump", "BackingUp", "Succeeded")


@scenario("status-of-stopping-after-success", reusable=False)
def put_back_stopping(lab):
    """The status from before the stop is put back after success: nothing is started or stopped, and a person decides."""
    put_back(lab, "old-stop", "DisablingHa", "Succeeded")


@scenario("status-of-initializing-after-rollback")
def put_back_initializing(lab):
    """The status of Initializing is put back after a rollback: nothing is started or stopped, and a person decides."""
    put_back(lab, "old-init", "Initializing", "RolledBack", ("init-fails-half-way",))


@scenario("status-of-backing-up-accepted-after-success", reusable=False)
def put_back_accepted(lab):
    """A person wrongly accepts the status of BackingUp after success: the new version is not dumped over, nor is the old one
    started on its schema; a person is asked once more."""
    before = checks.Photo(lab)
    with Upgrade(lab, "old-accepted") as upgrade:
        old = upgrade.wait_step("BackingUp")
        upgrade.wait_end("Succeeded")
        after = checks.check_end(lab, upgrade, before, "succeeded")
        pods, jobs = checks.pod_uids(lab), upgrade.jobs()
        position = put_object_back(lab, upgrade, old)
        told = upgrade.wait_stalled("StatusOlder", after=position)
        position = len(upgrade.watch.states)
        upgrade.patch(accept=told["status"]["stall"]["accept"])
        upgrade.wait_stalled("OtherImageSeen", after=position)
        check_same_content(after, checks.Photo(lab, before.columns))
        assert checks.pod_uids(lab) == pods, "the new version was touched"
        assert upgrade.jobs() == jobs, f"Jobs were made: {upgrade.jobs()}"
        let_go(lab, upgrade)


SPEC = "/apis/apps/v1/namespaces/{}/deployments/oms"


@scenario("cluster-of-before-the-stop-after-success", reusable=False)
def put_back_cluster(lab):
    """Status and Deployment from before the stop are put back after success: the old version is stopped again on the schema of
    the new one, nothing else is done, and a person decides."""
    before = checks.Photo(lab)
    path = SPEC.format(lab.namespace)
    with Upgrade(lab, "old-cluster") as upgrade:
        old = upgrade.wait_step("DisablingHa")
        deployment = lab.api.get(path)
        upgrade.wait_end("Succeeded")
        after = checks.check_end(lab, upgrade, before, "succeeded")
        jobs = upgrade.jobs()
        now = lab.api.get(path)
        now["spec"], now["metadata"]["annotations"] = deployment["spec"], deployment["metadata"].get("annotations", {})
        lab.api.call("PUT", path, now)
        position = put_object_back(lab, upgrade, old)
        told = upgrade.wait_stalled("StatusOlder", after=position)
        assert "Verdict" in told["status"]["stall"]["message"], describe(told)
        assert lab.api.get(path)["spec"]["replicas"] == 0, "the old version runs on the schema of the new one"
        check_same_content(after, checks.Photo(lab, before.columns))
        assert upgrade.jobs() == jobs, f"Jobs were made: {upgrade.jobs()}"
        let_go(lab, upgrade)


def forget_rows(lab, upgrade, keep):
    """The record of upgrades as it was when it had so many rows of this one."""
    lab.sql(f"DELETE FROM {LOCK_DATABASE}.upgrade_record WHERE uid = '{upgrade.uid}' AND seq > {keep}")


def count_rows(lab, upgrade):
    """[fact] of the record of this upgrade."""
    return [row["fact"] for row in
            lab.sql(f"SELECT fact FROM {LOCK_DATABASE}.upgrade_record WHERE uid = '{upgrade.uid}' ORDER BY seq")]


def wait_behind(lab, upgrade, position):
    """Until it is told that the MetaDB is behind; the value to accept."""
    told = upgrade.wait_stalled("RecordBehind", after=position)
    message = told["status"]["stall"]["message"]
    for word in ("older than the status", "failover", "spec.accept"):
        assert word in message, message
    return told["status"]["stall"]["accept"]


@scenario("metadb-of-before-the-line-starting")
def metadb_starting(lab):
    """The MetaDB is put back to before the line while the new version starts: nothing goes on until a person accepts, who knows
    that nothing was written since; success, and back."""
    before = checks.Photo(lab)
    lab.bad_day("slow-start", "15")
    with Upgrade(lab, "metadb-starting") as upgrade:
        upgrade.wait_step("StartingNew")
        upgrade.watch.wait("the start is under way", lambda item: item["status"].get("step") == "StartingNew" and
                           "Line" in count_rows(lab, upgrade), 60)
        position = len(upgrade.watch.states)
        forget_rows(lab, upgrade, 2)
        accept = wait_behind(lab, upgrade, position)
        assert not upgrade.status()["internal"].get("initRuns"), "docker_init.sh was started"
        lab.bad_day("--clear")
        upgrade.patch(accept=accept)
        upgrade.watch.wait("it succeeds", lambda item: item["status"].get("phase") == "Succeeded"
                           and item["status"].get("settled"), 300, position)
        assert "Line" in count_rows(lab, upgrade) and "Verdict" in count_rows(lab, upgrade), count_rows(lab, upgrade)
        checks.check_end(lab, upgrade, before, "succeeded")
        position = upgrade.ask("RollBack")
        upgrade.wait_end("RolledBack", after=position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


@scenario("metadb-of-before-the-line-after-success")
def metadb_after_success(lab):
    """The record in the MetaDB is put back to before the line after success, and a rollback is asked for: a person is asked
    first, accepts, and it restores."""
    before = checks.Photo(lab)
    with Upgrade(lab, "metadb-late") as upgrade:
        upgrade.wait_end("Succeeded")
        checks.check_end(lab, upgrade, before, "succeeded")
        pods = checks.pod_uids(lab)
        forget_rows(lab, upgrade, 2)
        position = upgrade.ask("RollBack")
        accept = wait_behind(lab, upgrade, position)
        assert checks.pod_uids(lab) == pods, "OMS was touched"
        upgrade.patch(accept=accept)
        upgrade.watch.wait("it is rolled back", lambda item: item["status"].get("phase") == "RolledBack"
                           and item["status"].get("settled"), 300, position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()
