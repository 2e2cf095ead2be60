"""Deployments made by kubectl apply, by server-side apply and by Helm, there and back, and their owners' next apply."""

import copy
import json
import os

import checks
from ctl import manifests
from lab import ROOT
from registry import scenario
from upgrade import IMAGE, Upgrade

CHART = os.path.join(ROOT, "tests", "e2e", "charts", "oms-node")
APPLY = ("apply", "-f", "-")
SERVER_SIDE = ("apply", "--server-side", "--field-manager=gitops-robot", "-f", "-")


def find_node(lab):
    """(name, address) of the first node."""
    node = lab.get("nodes")["items"][0]
    return node["metadata"]["name"], next(entry["address"] for entry in node["status"]["addresses"]
                                          if entry["type"] == "InternalIP")


def remake(lab, make):
    """OMS's Deployment made anew by another owner; waits until it serves."""
    lab.kubectl("delete", "deployment", "oms", "--cascade=foreground", "--wait", "--timeout=120s")
    make()
    lab.wait_serving()


def there_and_back(lab, name, apply_again):
    """Success, the owner's apply with the new image; rollback, the owner's apply of the old manifest."""
    before = checks.Photo(lab)
    with Upgrade(lab, name) as upgrade:
        upgrade.wait_end("Succeeded")
        checks.check_end(lab, upgrade, before, "succeeded")
        pods = checks.pod_uids(lab)
        apply_again(IMAGE)
        assert checks.pod_uids(lab) == pods, "the owner's apply with the new image restarted OMS"
        position = upgrade.ask("RollBack")
        upgrade.wait_end("RolledBack", after=position)
        after = checks.Photo(lab, before.columns)
        checks.check_content_as_before(before, after)
        checks.check_services(lab, before, after)
        pods = checks.pod_uids(lab)
        apply_again(manifests.IMAGE + manifests.OLD)
        assert checks.pod_uids(lab) == pods, "the owner's apply of the old manifest restarted OMS"
        # The owner wrote the image twice, so the text of its last configuration is that of before again.
        checks.check_deployments(before, checks.Photo(lab, before.columns), None)
        upgrade.delete()


def applied_by(lab, name, command):
    """A Deployment of one kubectl command's making."""
    manifest = manifests.oms_objects([find_node(lab)])[0]

    def apply_again(image):
        wanted = copy.deepcopy(manifest)
        wanted["spec"]["template"]["spec"]["containers"][0]["image"] = image
        code, text = lab.try_kubectl(*command, stdin=json.dumps(wanted))
        assert code == 0, f"the owner's apply fails: {text}"

    remake(lab, lambda: lab.kubectl(*command, stdin=json.dumps(manifest)))
    there_and_back(lab, name, apply_again)


@scenario("owner-kubectl-apply")
def owner_apply(lab):
    """The Deployment belongs to kubectl apply."""
    applied_by(lab, "owner-apply", APPLY)


@scenario("owner-server-side-apply")
def owner_server_side(lab):
    """The Deployment belongs to a robot that applies on the server's side."""
    applied_by(lab, "owner-ssa", SERVER_SIDE)


@scenario("owner-helm", reusable=False)
def owner_helm(lab):
    """The Deployment belongs to a Helm release."""
    node, address = find_node(lab)

    def upgrade(image):
        lab.helm("upgrade", "--install", "oms-node", CHART, "-n", lab.namespace, "--set", f"image={image}", "--set",
                 f"node={node}", "--set", f"address={address}", "--timeout", "3m")

    remake(lab, lambda: upgrade(manifests.IMAGE + manifests.OLD))
    there_and_back(lab, "owner-helm", upgrade)
    lab.helm("uninstall", "oms-node", "-n", lab.namespace)
