"""An upgrade that the operator of another revision began is finished by the present one: same end, nothing twice."""

import checks
from processes import poll
from registry import scenario
from upgrade import Upgrade

OPERATOR, JOBS = "/apis/apps/v1/namespaces/{}/deployments/oms-operator", "/apis/batch/v1/namespaces/{}/jobs"
# The Jobs of an upgrade, and those of its rollback after that.
FORWARD, BACK = ["probe-1", "dump-1", "verify-1"], ["compare-1", "restore-1"]


def wait_job(lab, upgrade, part):
    """Until there is a Job of a kind."""
    path = JOBS.format(lab.namespace) + f"?labelSelector=oms.oceanbase.com/upgrade-uid%3D{upgrade.uid}"

    def is_there():
        return any(part in item["metadata"]["name"] for item in lab.api.get(path)["items"])

    poll(f"a Job {part}", is_there, 60, 0.05)


def check_made(upgrade, expected):
    """Exactly these Jobs were made so far, in this order, once."""
    made = [(name.split("-", 2)[2], times) for name, times in upgrade.jobs().items()]
    assert made == [(name, 1) for name in expected], f"Jobs made: {made}, not {expected}"


def hand_over(lab, upgrade, direction, step, jobs):
    """Takes the operator of before away, looks in which step and after which Jobs that left the upgrade, and brings
    chart, definition and operator up to date, as a user would. The status that was left."""
    lab.api.patch(OPERATOR.format(lab.operator_namespace), {"spec": {"replicas": 0}})
    poll("the operator of before is gone", lambda: not operator_pods(lab), 60, 0.1)
    left = lab.api.get(upgrade.path)["status"]
    found = (left["direction"], left["step"])
    assert found == (direction, step), f"the operator of before was to stop in {direction}/{step}, it did in {found}"
    check_made(upgrade, jobs)
    lab.install_operator()
    check_present(lab)
    return left


def check_present(lab):
    """The present operator runs, and only that."""
    images = [pod["spec"]["containers"][0]["image"] for pod in operator_pods(lab)]
    assert images == ["localhost/oms-operator:dev"], f"operators: {images}"


def operator_pods(lab):
    """Pods of the operator, also those that are about to end."""
    return lab.api.get(f"/api/v1/namespaces/{lab.operator_namespace}/pods")["items"]


def go_back(lab, upgrade, before):
    """A rollback on request with what the operator of before has written down, all of it by the present one."""
    position = upgrade.ask("RollBack")
    upgrade.wait_end("RolledBack", seconds=420, after=position)
    check_made(upgrade, FORWARD + BACK)
    checks.check_end(lab, upgrade, before, "restored")
    upgrade.delete()


def succeed(lab, upgrade, before):
    """Success after the handover: one dump, one run of docker_init.sh."""
    upgrade.wait_end("Succeeded", seconds=420)
    check_made(upgrade, FORWARD)
    attempts = [run["attempt"] for run in upgrade.status()["internal"]["initRuns"]]
    assert attempts == [1], f"docker_init.sh ran more than once: {upgrade.status()['initRuns']}"
    checks.check_end(lab, upgrade, before, "succeeded")


@scenario("handover-backing-up", handover=True)
def backing_up(lab):
    """The dump is the old operator's, all after it the new one's; and back."""
    lab.install_predecessor()
    before = checks.Photo(lab)
    with Upgrade(lab, "handover-backing-up") as upgrade:
        upgrade.wait_step("BackingUp")
        wait_job(lab, upgrade, "-dump-")
        hand_over(lab, upgrade, "Forward", "BackingUp", FORWARD[:2])
        succeed(lab, upgrade, before)
        go_back(lab, upgrade, before)


@scenario("handover-initializing", handover=True)
def initializing(lab):
    """docker_init.sh was started by the old operator and is followed to its end by the new one; and back."""
    lab.install_predecessor()
    before = checks.Photo(lab)
    lab.bad_day("init-slow", "25")
    with Upgrade(lab, "handover-initializing") as upgrade:
        upgrade.watch.wait("docker_init.sh was started", is_initializing, 180)
        left = hand_over(lab, upgrade, "Forward", "Initializing", FORWARD)
        assert left["internal"]["initRuns"], "no run of docker_init.sh is written down"
        succeed(lab, upgrade, before)
        lab.bad_day("--clear")
        go_back(lab, upgrade, before)


def is_initializing(item):
    """Whether a run of docker_init.sh is written down and goes on."""
    return item["status"].get("step") == "Initializing" and item["status"]["internal"].get("initRuns")


@scenario("handover-recovering", handover=True)
def recovering(lab):
    """The old operator has switched HA on, the new one waits for the replication; and back."""
    lab.install_predecessor()
    before = checks.Photo(lab)
    with Upgrade(lab, "handover-recovering") as upgrade:
        upgrade.wait_step("BackingUp")
        # Otherwise all is recovered before the operator has ended. From here on, or preflight would not let it pass.
        lab.bad_day("stopped-project", "p_sync11")
        upgrade.wait_step("Recovering")
        left = hand_over(lab, upgrade, "Forward", "Recovering", FORWARD)
        assert any(not entry.get("recovered") for entry in left["internal"]["projects"]), f"nothing to wait for: {left['projects']}"
        lab.bad_day("--clear")
        succeed(lab, upgrade, before)
        go_back(lab, upgrade, before)


@scenario("handover-restoring", handover=True)
def restoring(lab):
    """docker_init.sh failed; the restore is the old operator's, what comes after it the new one's."""
    lab.install_predecessor()
    before = checks.Photo(lab)
    lab.bad_day("init-fails-half-way")
    with Upgrade(lab, "handover-restoring") as upgrade:
        upgrade.wait_step("Restoring", direction="RollBack", seconds=300)
        wait_job(lab, upgrade, "-restore-")
        lab.bad_day("--clear")
        hand_over(lab, upgrade, "RollBack", "Restoring", FORWARD + BACK)
        upgrade.wait_end("RolledBack", seconds=420)
        check_made(upgrade, FORWARD + BACK)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


@scenario("handover-by-rollout", handover=True, reusable=False)
def by_rollout(lab):
    """helm upgrade alone, during docker_init.sh: the new operator waits for the Lease until the old one gives it up."""
    lab.install_predecessor()
    before = checks.Photo(lab)
    lab.bad_day("init-slow", "70")
    with Upgrade(lab, "handover-by-rollout") as upgrade:
        upgrade.watch.wait("docker_init.sh was started", is_initializing, 180)
        lab.install_operator()
        poll("the operator of before is gone", lambda: len(operator_pods(lab)) == 1, 60, 0.1)
        check_present(lab)
        assert upgrade.status()["step"] == "Initializing", "docker_init.sh ended before the operators had changed"
        succeed(lab, upgrade, before)
        lab.bad_day("--clear")
        upgrade.delete()
