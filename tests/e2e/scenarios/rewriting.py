"""Admission rewrites what is written, and autoscalers and GitOps tools write back: told before OMS is stopped where it can be
known, and never fought."""

import json
import threading

import checks
from api import describe
from ctl import manifests
from hooks import DEPLOYMENTS, MIRROR, PODS, patching, put_proxy_before_pull, send_through_mirror
from policies import without_images_policy
from registry import scenario
from scenarios.refusing import refuse
from scenarios.strangers import OLD_ON_NEW
from upgrade import Upgrade

DEPLOYMENT = "/apis/apps/v1/namespaces/{}/deployments/oms"
HPA = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "oms"}, "spec": {
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "oms"}, "minReplicas": 2, "maxReplicas": 3,
    "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]}}


@scenario("webhook-rewrites-images")
def webhook_rewrites(lab):
    """A webhook sends images of Deployments through a mirror: refused before anything is touched, with what comes back."""
    before = checks.Photo(lab)
    with patching(lab, DEPLOYMENTS, send_through_mirror):
        refuse(lab, "rewritten", ("StoredAsSent", MIRROR), seconds=180)
    checks.check_deployments(before, checks.Photo(lab, before.columns), None)


@scenario("sidecar-hides-the-pull")
def sidecar_hides_pull(lab):
    """A mesh puts a container before `pull`: an image that does not exist is refused all the same, and a good one is not."""
    nowhere = "localhost/nowhere:4.0.0-ce"
    with patching(lab, PODS, put_proxy_before_pull):
        refuse(lab, "hidden-pull", ("ImagePullable", nowhere), seconds=180, image=nowhere)
    with (patching(lab, PODS, lambda item: name_broken(put_proxy_before_pull(item))),
          Upgrade(lab, "broken-proxy", action="Plan") as upgrade):
        item = upgrade.watch.wait("planned", lambda item: item["status"].get("phase") == "Planned", 180)
        assert not upgrade.has_findings(item), describe(item)
        upgrade.delete()


def name_broken(patch):
    """The same patch with an image of the proxy that is nowhere."""
    return [{**entry, "value": {**entry["value"], "image": "localhost/no-proxy:1"}} for entry in patch]


@scenario("autoscaler-wakes")
def autoscaler_wakes(lab):
    """An autoscaler sleeps while OMS is stopped and makes two of one at its start: never two versions side by side; back to one
    of the old version once it is gone."""
    before = checks.Photo(lab)
    try:
        with Upgrade(lab, "autoscaled") as upgrade:
            upgrade.wait_step("BackingUp")
            lab.kubectl("apply", "-f", "-", stdin=json.dumps(HPA))
            told = upgrade.wait_stalled("TargetContended", 420)
            assert told["status"]["direction"] == "RollBack", describe(told)
            message = told["status"]["stall"]["message"]
            assert "kube-controller-manager" in message and "spec.retryRequest" in message, describe(told)
            lab.kubectl("delete", "hpa", "oms")
            # It comes while the old version starts, and then all is stopped and compared again, or a moment later, and then
            # the message says how its number goes back.
            late = told["status"]["step"] == "Recovering"
            assert ("--replicas=1" in message) == late, describe(told)
            if late:
                lab.kubectl("scale", "deployment", "oms", "--replicas=1")
            position = len(upgrade.watch.states)
            upgrade.patch(retryRequest="without the autoscaler")
            upgrade.watch.wait("it is rolled back", lambda item: item["status"].get("phase") == "RolledBack"
                               and item["status"].get("settled"), 420, position)
            again = 0 if late else len([job for job in upgrade.jobs() if "-restore-" in job]) - 1
            checks.check_end(lab, upgrade, before, "restored", restores=1 + again, strangers=("kube-controller-manager", "kubectl"),
                             broken=("WriteAfterStop",) if again else ())
            upgrade.delete()
    finally:
        lab.kubectl("delete", "hpa", "oms", "--ignore-not-found")


class Healer(threading.Thread):
    """What a tool that heals by itself does: image and replicas of git come back as soon as they differ."""

    def __init__(self, lab, image):
        super().__init__(daemon=True)
        self.lab, self.image, self.wrote = lab, image, 0
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(2):
            spec = self.lab.api.get(DEPLOYMENT.format(self.lab.namespace))["spec"]
            container = spec["template"]["spec"]["containers"][0]
            if (container["image"], spec["replicas"]) != (self.image, 1):
                self.lab.api.patch(DEPLOYMENT.format(self.lab.namespace) + "?fieldManager=argocd-controller", [
                    {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": self.image},
                    {"op": "replace", "path": "/spec/replicas", "value": 1}], "application/json-patch+json")
                self.wrote += 1

    def stop(self):
        """Until it writes no more."""
        self.done.set()
        if self.is_alive():
            self.join(30)


@scenario("gitops-heals-after-the-line", reusable=False)
def heals_after_line(lab):
    """A GitOps tool wakes while docker_init.sh runs, and no policy refuses it: the old version is not left on the new schema; back."""
    before = checks.Photo(lab)
    healer = Healer(lab, manifests.IMAGE + manifests.OLD)
    try:
        with without_images_policy(lab), Upgrade(lab, "healed-late") as upgrade:
            upgrade.wait_step("Initializing")
            healer.start()
            turned = upgrade.watch.wait("it turns back", lambda item: item["status"].get("direction") == "RollBack", 120)
            assert "argocd-controller" in turned["status"]["cause"]["message"], describe(turned)
            told = upgrade.watch.wait("it is told, or over", lambda item: item["status"].get("direction") == "RollBack" and (
                item["status"].get("stall") or item["status"].get("settled")), 300)
            healer.stop()
            if told["status"].get("stall"):
                assert "argocd-controller" in told["status"]["stall"]["message"], describe(told)
                upgrade.patch(retryRequest="without the tool")
            # Nothing refuses the new image, and the tool keeps the Deployment: it is held until git is said to name the old one.
            held = upgrade.watch.wait("it is rolled back, and held", lambda item: item["status"].get("phase") == "RolledBack" and any(
                one["type"] == "SourceConverged" and one["reason"] == "SourceHeld" for one in item["status"]["conditions"]), 420)
            assert not held["status"].get("settled"), describe(held)
            upgrade.patch(gitops={"sourceImage": manifests.IMAGE + manifests.OLD})
            upgrade.watch.wait("everything is given back", lambda item: item["status"].get("settled"), 60)
            # The tool is to blame for what its old version did, and owns what it wrote; content and image are as before all the same.
            checks.check_end(lab, upgrade, before, "restored", strangers=("argocd-controller",), broken=OLD_ON_NEW)
            upgrade.delete()
    finally:
        healer.stop()
