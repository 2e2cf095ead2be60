"""Somebody who knows nothing of the upgrade sets an image, scales, undoes or deletes: never a version on a schema that is
not its own, and everybody is told who it was."""

import checks
from api import condition, describe
from ctl import manifests
from registry import scenario
from scenarios.killing import kill_operator
from upgrade import IMAGE, Upgrade

OLD_IMAGE = manifests.IMAGE + manifests.OLD


def set_image(image):
    """The words of `kubectl set image`."""
    return ("set", "image", "deployment/oms", f"*={image}")


def meet(lab, name, step, *act, ends):
    """Somebody does something in a step; the upgrade comes to its end, or to a standstill whose listed act leads there. The
    state in which it was told."""
    before = checks.Photo(lab)
    with Upgrade(lab, name) as upgrade:
        upgrade.wait_step(step)
        position = len(upgrade.watch.states)
        lab.kubectl(*act)

        def is_told(item):
            status = item["status"]
            return status.get("stall") or status.get("cause") or (status.get("settled") and upgrade.is_over(item))

        told = upgrade.watch.wait("it is told", is_told, 300, position)
        stalled = told["status"].get("stall")
        if stalled:
            listed = {action["name"]: action["command"] for action in told["status"]["nextActions"]}
            way = "RollBack" if "RollBack" in listed else "Retry"
            assert way in listed, describe(told)
            position = upgrade.ask("RollBack") if way == "RollBack" else len(upgrade.watch.states)
            if way == "Retry":
                upgrade.patch(retryRequest="again")
        upgrade.wait_end(ends, seconds=420, after=position)
        outcome = {"Aborted": "unchanged", "RolledBack": "restored", "Succeeded": "succeeded"}[ends]
        checks.check_end(lab, upgrade, before, outcome)
        if ends == "Succeeded":
            position = upgrade.ask("RollBack")
            upgrade.wait_end("RolledBack", after=position)
            checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()
    return told


@scenario("stranger-sets-image-backing-up")
def image_backing_up(lab):
    """kubectl set image to the new version while the dump runs: nothing was started; everything as before."""
    told = meet(lab, "set-image-dump", "BackingUp", *set_image(IMAGE), ends="Aborted")
    assert "kubectl-set" in condition(told, "Ready")["message"], describe(told)


@scenario("stranger-sets-image-initializing")
def image_initializing(lab):
    """kubectl set image to the old version while docker_init.sh runs: it is stopped, and data and image go back."""
    meet(lab, "set-image-init", "Initializing", *set_image(OLD_IMAGE), ends="RolledBack")


@scenario("stranger-sets-image-recovering")
def image_recovering(lab):
    """kubectl set image to the old version after the new one runs: told; the rollback that is asked for restores."""
    meet(lab, "set-image-late", "Recovering", *set_image(OLD_IMAGE), ends="RolledBack")


@scenario("stranger-scales-backing-up")
def scale_backing_up(lab):
    """kubectl scale to one while the dump runs: the dump is discarded; everything as before."""
    meet(lab, "scale-dump", "BackingUp", "scale", "deployment", "oms", "--replicas=1", ends="Aborted")


@scenario("stranger-scales-initializing")
def scale_initializing(lab):
    """kubectl scale to zero while docker_init.sh runs: it goes back with data and image."""
    meet(lab, "scale-init", "Initializing", "scale", "deployment", "oms", "--replicas=0", ends="RolledBack")


@scenario("stranger-scales-recovering")
def scale_recovering(lab):
    """kubectl scale to zero after the new version runs: told; the rollback that is asked for restores."""
    meet(lab, "scale-late", "Recovering", "scale", "deployment", "oms", "--replicas=0", ends="RolledBack")


@scenario("stranger-undoes-initializing")
def undo_initializing(lab):
    """kubectl rollout undo while docker_init.sh runs: the old version is stopped, and data and image go back."""
    meet(lab, "undo-init", "Initializing", "rollout", "undo", "deployment", "oms", ends="RolledBack")


@scenario("stranger-undoes-recovering")
def undo_recovering(lab):
    """kubectl rollout undo after the new version runs: told; the rollback that is asked for restores."""
    meet(lab, "undo-late", "Recovering", "rollout", "undo", "deployment", "oms", ends="RolledBack")


def put_back(lab, name, step):
    """The status of a step is put back after success, as a cluster that is restored from a snapshot has it; the operator is
    restarted. What runs is left alone, and people are asked; what they accept leads to an end."""
    before = checks.Photo(lab)
    with Upgrade(lab, name) as upgrade:
        old = upgrade.wait_step(step)["status"]
        upgrade.wait_end("Succeeded")
        pods = checks.pod_uids(lab)
        after = checks.Photo(lab, before.columns)
        item = lab.api.call("GET", upgrade.path)
        item["status"] = old
        position = len(upgrade.watch.states)
        lab.api.call("PUT", upgrade.path + "/status", item)
        kill_operator(lab)
        told = upgrade.wait_stalled("StatusOlder", after=position)
        assert checks.pod_uids(lab) == pods, "the new version was touched"
        checks.check_content_migrated(before, checks.Photo(lab, before.columns))
        assert checks.Photo(lab, before.columns).fixed_tables() == after.fixed_tables(), "data was changed"
        asked = told["status"]["stall"]["accept"]
        position = len(upgrade.watch.states)
        upgrade.patch(accept=asked)
        upgrade.wait_end("RolledBack", seconds=420, after=position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


@scenario("status-of-backing-up-after-success")
def put_back_backing_up(lab):
    """The status of BackingUp is put back after success: nothing is started or stopped, and a person decides."""
    put_back(lab, "old-dump", "BackingUp")


@scenario("status-of-locking-after-success")
def put_back_locking(lab):
    """The status from before the stop is put back after success: nothing is started or stopped, and a person decides."""
    put_back(lab, "old-stop", "StoppingOld")
