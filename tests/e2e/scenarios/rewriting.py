"""Admission rewrites what is written: told before OMS is stopped where it can be known."""

import threading

import checks
from api import describe
from hooks import DEPLOYMENTS, MIRROR, PODS, patching, put_proxy_before_pull, send_through_mirror
from registry import scenario
from scenarios.refusing import refuse
from upgrade import Upgrade

DEPLOYMENT = "/apis/apps/v1/namespaces/{}/deployments/oms"


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
