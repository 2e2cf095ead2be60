"""Somebody who knows nothing of the upgrade sets an image, scales, undoes or deletes: never a version on a schema that is
not its own, and everybody is told who it was."""

from contextlib import nullcontext

import checks
from api import condition, describe
from ctl import manifests
from lab import RELEASE
from policies import expect_refusal, without_images_policy
from processes import poll
from registry import scenario
from upgrade import IMAGE, Upgrade

OLD_IMAGE = manifests.IMAGE + manifests.OLD
# What is broken when somebody starts the old version in place of the new one. The last one is said of the restore, for the
# old version is what ran last.
OLD_ON_NEW = ("OldOnNewSchema", "HaWhileDown", "WriteAfterStop")


def set_image(image):
    """The words of `kubectl set image`."""
    return ("set", "image", "deployment/oms", f"*={image}")


def meet(lab, name, step, *act, ends, who="kubectl-set", broken=()):
    """Somebody does something in a step; the upgrade comes to its end, or to a standstill whose listed act leads there. Who
    did it is named wherever something comes of it. `broken` are the rules of the stand-in that the act itself breaks: where the
    old version comes onto the new schema no policy keeps it away."""
    with without_images_policy(lab) if "OldOnNewSchema" in broken else nullcontext():
        meet_act(lab, name, step, act, ends, who, broken)


def meet_act(lab, name, step, act, ends, who, broken):
    """The same, whatever policies there are."""
    before = checks.Photo(lab)
    if step == "Initializing":
        lab.bad_day("init-slow", "20")
    with Upgrade(lab, name) as upgrade:
        upgrade.wait_step(step)
        if step == "Initializing":
            # Before it has changed something there is nothing to restore.
            poll("docker_init.sh has changed the schema", lambda: lab.state()["schema"] != before.state["schema"], 60)
        position = len(upgrade.watch.states)
        lab.kubectl(*act)
        if step == "Initializing":
            lab.bad_day("--clear")

        def is_told(item):
            status = item["status"]
            return status.get("stall") or status.get("cause") or (status.get("settled") and upgrade.is_over(item))

        told = upgrade.watch.wait("it is told", is_told, 300, position)
        stalled = told["status"].get("stall")
        blamed = stalled or told["status"].get("cause")
        assert (blamed is None) == (ends == "Succeeded"), describe(told)
        assert blamed is None or who in blamed["message"], blamed
        if stalled:
            listed = {action["name"]: action["command"] for action in told["status"]["nextActions"]}
            way = "RollBack" if "RollBack" in listed else "Retry"
            assert way in listed, describe(told)
            position = upgrade.ask("RollBack") if way == "RollBack" else len(upgrade.watch.states)
            if way == "Retry":
                upgrade.patch(retryRequest="again")
        upgrade.wait_end(ends, seconds=420, after=position)
        outcome = {"Aborted": "unchanged", "RolledBack": "restored", "Succeeded": "succeeded"}[ends]
        checks.check_end(lab, upgrade, before, outcome, strangers=(who,), broken=broken)
        if ends == "Succeeded":
            position = upgrade.ask("RollBack")
            upgrade.wait_end("RolledBack", after=position)
            checks.check_end(lab, upgrade, before, "restored", strangers=(who,))
        upgrade.delete()


@scenario("stranger-sets-new-image-backing-up")
def new_image_backing_up(lab):
    """kubectl set image to the new version while the dump runs: nothing was started by it, so it succeeds; and back."""
    meet(lab, "set-new-dump", "BackingUp", *set_image(IMAGE), ends="Succeeded")


@scenario("stranger-sets-image-backing-up")
def image_backing_up(lab):
    """kubectl set image to a third version while the dump runs: nothing is started; everything as before."""
    meet(lab, "set-image-dump", "BackingUp", *set_image(manifests.IMAGE + "3.4.0-ce"), ends="Aborted")


@scenario("stranger-sets-image-initializing")
def image_initializing(lab):
    """kubectl set image to the old version while docker_init.sh runs: it is stopped, and data and image go back."""
    meet(lab, "set-image-init", "Initializing", *set_image(OLD_IMAGE), ends="RolledBack", broken=OLD_ON_NEW)


@scenario("stranger-sets-image-recovering")
def image_recovering(lab):
    """kubectl set image to the old version after the new one runs: told; the rollback that is asked for restores."""
    meet(lab, "set-image-late", "Recovering", *set_image(OLD_IMAGE), ends="RolledBack", broken=OLD_ON_NEW)


@scenario("stranger-scales-backing-up")
def scale_backing_up(lab):
    """kubectl scale to one while the dump runs: the dump is discarded; everything as before."""
    meet(lab, "scale-dump", "BackingUp", "scale", "deployment", "oms", "--replicas=1", ends="Aborted", who="kubectl")


@scenario("stranger-scales-initializing")
def scale_initializing(lab):
    """kubectl scale to zero while docker_init.sh runs: it goes back with data and image."""
    meet(lab, "scale-init", "Initializing", "scale", "deployment", "oms", "--replicas=0", ends="RolledBack", who="kubectl")


@scenario("stranger-scales-recovering")
def scale_recovering(lab):
    """kubectl scale to zero after the new version runs: told; the rollback that is asked for restores."""
    meet(lab, "scale-late", "Recovering", "scale", "deployment", "oms", "--replicas=0", ends="RolledBack", who="kubectl")


@scenario("stranger-undoes-initializing")
def undo_initializing(lab):
    """kubectl rollout undo while docker_init.sh runs: the old version is stopped, and data and image go back."""
    meet(lab, "undo-init", "Initializing", "rollout", "undo", "deployment", "oms", ends="RolledBack", who="kubectl",
         broken=OLD_ON_NEW)


@scenario("stranger-undoes-recovering")
def undo_recovering(lab):
    """kubectl rollout undo after the new version runs: told; the rollback that is asked for restores."""
    meet(lab, "undo-late", "Recovering", "rollout", "undo", "deployment", "oms", ends="RolledBack", who="kubectl",
         broken=("UpgradeStartAfterInit",))


@scenario("old-image-is-kept-away")
def old_image_kept_away(lab):
    """The old image while docker_init.sh runs, and a sync that writes it after the end: refused by the chart's policy with what
    to write instead; success. After a rollback the same with the new image."""
    before = checks.Photo(lab)
    lab.bad_day("init-slow", "20")
    old = ("forbids image " + OLD_IMAGE, "nothing was written", "write image: " + IMAGE)
    with Upgrade(lab, "kept-away") as upgrade:
        upgrade.wait_step("Initializing")
        expect_refusal(lab, old, *set_image(OLD_IMAGE))
        expect_refusal(lab, old, "rollout", "undo", "deployment", "oms")
        lab.bad_day("--clear")
        upgrade.wait_end("Succeeded")
        expect_refusal(lab, old, *set_image(OLD_IMAGE), "--field-manager=argocd-controller")
        checks.check_end(lab, upgrade, before, "succeeded")
        position = upgrade.ask("RollBack")
        upgrade.wait_step("Comparing", direction="RollBack", after=position)
        expect_refusal(lab, ("forbids image " + OLD_IMAGE, "while its rollback works on the databases"), *set_image(OLD_IMAGE))
        upgrade.wait_end("RolledBack", after=position)
        expect_refusal(lab, ("forbids image " + IMAGE, "write image: " + OLD_IMAGE), *set_image(IMAGE))
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


def let_go(lab, upgrade):
    """What the message tells a person to do in the end."""
    lab.kubectl("annotate", "omsup", upgrade.name, RELEASE)
    lab.kubectl("delete", "omsup", upgrade.name, "--wait=false")
    upgrade.watch.wait_deleted(60)
    last = [item for item in upgrade.watch.states if item["status"].get("phase") == "Failed"][-1]
    assert "nothing was put back" in condition(last, "Ready")["message"], describe(last)


def delete_deployment(lab, name, step):
    """kubectl delete deployment in a step: nothing is made anew nor written, the message says what to do, and people who let
    go of the object find backup and originals where it was said."""
    with Upgrade(lab, name) as upgrade:
        upgrade.wait_step(step)
        lab.kubectl("delete", "deployment", "oms", "--wait=false")
        told = upgrade.wait_stalled("TargetVanished", 300)
        for word in ("Deployment oms was deleted", "by hand", "oms.oceanbase.com/release", "spec.retryRequest does not help"):
            assert word in told["status"]["stall"]["message"], describe(told)
        assert not lab.get("deployments", "-l", "app=oms")["items"], "a Deployment was made"
        assert not [job for job in upgrade.jobs() if "-restore-" in job], f"a restore began: {upgrade.jobs()}"
        if upgrade.status().get("backup", {}).get("verified"):
            checks.check_backup(lab, upgrade)
        let_go(lab, upgrade)
        # What people bring OMS back with.
        secrets = lab.get("secrets", "-l", f"oms.oceanbase.com/upgrade-uid={upgrade.uid}")["items"]
        assert [item for item in secrets if item["metadata"]["name"].endswith("-originals")], "the originals are gone"


@scenario("stranger-deletes-backing-up", reusable=False)
def delete_backing_up(lab):
    """kubectl delete deployment while the dump runs: told, nothing is made anew, and a person lets go."""
    delete_deployment(lab, "delete-dump", "BackingUp")


@scenario("stranger-deletes-initializing", reusable=False)
def delete_initializing(lab):
    """kubectl delete deployment while docker_init.sh runs: told, nothing is restored under it, and a person lets go."""
    delete_deployment(lab, "delete-init", "Initializing")


@scenario("stranger-deletes-recovering", reusable=False)
def delete_recovering(lab):
    """kubectl delete deployment after the new version runs: told, the backup stays, and a person lets go."""
    delete_deployment(lab, "delete-late", "Recovering")


@scenario("stranger-undoes-backing-up")
def undo_backing_up(lab):
    """kubectl rollout undo while the dump runs: another template at no replicas; everything as before."""
    # There must be an older revision to go back to.
    lab.kubectl("rollout", "restart", "deployment", "oms")
    lab.wait_serving()
    meet(lab, "undo-dump", "BackingUp", "rollout", "undo", "deployment", "oms", ends="Aborted", who="kubectl")


@scenario("stranger-pauses-recovering")
def pause_recovering(lab):
    """kubectl rollout pause after the new version runs: it has nothing more to start, and succeeds; the rollback restores."""
    before = checks.Photo(lab)
    with Upgrade(lab, "pause-late") as upgrade:
        upgrade.wait_step("Recovering")
        lab.kubectl("rollout", "pause", "deployment", "oms")
        upgrade.wait_end("Succeeded")
        lab.kubectl("rollout", "resume", "deployment", "oms")
        checks.check_end(lab, upgrade, before, "succeeded")
        position = upgrade.ask("RollBack")
        upgrade.wait_end("RolledBack", after=position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()
