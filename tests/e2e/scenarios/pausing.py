"""Somebody pauses the Deployment in the middle: nothing is started that was not meant, and it goes on when it is resumed."""

import checks
from api import condition
from registry import scenario
from upgrade import Upgrade


def hold(lab, upgrade, step, direction="Forward", ready=lambda status: True):
    """Pauses the Deployment, waits until the upgrade holds in a step and says why, and resumes it. Status and replicas of
    meanwhile."""
    position = len(upgrade.watch.states)
    lab.kubectl("rollout", "pause", "deployment", "oms")
    command = f"kubectl rollout resume deployment oms -n {lab.namespace}"

    def is_held(item):
        status = item["status"]
        return (status.get("step") == step and status.get("direction") == direction and ready(status)
                and status.get("waiting", {}).get("reason") == "TargetPaused" and command in condition(item, "Ready")["message"])

    item = upgrade.watch.wait(f"held in {step}", is_held, 120, position)
    assert "kubectl-rollout" in condition(item, "Ready")["message"], condition(item, "Ready")
    replicas = lab.get("deployment", "oms")["spec"]["replicas"]
    lab.kubectl("rollout", "resume", "deployment", "oms")
    return item["status"], replicas


@scenario("rollout-pause", sample=True)
def rollout_pause(lab):
    """kubectl rollout pause during the dump, during docker_init.sh and in a rollback: told each time, and it goes on."""
    before = checks.Photo(lab)
    with Upgrade(lab, "rollout-pause") as upgrade:
        upgrade.wait_step("BackingUp")
        status, replicas = hold(lab, upgrade, "VerifyingBackup", ready=lambda status: status.get("backup", {}).get("verified"))
        assert replicas == 0 and "pointOfNoReturnTime" not in status, "the new version is started in a paused Deployment"
        upgrade.wait_step("Initializing")
        _, replicas = hold(lab, upgrade, "StoppingForRestart")
        assert replicas == 1, "a version is stopped that cannot be started again"
        upgrade.wait_end("Succeeded")
        runs = upgrade.status()["internal"]["initRuns"]
        assert [run["attempt"] for run in runs] == [1], f"docker_init.sh ran more than once: {runs}"
        checks.check_end(lab, upgrade, before, "succeeded")
        position = upgrade.ask("RollBack")
        upgrade.wait_step("Comparing", direction="RollBack", after=position)
        _, replicas = hold(lab, upgrade, "StartingOld", direction="RollBack")
        assert replicas == 0, "a version is started in a paused Deployment"
        upgrade.wait_end("RolledBack", after=position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()
