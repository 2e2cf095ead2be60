"""Workers are lost: the pod of a Job or the Job itself, a pod of OMS, a node, the operator for longer than a step may take."""

import datetime

import checks
from api import condition, describe
from processes import poll
from registry import scenario
from upgrade import QUICK, Upgrade

OPERATOR = "/apis/apps/v1/namespaces/{}/deployments/oms-operator"
# The Jobs of an upgrade and of its rollback, with the step that makes each.
STEP_OF = {"dump": ("Forward", "BackingUp"), "verify": ("Forward", "VerifyingBackup"),
           "compare": ("RollBack", "Comparing"), "restore": ("RollBack", "Restoring")}


def find_job_pod(lab, upgrade, role, phase=None):
    """Name of a pod of a Job that has begun, or is in a phase; None while there is none."""
    query = f"?labelSelector=oms.oceanbase.com/upgrade-uid%3D{upgrade.uid}"
    for pod in lab.api.get(f"/api/v1/namespaces/{lab.namespace}/pods{query}")["items"]:
        wanted = phase in (None, pod["status"].get("phase"))
        if wanted and f"-{role}-" in pod["metadata"]["name"] and not pod["metadata"].get("deletionTimestamp"):
            return pod["metadata"]["name"]
    return None


def lose_worker(lab, upgrade, role, lose, after=0):
    """Waits for the pod of a Job and takes it away, whether its work has begun or not."""
    direction, step = STEP_OF[role]
    upgrade.wait_step(step, direction=direction, after=after)
    lose(poll(f"a pod of the {role} Job", lambda: find_job_pod(lab, upgrade, role), 60, 0.02))


def count_attempts(upgrade, role):
    """How many Jobs of a kind were made; each name once."""
    made = {name: times for name, times in upgrade.jobs().items() if f"-{role}-" in name}
    assert all(times == 1 for times in made.values()), f"a Job was made twice: {made}"
    return len(made)


def lose_each(lab, name, lose):
    """Every Job loses its worker once, there and back: it is repeated, and the ends are as ever."""
    before = checks.Photo(lab)
    with Upgrade(lab, name) as upgrade:
        for role in ("dump", "verify"):
            lose_worker(lab, upgrade, role, lambda pod, role=role: lose(pod, role))
        upgrade.wait_end("Succeeded")
        counts = {role: count_attempts(upgrade, role) for role in ("dump", "verify")}
        assert counts == {"dump": 2, "verify": 2}, f"Jobs made: {counts}"
        checks.check_end(lab, upgrade, before, "succeeded")
        position = upgrade.ask("RollBack")
        for role in ("compare", "restore"):
            lose_worker(lab, upgrade, role, lambda pod, role=role: lose(pod, role), position)
        upgrade.wait_end("RolledBack", after=position)
        counts = {role: count_attempts(upgrade, role) for role in ("compare", "restore")}
        assert counts == {"compare": 2, "restore": 2}, f"Jobs made: {counts}"
        checks.check_end(lab, upgrade, before, "restored", restores=2)
        upgrade.delete()


@scenario("job-pods-lost")
def job_pods_lost(lab):
    """The pod of every Job is deleted by force, as after the loss of its node: each Job is repeated; success, and back."""
    lose_each(lab, "pods-lost", lambda pod, _: lab.kubectl("delete", "pod", pod, "--force", "--grace-period=0"))


@scenario("jobs-deleted")
def jobs_deleted(lab):
    """Every Job is deleted by hand with its pod while it works: each is repeated; success, and back."""
    lose_each(lab, "jobs-deleted", lambda _, role: lab.kubectl("delete", "job", find_job(lab, role), "--wait=false"))


@scenario("jobs-orphaned")
def jobs_orphaned(lab):
    """Every Job is deleted by hand without its pod, which goes on working: no two dumps or restores at once; success, and back."""
    lose_each(lab, "jobs-orphaned",
              lambda _, role: lab.kubectl("delete", "job", find_job(lab, role), "--cascade=orphan", "--wait=false"))


@scenario("node-silent-under-each-job")
def node_silent(lab):
    """The kubelet dies while each Job works, so nobody says any more how it ends: told with what to do; the node comes back, and
    the Job that was made once counts; success, and back."""
    before = checks.Photo(lab)
    with Upgrade(lab, "node-silent") as upgrade:
        position = 0
        for role in ("dump", "verify", "compare", "restore"):
            if role == "compare":
                upgrade.wait_end("Succeeded", seconds=420)
                checks.check_end(lab, upgrade, before, "succeeded")
                position = upgrade.ask("RollBack")
            direction, step = STEP_OF[role]
            upgrade.wait_step(step, direction=direction, after=position)
            # Not before its pod works: of one whose container was never made nobody can tell why.
            poll(f"the {role} Job works", lambda role=role: find_job_pod(lab, upgrade, role, "Running"), 60, 0.02)
            with lab.dead_kubelet():
                told = upgrade.watch.wait("the silence is told", lambda item: "its node does not answer" in
                                          item["status"].get("waiting", {}).get("message", ""), 180, position)
                assert "node1" in told["status"]["waiting"]["message"], describe(told)
        upgrade.wait_end("RolledBack", seconds=420, after=position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


def find_job(lab, role):
    """Name of a Job that is not being deleted."""
    [job] = [item["metadata"]["name"] for item in lab.get("jobs")["items"]
             if f"-{role}-" in item["metadata"]["name"] and not item["metadata"].get("deletionTimestamp")]
    return job


def find_oms_pod(lab):
    """Name of the pod of OMS."""
    [pod] = [item for item in lab.get("pods", "-l", "app=oms")["items"] if not item["metadata"].get("deletionTimestamp")]
    return pod["metadata"]["name"]


@scenario("oms-pod-lost-initializing")
def oms_pod_initializing(lab):
    """The pod in which docker_init.sh runs is deleted by force: how far it got is unknown, so data and image go back."""
    before = checks.Photo(lab)
    lab.bad_day("init-slow", "20")
    with Upgrade(lab, "pod-lost-init") as upgrade:
        upgrade.watch.wait("docker_init.sh was started", lambda item: item["status"].get("step") == "Initializing"
                           and item["status"]["internal"].get("initRuns"), 180)
        lab.kubectl("delete", "pod", find_oms_pod(lab), "--force", "--grace-period=0")
        item = upgrade.wait_end("RolledBack", seconds=420)
        lab.bad_day("--clear")
        assert "docker_init.sh" in condition(item, "Ready")["message"], describe(item)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


@scenario("oms-pod-lost-recovering")
def oms_pod_recovering(lab):
    """The pod of OMS is deleted by force while the replication recovers: another one comes by itself; success, and back."""
    before = checks.Photo(lab)
    with Upgrade(lab, "pod-lost-late") as upgrade:
        upgrade.wait_step("Recovering")
        lab.kubectl("delete", "pod", find_oms_pod(lab), "--force", "--grace-period=0")
        upgrade.wait_end("Succeeded", seconds=420)
        checks.check_end(lab, upgrade, before, "succeeded")
        position = upgrade.ask("RollBack")
        upgrade.wait_end("RolledBack", seconds=420, after=position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


def set_replicas(lab, replicas):
    """Scales the operator, and waits until it is gone or back."""
    path = f"/api/v1/namespaces/{lab.operator_namespace}/pods"
    lab.api.patch(OPERATOR.format(lab.operator_namespace), {"spec": {"replicas": replicas}})
    if replicas:
        poll("the operator runs", lab.operator_pod, 60)
    else:
        poll("the operator is gone", lambda: not lab.api.get(path)["items"], 60, 0.1)


def seconds_since(text):
    """From a time as the API server writes it until now."""
    begin = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (datetime.datetime.now(datetime.timezone.utc) - begin).total_seconds()


# Seconds that the step has during which the operator is away, and seconds for which it is away beyond that: long enough to
# know that nobody looked (`ABSENCE` in src/upgrade/lateness.rs).
LIMIT, BEYOND = 20, 130


def be_away(lab, name, step, field, ready=lambda status: True, early=None, meanwhile=lambda: None, afterwards=lambda: None):
    """The operator is away from within a step for longer than the step may take. Nobody looked, so no time has run out: what
    went on meanwhile counts, and the upgrade succeeds."""
    before = checks.Photo(lab)
    with Upgrade(lab, name, timeouts={**QUICK, field: f"{LIMIT}s"}) as upgrade:
        if early:
            upgrade.wait_step("BackingUp")
            early()
        item = upgrade.watch.wait(f"in {step}", lambda item: item["status"].get("step") == step and ready(item["status"]), 180)
        set_replicas(lab, 0)
        try:
            left = lab.api.get(upgrade.path)["status"]
            assert left["step"] == step, f"it went on to {left['step']} before the operator was gone"
            meanwhile()
            since = item["status"]["stepStartedTime"]
            poll("the limit is over for long", lambda: seconds_since(since) > LIMIT + BEYOND, LIMIT + BEYOND + 10, 1)
        finally:
            set_replicas(lab, 1)
        afterwards()
        upgrade.wait_end("Succeeded")
        lab.bad_day("--clear")
        upgrade.patch(timeouts=QUICK)
        checks.check_end(lab, upgrade, before, "succeeded")
        position = upgrade.ask("RollBack")
        upgrade.wait_end("RolledBack", after=position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


@scenario("operator-off-backing-up")
def off_backing_up(lab):
    """The operator is off during the dump for longer than the step may take: the dump that ended meanwhile counts; success."""
    be_away(lab, "off-dump", "BackingUp", "backup", ready=lambda status: any(
        job["role"] == "Dump" and job.get("uid") for job in status["internal"].get("jobs", [])))


@scenario("operator-off-initializing")
def off_initializing(lab):
    """The operator is off for longer than docker_init.sh may take, which still runs then: not given up unseen; success."""
    lab.bad_day("init-hangs")
    be_away(lab, "off-init", "Initializing", "init", ready=lambda status: status["internal"].get("initRuns"),
            afterwards=lambda: lab.bad_day("--clear"))


@scenario("operator-off-recovering")
def off_recovering(lab):
    """The operator is off for longer than the replication may take: what recovered meanwhile counts; success."""
    # Otherwise all is recovered before the operator is gone; set late, or preflight would not let it pass.
    be_away(lab, "off-late", "Recovering", "recovery", early=lambda: lab.bad_day("stopped-project", "p_sync11"),
            meanwhile=lambda: lab.bad_day("--clear"))
