"""The OmsUpgrade in git beside the Deployment: what Argo CD and Flux say of it, requests in git and by Argo CD's actions.
Owners that were switched off in words only.
"""

import json

import checks
import markdown
import yaml
from api import Watch, describe, upgrades_path
from owners import PAGE, Application, Kustomization
from processes import poll
from registry import scenario
from there_and_back import AT_THE_LINE, OLD, find_attested, forget_applied, read_pause, wait_at_the_line
from upgrade import IMAGE, Upgrade

SERVER = "system:serviceaccount:argocd:argocd-server"


class Committed(Upgrade):
    """An OmsUpgrade that its owner makes out of git."""

    def __init__(self, lab, owner, name, **changes):
        super().__init__(lab, name, **changes)
        self.owner = owner

    def create(self):
        """Commits it, with a watch that misses no state."""
        self.watch = Watch(self.lab.api, self.lab.namespace, self.name)
        self.mark = self.lab.audit.mark()
        self.owner.publish(self.owner.repository.commit("the upgrade", upgrade=self.manifest))
        item = self.watch.wait("the object made out of git", lambda item: True, 120)
        self.uid = item["metadata"]["uid"]

    def commit(self, message, **spec):
        """Git says something else of it."""
        self.manifest["spec"].update(spec)
        return self.owner.publish(self.owner.repository.commit(message, upgrade=self.manifest))

    def remove(self):
        """Git has it no more, and pruning is on."""
        self.owner.publish(self.owner.repository.commit("over", upgrade=None))
        self.watch.wait_deleted(120)


def expect_unchanged(lab, upgrade, before):
    """Everything is as before, and nobody was in the way."""
    after = forget_applied(checks.Photo(lab, before.columns))
    found = checks.Findings()
    found.look(checks.check_deployments, forget_applied(before), after, None)
    found.look(checks.check_content_as_before, before, after)
    found.look(checks.check_services, lab, before, after)
    found.look(checks.check_nothing_left, lab, upgrade, before, after)
    found.look(checks.check_backup, lab, upgrade)
    found.look(checks.check_jobs, upgrade, 0)
    found.look(checks.check_quiet, lab, upgrade)
    found.conclude()


@scenario("argocd-abort", sample=True, fresh=True, reusable=False)
def argocd_abort(lab):
    """The OmsUpgrade in git under Argo CD: health, an abort by the action although git says Run, and pruning."""
    with Application(lab) as owner:
        owner.take_over()
        before = checks.Photo(lab)
        with Committed(lab, owner, "in-git", action="Run", checks=find_attested(), approval=AT_THE_LINE) as upgrade:
            owner.poll("Progressing", lambda: owner.read().get("health", {}).get("status") == "Progressing", 120)
            wait_at_the_line(upgrade)
            owner.poll("Degraded at the gate", lambda: owner.read()["health"]["status"] == "Degraded", 60)
            patch = ("patch", "omsup", "in-git", f"--as={SERVER}", "--type=merge", "-p", json.dumps({"spec": {"action": "Abort"}}))
            # An earlier run may have left what the page has people make.
            lab.kubectl("delete", "rolebinding", "argocd-buttons-operator", "argocd-buttons-approver", "--ignore-not-found")
            lab.apply(SERVER_ROLE)
            lab.apply(SERVER_BINDING)
            code, text = lab.try_kubectl(*patch)
            assert code != 0 and "operate" in text, f"Argo CD's server may operate without the roles of the page: {text}"
            for binding in yaml.safe_load_all(markdown.find_block(PAGE, "argocd-buttons-operator")):
                lab.apply(binding)
            position = len(upgrade.watch.states)
            code, text = lab.try_kubectl(*patch)
            assert code == 0, text
            upgrade.wait_end("Aborted", after=position)
            action = lab.api.get(upgrades_path(lab.namespace, "in-git"))["spec"]["action"]
            assert action == "Run", f"Argo CD left {action}"
            expect_unchanged(lab, upgrade, before)
            owner.poll("Degraded at the end", lambda: owner.read()["health"]["status"] == "Degraded", 60)
            owner.wait_synced(owner.repository.head())
            upgrade.remove()
            owner.poll("Healthy without it", lambda: owner.read()["health"]["status"] == "Healthy", 60)


# What Argo CD ships for its server (manifests/cluster-rbac/server), of which only this matters here.
SERVER_ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "argocd-server"},
               "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["delete", "get", "patch"]}]}
SERVER_BINDING = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "argocd-server"},
                  "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "argocd-server"},
                  "subjects": [{"kind": "ServiceAccount", "name": "argocd-server", "namespace": "argocd"}]}


@scenario("flux-abort", sample=True, fresh=True, reusable=False)
def flux_abort(lab):
    """The OmsUpgrade in git under Flux with wait: it fails at a gate at once, git asks for the abort, and pruning takes it away."""
    with Kustomization(lab, wait=True) as owner:
        owner.take_over()
        before = checks.Photo(lab)
        with Committed(lab, owner, "in-git", approval=AT_THE_LINE) as upgrade:
            wait_at_the_line(upgrade)
            owner.wait_refused("OmsUpgrade/oms/in-git")
            position = len(upgrade.watch.states)
            upgrade.commit("abort", action="Abort")
            upgrade.wait_end("Aborted", after=position)
            owner.wait_refused("OmsUpgrade/oms/in-git")
            assert read_pause(lab) is None, "the pause is not taken off"
            checks.check_content_as_before(before, checks.Photo(lab, before.columns))
            assert owner.see() == (OLD, 1), owner.see()
            upgrade.remove()
            owner.wait_synced(owner.repository.head())


def expect_aborted(lab, owner, upgrade, before, seconds):
    """The old version runs on its own data again, whatever the owner wrote meanwhile."""
    upgrade.watch.wait("Aborted", lambda item: item["status"].get("phase") == "Aborted" and item["status"].get("settled"), seconds)
    after = checks.Photo(lab, before.columns)
    checks.check_content_as_before(before, after)
    checks.check_services(lab, before, after)
    assert owner.see() == (OLD, 1), owner.see()


@scenario("argocd-attested-falsely", fresh=True, reusable=False)
def argocd_attested_falsely(lab):
    """Argo CD heals the Deployment although somebody attested that it does not: told by name, and nothing is lost."""
    with Application(lab, settings=False) as owner:
        owner.take_over()
        before = checks.Photo(lab)
        with Upgrade(lab, "false-word", checks=find_attested()) as upgrade:
            told = upgrade.watch.wait("it turns back", lambda item: item["status"].get("direction") == "Abort", 300)
            message = told["status"]["cause"]["message"]
            assert "argocd-controller" in message, describe(told)
            expect_aborted(lab, owner, upgrade, before, 300)
            upgrade.delete()


@scenario("argocd-too-early", fresh=True, reusable=False)
def argocd_too_early(lab):
    """Commits while OMS is stopped for the backup: the new image is not started; anything else is told, and the backup is discarded."""
    with Application(lab) as owner:
        owner.take_over()
        before = checks.Photo(lab)
        with Upgrade(lab, "too-early", checks=find_attested(), approval=AT_THE_LINE) as upgrade:
            wait_at_the_line(upgrade)
            # That is what will stand there in the end.
            owner.commit_image("OMS 4.0.0, too early", IMAGE)
            poll("Argo CD has written it", lambda: owner.see()[0] == IMAGE, 60)
            assert owner.see() == (IMAGE, 0), f"the new version was started: {owner.see()}"
            variables = owner.deployment["spec"]["template"]["spec"]["containers"][0]["env"]
            owner.commit("a variable", env=[*variables, {"name": "FROM_GIT", "value": "late"}])
            told = upgrade.watch.wait("it is seen", lambda item: item["status"].get("direction") == "Abort"
                                      or item["status"].get("stall"), 120)
            owner.commit("OMS 3.3.1 as it was")
            assert "argocd" in describe(told), describe(told)
            expect_aborted(lab, owner, upgrade, before, 420)
            upgrade.delete()
