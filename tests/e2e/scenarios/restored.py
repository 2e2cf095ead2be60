"""A memory is put back: the cluster to a snapshot of before, or the MetaDB. What the record of upgrades tells is believed
before the status; nothing is started, stopped or written on what cannot be true, and where the record does not suffice a
person decides."""

import checks
from lab import LOCK_DATABASE
from policies import without_images_policy
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


def check_untouched(lab, upgrade, before, after, pods, outcome):
    """All is as it was when the old status came: pods, Deployments, content, services; no Job was made meanwhile."""
    assert checks.pod_uids(lab) == pods, "OMS was restarted"
    now = checks.Photo(lab, before.columns)
    found = checks.Findings()
    found.look(checks.check_deployments, before, now, upgrade.image if outcome == "succeeded" else None)
    if outcome == "succeeded":
        found.look(checks.check_content_migrated, before, now, upgrade.image)
    else:
        found.look(checks.check_content_as_before, before, now)
    found.look(check_same_content, after, now)
    found.look(checks.check_services, lab, before, now)
    found.conclude()


def check_same_content(old, new):
    """Tables that nobody changes while OMS runs."""
    assert old.fixed_tables() == new.fixed_tables(), "data was changed"


def wait_rebuilt(upgrade, end, position):
    """The status says again what was reached, and rests."""
    return upgrade.watch.wait(f"it is {end} again", lambda item: item["status"].get("phase") == end
                              and item["status"].get("settled"), 180, position)


def put_back(lab, name, step, end, bad_day=(), after_it=None):
    """The status of a step comes back after an end: it is rebuilt from the record, and what runs is left alone."""
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
        wait_rebuilt(upgrade, end, position)
        check_untouched(lab, upgrade, before, after, pods, outcome)
        assert upgrade.jobs() == jobs, f"Jobs were made: {upgrade.jobs()}"
        if after_it:
            after_it(upgrade, before)
        upgrade.delete()


@scenario("status-of-backing-up-after-success")
def put_back_backing_up(lab):
    """The status of BackingUp is put back after success: it is Succeeded again, nothing is touched, and a rollback restores."""
    def roll_back(upgrade, before):
        position = upgrade.ask("RollBack")
        upgrade.wait_end("RolledBack", after=position)
        checks.check_end(lab, upgrade, before, "restored")

    put_back(lab, "old-dump", "BackingUp", "Succeeded", after_it=roll_back)


@scenario("status-of-stopping-after-success", reusable=False)
def put_back_stopping(lab):
    """The status from before the stop is put back after success: it is Succeeded again, and nothing is touched."""
    put_back(lab, "old-stop", "DisablingHa", "Succeeded")


@scenario("status-of-initializing-after-rollback")
def put_back_initializing(lab):
    """The status of Initializing is put back after a rollback: it is RolledBack again, and nothing is touched."""
    put_back(lab, "old-init", "Initializing", "RolledBack", ("init-fails-half-way",))


SPEC = "/apis/apps/v1/namespaces/{}/deployments/oms"


@scenario("cluster-of-before-the-stop-after-success", reusable=False)
def put_back_cluster(lab):
    """Status and Deployment from before the stop are put back after success: the old version is stopped on the schema of the new
    one, no dump is made, and the new version runs again."""
    before = checks.Photo(lab)
    path = SPEC.format(lab.namespace)
    # What is put back from a snapshot passes no admission.
    with without_images_policy(lab), Upgrade(lab, "old-cluster") as upgrade:
        old = upgrade.wait_step("DisablingHa")
        deployment = lab.api.get(path)
        upgrade.wait_end("Succeeded")
        after = checks.check_end(lab, upgrade, before, "succeeded")
        jobs = upgrade.jobs()
        now = lab.api.get(path)
        now["spec"], now["metadata"]["annotations"] = deployment["spec"], deployment["metadata"].get("annotations", {})
        lab.api.call("PUT", path, now)
        position = put_object_back(lab, upgrade, old)
        wait_rebuilt(upgrade, "Succeeded", position)
        check_same_content(after, checks.Photo(lab, before.columns))
        assert upgrade.jobs() == jobs, f"Jobs were made: {upgrade.jobs()}"
        upgrade.delete()


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
