"""Deletions in the middle: of the object, in the background and in the foreground, and of the namespace."""

import checks
from processes import poll
from registry import scenario
from upgrade import Upgrade


def delete_in(lab, name, step, cascade, outcome):
    """Deletes the object in a step; it goes only when everything is as before."""
    before = checks.Photo(lab)
    with Upgrade(lab, name) as upgrade:
        upgrade.wait_step(step)
        lab.kubectl("delete", "omsup", name, f"--cascade={cascade}", "--wait=false")
        upgrade.watch.wait_deleted(300)
        end = [item for item in upgrade.watch.states if item["status"].get("phase") in ("Aborted", "RolledBack", "Succeeded")]
        assert end, "the object went without a verdict"
        assert end[-1]["status"]["phase"] == outcome, end[-1]["status"]["phase"]
        lab.wait_serving()
        checks.check_end(lab, upgrade, before, {"Aborted": "unchanged", "RolledBack": "restored"}[outcome])


@scenario("delete-background-before-the-line")
def delete_background_before(lab):
    """kubectl delete while the dump runs: aborts first."""
    delete_in(lab, "delete-bg-before", "BackingUp", "background", "Aborted")


@scenario("delete-foreground-before-the-line")
def delete_foreground_before(lab):
    """kubectl delete --cascade=foreground while the dump runs: no Job is torn away, aborts first."""
    delete_in(lab, "delete-fg-before", "BackingUp", "foreground", "Aborted")


def delete_after(lab, name, cascade):
    """After the line a deletion waits until the upgrade is finished; the upgrade succeeds."""
    before = checks.Photo(lab)
    with Upgrade(lab, name) as upgrade:
        upgrade.wait_step("Initializing")
        lab.kubectl("delete", "omsup", name, f"--cascade={cascade}", "--wait=false")
        upgrade.watch.wait_deleted(300)
        phases = [item["status"].get("phase") for item in upgrade.watch.states]
        assert "Succeeded" in phases, phases[-3:]
        lab.wait_serving()
        checks.check_end(lab, upgrade, before, "succeeded")


@scenario("delete-background-after-the-line", reusable=False)
def delete_background_after(lab):
    """kubectl delete while docker_init.sh runs: the operator finishes first."""
    delete_after(lab, "delete-bg-after", "background")


@scenario("delete-foreground-after-the-line", reusable=False)
def delete_foreground_after(lab):
    """kubectl delete --cascade=foreground while docker_init.sh runs: the operator finishes first."""
    delete_after(lab, "delete-fg-after", "foreground")


@scenario("delete-the-namespace", reusable=False)
def delete_namespace(lab):
    """The namespace is deleted while the dump runs: nothing stays stuck."""
    with Upgrade(lab, "namespace-goes") as upgrade:
        upgrade.wait_step("BackingUp")
        lab.kubectl("delete", "namespace", lab.namespace, "--wait=false")
        poll("the namespace gone", lambda: lab.api.get(f"/api/v1/namespaces/{lab.namespace}") is None, 150, 1)
    lab.engine, lab.operator, lab.namespace_was_deleted = None, False, True
