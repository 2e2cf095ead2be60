"""What platforms put into what they store and start: the null of an older API server, a helper in each pod of a Job, limits."""

import base64
import hashlib
import json

import checks
import installation
from hooks import PODS, patching
from registry import scenario
from scenarios.losing import set_replicas
from scenarios.refusing import refuse
from scenarios.several import there_and_back
from upgrade import QUICK, Upgrade

# What names no request gets the limit as its request: it must find room beside everything else on a node of two CPUs.
LIMITS = {"type": "Container", "default": {"memory": "512Mi", "cpu": "1"}, "min": {"memory": "16Mi", "cpu": "10m"},
          "maxLimitRequestRatio": {"memory": "8", "cpu": "20"}}


def sha256_of(text):
    """As the status keeps hashes of texts."""
    return hashlib.sha256(text.encode()).hexdigest()


def put_null_into(record):
    """The record of a target as an upgrade has it that began on an API server up to 1.33."""
    template = json.loads(record["texts"]["template"])
    template.setdefault("metadata", {})["creationTimestamp"] = None
    record["texts"]["template"] = json.dumps(template, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    record["original"]["templateHash"] = sha256_of(record["texts"]["template"])
    return record


def age_originals(lab, upgrade):
    """Writes the originals in the second copy and their hash in the status, while the operator is off, as they would be had
    the control plane been upgraded since. The new hash of the template."""
    set_replicas(lab, 0)
    [secret] = [item for item in lab.get("secrets", "-l", f"oms.oceanbase.com/upgrade-uid={upgrade.uid}")["items"]
                if item["metadata"]["name"].endswith("-originals")]
    record = put_null_into(json.loads(base64.b64decode(secret["data"]["oms"])))
    secret["data"]["oms"] = base64.b64encode(json.dumps(record).encode()).decode()
    for name in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
        secret["metadata"].pop(name, None)
    lab.kubectl("delete", "secret", secret["metadata"]["name"])
    lab.kubectl("create", "-f", "-", stdin=json.dumps(secret))
    item = lab.api.call("GET", upgrade.path)
    [original] = item["status"]["internal"]["originals"]["targets"]
    original["templateHash"] = record["original"]["templateHash"]
    lab.api.call("PUT", upgrade.path + "/status", item)
    set_replicas(lab, 1)
    return record["original"]["templateHash"]


@scenario("originals-of-an-older-server")
def older_server(lab):
    """The control plane is upgraded after success, and what it stored before has a null that it stores no more: the rollback
    ends, and blames nobody."""
    before = checks.Photo(lab)
    with Upgrade(lab, "older-server") as upgrade:
        upgrade.wait_end("Succeeded")
        checks.check_end(lab, upgrade, before, "succeeded")
        told = age_originals(lab, upgrade)
        position = upgrade.ask("RollBack")
        upgrade.wait_end("RolledBack", after=position)
        [original] = upgrade.status()["internal"]["originals"]["targets"]
        assert original["templateHash"] == told, "it was not rolled back to what was put in"
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


def put_helper_beside(item):
    """A helper that never ends, in each pod of a Job, whatever its labels ask for; by its name it stands before `agent`."""
    if "batch.kubernetes.io/job-name" not in item["metadata"].get("labels", {}):
        return []
    return [{"op": "add", "path": "/spec/containers/-", "value": {"name": "a-helper", "image": "localhost/pause:1"}}]


@scenario("helper-in-each-job")
def helper_in_jobs(lab):
    """A policy puts a helper that never ends into each pod of a Job: a Job ends with its agent; success, and back."""
    with patching(lab, PODS, put_helper_beside):
        there_and_back(lab, "helped")


def limit(lab, kind, name, spec):
    """A LimitRange or a ResourceQuota in the namespace of OMS."""
    lab.apply({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": lab.namespace}, "spec": spec})


@scenario("limit-range-fills-in")
def limits_fill_in(lab):
    """A LimitRange with a least request and a ratio puts limits into what names none: success, and back."""
    limit(lab, "LimitRange", "filling", {"limits": [LIMITS]})
    try:
        there_and_back(lab, "filled-in")
    finally:
        lab.kubectl("delete", "limitrange", "filling", "--ignore-not-found")


@scenario("limit-range-below-the-request")
def limits_below_request(lab):
    """The default limit is below what a Job requests, so that it gets no pod: refused with the server's words."""
    limit(lab, "LimitRange", "small", {"limits": [
        {"type": "Container", "default": {"memory": "64Mi"}, "defaultRequest": {"memory": "32Mi"}}]})
    try:
        refuse(lab, "small-limit", ("memory limit",), seconds=240, timeouts={**QUICK, "preflight": "60s"})
    finally:
        lab.kubectl("delete", "limitrange", "small", "--ignore-not-found")


@scenario("quota-wants-limits")
def quota_wants_limits(lab):
    """A quota wants each pod to name its limit: refused with the setting that helps, which is set; success, and back."""
    limit(lab, "ResourceQuota", "all-limits", {"hard": {"limits.memory": "64Gi"}})
    try:
        refuse(lab, "no-limit", ("limits.memory", "below jobs (resources"), seconds=240, timeouts={**QUICK, "preflight": "60s"})
        installation.install_operator(lab, options=["--set", "jobs.resources.limits.memory=512Mi"])
        there_and_back(lab, "with-limit")
    finally:
        lab.kubectl("delete", "quota", "all-limits", "--ignore-not-found")
        lab.install_operator()
