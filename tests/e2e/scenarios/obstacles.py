"""Somebody stands in the way for good: a policy, a quota, the record of an upgrade that was given up, another operator."""

import json

import checks
import processes
from api import condition
from lab import OPERATOR, RELEASE
from processes import poll
from registry import scenario
from upgrade import ATTESTED, QUICK, Upgrade

WORDS = "frozen by the platform team"
POLICY = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "frozen"},
          "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [
              {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"]}]},
              "matchConditions": [{"name": "operator", "expression": f"request.userInfo.username == '{OPERATOR}'"}],
              "validations": [{"expression": "false", "message": WORDS}]}}
BINDING = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
           "metadata": {"name": "frozen"}, "spec": {"policyName": "frozen", "validationActions": ["Deny"]}}


def freeze(lab):
    """No write of a Deployment by the operator gets through any more."""
    for part in (POLICY, BINDING):
        lab.kubectl("apply", "-f", "-", stdin=json.dumps(part))
    poll("the policy is in force", lambda: WORDS in try_write(lab), 60)


def try_write(lab):
    """What the API server says to a write by the operator that changes nothing."""
    return lab.try_kubectl("annotate", "deployment", "oms", "example.com/tried=yes", "--overwrite", "--dry-run=server",
                           f"--as={OPERATOR}")[1]


def thaw(lab):
    """Writes get through again."""
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        lab.kubectl("delete", kind, "frozen", "--ignore-not-found")
    poll("the policy is gone", lambda: WORDS not in try_write(lab), 60)


@scenario("policy-refuses-writes")
def policy_refuses(lab):
    """An admission policy refuses to change the Deployment, there and back: told at once, and it goes on when it is lifted."""
    before = checks.Photo(lab)
    freeze(lab)
    try:
        with Upgrade(lab, "frozen") as upgrade:
            upgrade.watch.wait("the refusal is told", lambda item: WORDS in condition(item, "Ready").get("message", "")
                               and item["status"].get("waiting", {}).get("reason") == "EffectRefused", 120)
            thaw(lab)
            upgrade.wait_end("Succeeded")
            checks.check_end(lab, upgrade, before, "succeeded")
            freeze(lab)
            upgrade.patch(timeouts={**QUICK, "stop": "10s"})
            position = upgrade.ask("RollBack")
            upgrade.wait_stalled("EffectRefused", after=position)
            stall = upgrade.status()["stall"]["message"]
            assert WORDS in stall and "spec.retryRequest" in stall, stall
            thaw(lab)
            # Without a retry: whoever refused it has changed its mind.
            upgrade.watch.wait("it goes on", lambda item: item["status"].get("phase") == "RolledBack"
                               and item["status"].get("settled"), 300)
            checks.check_end(lab, upgrade, before, "restored")
            upgrade.delete()
    finally:
        thaw(lab)


@scenario("quota-refuses-a-pod")
def quota_refuses(lab):
    """A quota keeps the backup Job from making its pod: told, and it goes on when there is room."""
    before = checks.Photo(lab)
    try:
        with Upgrade(lab, "no-room") as upgrade:
            upgrade.wait_step("StoppingOld")
            lab.kubectl("create", "quota", "none", "--hard=pods=0")
            upgrade.watch.wait("the missing pod is told", lambda item: "quota" in condition(item, "Ready").get("message", "")
                               and item["status"].get("step") == "BackingUp", 120)
            lab.kubectl("delete", "quota", "none")
            position = upgrade.ask("Abort")
            upgrade.wait_end("Aborted", after=position)
            checks.check_end(lab, upgrade, before, "unchanged")
            upgrade.delete()
    finally:
        lab.kubectl("delete", "quota", "none", "--ignore-not-found")


@scenario("record-of-another", reusable=False)
def record_of_another(lab):
    """An upgrade is released half way and made again: the new one touches nothing and says what to do."""
    with Upgrade(lab, "given-up") as upgrade:
        upgrade.wait_step("Initializing")
        lab.kubectl("annotate", "omsup", upgrade.name, RELEASE)
        lab.kubectl("delete", "omsup", upgrade.name, "--wait=false")
        upgrade.watch.wait_deleted(60)
        last = [item for item in upgrade.watch.states if item["status"].get("phase") == "Failed"][-1]
        assert "nothing was put back" in condition(last, "Ready")["message"], condition(last, "Ready")
    found = lab.get("deployment", "oms")["metadata"]["resourceVersion"]
    with Upgrade(lab, "given-up") as upgrade:
        item = upgrade.wait_findings()
        message = condition(item, "Ready")["message"]
        for word in ("record of OmsUpgrade given-up", "kubectl annotate deployment oms", "OMS and its databases were not changed"):
            assert word in message, message
        assert lab.get("deployment", "oms")["metadata"]["resourceVersion"] == found, "the Deployment was written"
        upgrade.delete()


@scenario("init-again", reusable=False)
def init_again(lab):
    """With policy OnRequest a failed docker_init.sh is run again by spec.retryRequest, and the upgrade succeeds."""
    before = checks.Photo(lab)
    lab.bad_day("init-fails-half-way")
    with Upgrade(lab, "init-again", rollback={"policy": "OnRequest"}) as upgrade:
        upgrade.wait_stalled("InitFailed", 240)
        assert "action: RollBack" in upgrade.status()["stall"]["message"], upgrade.status()["stall"]
        lab.bad_day("--clear")
        upgrade.patch(retryRequest="once the script is mended")
        upgrade.watch.wait("it succeeds", lambda item: item["status"].get("phase") == "Succeeded"
                           and item["status"].get("settled"), 300)
        checks.check_end(lab, upgrade, before, "succeeded")
        upgrade.delete()


@scenario("two-operators")
def two_operators(lab):
    """Two replicas of the operator: one leads, under its pod's name; when it dies the other one takes over."""
    def holder():
        lease = lab.api.get(f"/apis/coordination.k8s.io/v1/namespaces/{lab.operator_namespace}/leases/oms-operator")
        return lease["spec"].get("holderIdentity", "")

    def running():
        pods = lab.api.get(f"/api/v1/namespaces/{lab.operator_namespace}/pods")["items"]
        return {pod["metadata"]["name"]: pod for pod in pods if not pod["metadata"].get("deletionTimestamp")
                and "running" in pod["status"].get("containerStatuses", [{"state": {}}])[0]["state"]}

    before = checks.Photo(lab)
    scale = ("scale", "deployment", "oms-operator", "-n", lab.operator_namespace)
    lab.kubectl(*scale, "--replicas=2")
    try:
        pods = poll("two operators run", lambda: running() if len(running()) == 2 else None, 60)
        leader = poll("one of them leads", lambda: holder() if holder() in pods else None, 60)
        with Upgrade(lab, "two-operators", checks=ATTESTED) as upgrade:
            upgrade.wait_step("BackingUp")
            assert processes.kill(pods[leader]["status"]["containerStatuses"][0]["containerID"])
            lab.kubectl("delete", "pod", leader, "-n", lab.operator_namespace, "--force", "--grace-period=0")
            other = poll("the other one leads", lambda: holder() if holder() not in ("", leader) else None, 60)
            assert other in pods, f"{other} leads, of {sorted(pods)} {leader} is dead"
            position = upgrade.ask("Abort")
            upgrade.wait_end("Aborted", after=position)
            checks.check_end(lab, upgrade, before, "unchanged")
            upgrade.delete()
    finally:
        lab.kubectl(*scale, "--replicas=1")
        poll("one operator is left", lambda: len(running()) == 1, 60)
