"""Upgrade, abort and rollback of a Deployment that Argo CD or Flux owns, with automation on all the time."""

import checks
import markdown
import yaml
from api import describe
from ctl import manifests
from owners import PAGE, Application, Kustomization
from registry import scenario
from upgrade import ATTESTED, IMAGE, Upgrade

OLD = manifests.IMAGE + manifests.OLD
# What a refused sync says: who forbids it, and what to write into git.
REFUSAL = ("OmsUpgrade oms/", "forbids image", "write image: ")
NOTE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "oms-note", "namespace": "oms"}, "data": {"by": "the team"}}
AT_THE_LINE = {"gates": ["PointOfNoReturn"], "timeout": "15m"}


def find_attested():
    """The check that the page has the users of Argo CD attest, with that of a fresh installation."""
    return [*ATTESTED, *yaml.safe_load(markdown.find_block(PAGE, "NoOtherOwner"))["checks"]]


def expect_finding(lab, name, words, **changes):
    """A plan says that somebody owns the Deployment, and what to do about it in the words of the page."""
    with Upgrade(lab, name, action="Plan", **changes) as upgrade:
        item = upgrade.wait_findings()
        found = {one["name"]: one for one in item["status"]["plan"]["checks"] if one["outcome"] == "Failed"}
        assert "NoOtherOwner" in found, f"nothing is said of the owner: {sorted(found)}"
        told = f"{found['NoOtherOwner']['evidence']} {found['NoOtherOwner']['wayOut']}"
        for word in words:
            assert word in told, f"{word!r} is not in {told}"
        upgrade.delete()


def wait_at_the_line(upgrade):
    """Until OMS is stopped, the backup is proven, and a person is asked."""
    def waits(item):
        status = item.get("status", {})
        newest = item is upgrade.watch.last()
        assert not (newest and (upgrade.is_over(item) or upgrade.has_findings(item))), f"it ended: {describe(item)}"
        return status.get("waiting", {}).get("reason") == "ApprovalNeeded"
    return upgrade.watch.wait("the gate", waits, 300)


def approve(upgrade):
    """The plan that waits is approved."""
    upgrade.patch(approval={"planHash": upgrade.status()["plan"]["hash"]})


def expect_image(lab, owner, image, pods):
    """The image is this one, and no pod was made anew."""
    assert owner.see() == (image, 1), f"not {image}: {owner.see()}"
    assert checks.pod_uids(lab) == pods, "OMS was restarted"


def follow_success(lab, owner):
    """After a success: the old image is refused until git is right; the right one changes nothing; a revert is refused."""
    pods = checks.pod_uids(lab)
    owner.wait_refused(*REFUSAL)
    expect_image(lab, owner, IMAGE, pods)
    owner.wait_synced(owner.commit_image("OMS 4.0.0", IMAGE), 300)
    expect_image(lab, owner, IMAGE, pods)
    owner.revert()
    owner.wait_refused(*REFUSAL)
    expect_image(lab, owner, IMAGE, pods)
    owner.wait_synced(owner.revert(), 300)
    expect_image(lab, owner, IMAGE, pods)


def follow_rollback(lab, owner, before):
    """After a rollback: the new image is refused until git is right; the old one changes nothing."""
    pods = checks.pod_uids(lab)
    owner.wait_refused(*REFUSAL)
    expect_image(lab, owner, OLD, pods)
    owner.wait_synced(owner.commit_image("OMS 3.3.1 again", OLD), 300)
    expect_image(lab, owner, OLD, pods)
    after = checks.Photo(lab, before.columns)
    checks.check_content_as_before(before, after)
    checks.check_services(lab, before, after)


def forget_applied(photo):
    """What Argo CD wrote into its annotation at its last sync is its own affair."""
    for item in photo.deployments.values():
        item["metadata"].get("annotations", {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return photo


def check_success(lab, upgrade, before):
    """Everything that holds after a success, for an owner who synced on the way."""
    after = forget_applied(checks.Photo(lab, before.columns))
    found = checks.Findings()
    found.look(checks.check_deployments, forget_applied(before), after, IMAGE)
    found.look(checks.check_content_migrated, before, after, IMAGE)
    found.look(checks.check_services, lab, before, after)
    found.look(checks.check_nothing_left, lab, upgrade, before, after)
    found.look(checks.check_backup, lab, upgrade)
    found.look(checks.check_jobs, upgrade, 0)
    found.conclude()


def run_argocd(lab, name, server_side):
    with Application(lab, server_side=server_side) as owner:
        owner.take_over()
        before = checks.Photo(lab)
        expect_finding(lab, f"{name}-unattested", ("Argo CD", "managedFieldsManagers: [oms-operator]", "RespectIgnoreDifferences=true"))
        with Upgrade(lab, name, checks=find_attested(), approval=AT_THE_LINE) as upgrade:
            wait_at_the_line(upgrade)
            owner.wait_synced(owner.publish(owner.repository.commit("a note", note=NOTE)))
            assert owner.see() == (OLD, 0), f"Argo CD wrote the Deployment: {owner.see()}"
            approve(upgrade)
            upgrade.wait_end("Succeeded", 480)
            check_success(lab, upgrade, before)
            follow_success(lab, owner)
            position = upgrade.ask("RollBack")
            upgrade.wait_end("RolledBack", 480, after=position)
            follow_rollback(lab, owner, before)
            upgrade.delete()


@scenario("argocd-there-and-back", sample=True, fresh=True, reusable=False)
def argocd(lab):
    """Argo CD with automated sync, selfHeal and prune: upgrade and rollback, with commits on the way and after it."""
    run_argocd(lab, "argo", server_side=False)


@scenario("argocd-server-side", fresh=True, reusable=False)
def argocd_server_side(lab):
    """The same with ServerSideApply=true."""
    run_argocd(lab, "argo-ssa", server_side=True)


def read_pause(lab):
    """What the annotation on the live Deployment says that pauses Flux."""
    annotations = lab.get("deployment", "oms")["metadata"].get("annotations", {})
    return annotations.get("kustomize.toolkit.fluxcd.io/reconcile")


@scenario("flux-there-and-back", sample=True, fresh=True, reusable=False)
def flux(lab):
    """Flux, which the operator pauses and lets go of: upgrade and rollback, with commits on the way and after it."""
    with Kustomization(lab) as owner:
        owner.take_over()
        before = checks.Photo(lab)
        with Upgrade(lab, "flux", approval=AT_THE_LINE) as upgrade:
            wait_at_the_line(upgrade)
            assert read_pause(lab) == "disabled", "the operator has not paused Flux"
            owner.wait_synced(owner.commit_image("too early", IMAGE))
            assert owner.see() == (OLD, 0), f"Flux wrote the Deployment: {owner.see()}"
            owner.wait_synced(owner.revert())
            approve(upgrade)
            upgrade.wait_end("Succeeded", 480)
            check_success(lab, upgrade, before)
            assert read_pause(lab) is None, "the pause is not taken off"
            follow_success(lab, owner)
            position = upgrade.ask("RollBack")
            upgrade.wait_end("RolledBack", 480, after=position)
            assert read_pause(lab) is None, "the pause is not taken off"
            follow_rollback(lab, owner, before)
            upgrade.delete()
