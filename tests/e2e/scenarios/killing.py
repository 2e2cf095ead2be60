"""The operator is killed (SIGKILL) in every step, there and back: same end, one dump, one restore."""

import time

import checks
import processes
from processes import poll
from registry import scenario
from upgrade import Upgrade


def kill_operator(lab):
    """SIGKILL to the operator's process, found in the machine's process table; its pod is replaced, to be spared the
    kubelet's pause before a restart. How many processes were killed."""
    pod = lab.operator_pod()
    if pod is None:
        return 0
    killed = processes.kill(pod["status"]["containerStatuses"][0]["containerID"])
    lab.kubectl("delete", "pod", "-n", lab.operator_namespace, pod["metadata"]["name"], "--force", "--grace-period=0")
    poll("the operator runs again", lambda: (lab.operator_pod() or pod)["metadata"]["uid"] != pod["metadata"]["uid"], 60, 0.1)
    return killed


def kill_in_every_step(lab, upgrade, over, seconds=600):
    """Kills the operator once in each step that is seen; the steps in which it did."""

    killed, position = [], len(upgrade.watch.states) - 1
    deadline = time.monotonic() + seconds
    while True:
        status = upgrade.status()
        assert not status.get("stall"), f"it stalls after kills in {killed}: {status['stall']}"
        if over(status):
            return killed
        step = (status.get("direction"), status.get("step"))
        if status.get("step") and step not in killed and not status.get("settled"):
            if kill_operator(lab):
                killed.append(step)
            continue
        assert time.monotonic() < deadline, f"not over within {seconds} s, after kills in {killed}"
        with upgrade.watch.changed:
            upgrade.watch.changed.wait(2)
        assert position <= len(upgrade.watch.states)


@scenario("operator-killed-in-every-step")
def operator_killed(lab):
    """SIGKILL in every step of a success and of the rollback after it."""
    before = checks.Photo(lab)
    with Upgrade(lab, "killed") as upgrade:
        forward = kill_in_every_step(lab, upgrade, lambda status: status.get("phase") == "Succeeded" and status.get("settled"))
        assert len(forward) >= 10, f"killed only in {forward}"
        check_once(upgrade, "-dump-")
        after = checks.Photo(lab, before.columns)
        checks.check_deployments(before, after, upgrade.image)
        checks.check_content_migrated(before, after, upgrade.image)
        checks.check_services(lab, before, after)
        checks.check_nothing_left(lab, upgrade, before, after)
        checks.check_backup(lab, upgrade)
        upgrade.ask("RollBack")
        back = kill_in_every_step(lab, upgrade, lambda status: status.get("phase") == "RolledBack" and status.get("settled"))
        back = [step for direction, step in back if direction == "RollBack"]
        assert len(back) >= 6, f"killed only in {back}"
        check_once(upgrade, "-dump-")
        check_once(upgrade, "-restore-")
        after = checks.Photo(lab, before.columns)
        checks.check_deployments(before, after, None)
        checks.check_content_as_before(before, after)
        checks.check_services(lab, before, after)
        checks.check_nothing_left(lab, upgrade, before, after)
        inits = [row for row in lab.journal()["events"] if row["name"] == "InitStarted"]
        print(f"          killed in {[step for _, step in forward]} and {back}; {len(inits)} init(s) in the journal")
        upgrade.delete()


def check_once(upgrade, part):
    """One Job of a kind, made once."""
    jobs = {name: times for name, times in upgrade.jobs().items() if part in name}
    assert sum(jobs.values()) == 1, f"Jobs {part}: {jobs}"
