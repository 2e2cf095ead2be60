"""A password that must be found nowhere, and leaks planted in every channel that the same search must find."""

import base64
import json
import os
import subprocess
import time
from urllib.parse import quote

import checks
from processes import Sampler, poll
from registry import scenario
from scenarios.refusing import drop_account, make_account
from upgrade import IMAGE, Upgrade

CANARY = "Kanari-\"7' #%q vogel"


def spellings(text):
    """A text as it may appear: plain, quoted for JSON, for a URL, and in base64 at each of three offsets."""
    found = {text, json.dumps(text)[1:-1], quote(text), quote(text, safe=""), text.replace("'", "''"), text.replace("'", "\\'")}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + text.encode()).decode()
        found.add(encoded[4 if shift else 0:-4])
    return sorted(found)


NEEDLES = spellings(CANARY)


def search(texts):
    """Names of the texts that hold the password in any spelling."""
    return sorted(name for name, text in texts.items() if any(needle in text for needle in NEEDLES))


def collect(lab, logs):
    """{channel: text} of everything that people and machines can read, Secrets aside."""
    texts = dict(logs)
    for namespace in (lab.namespace, lab.operator_namespace):
        for kind in ("omsupgrades.oms.oceanbase.com", "jobs", "pods", "configmaps", "deployments", "events", "leases"):
            texts[f"{namespace}/{kind}"] = lab.kubectl("get", kind, "-n", namespace, "-o", "json", "--show-managed-fields")
    for pod in lab.get("pods", "-n", lab.operator_namespace)["items"]:
        name = pod["metadata"]["name"]
        texts[f"log of {name}"] = lab.try_kubectl("logs", "-n", lab.operator_namespace, name, "--all-containers")[1]
        texts[f"former log of {name}"] = lab.try_kubectl("logs", "-n", lab.operator_namespace, name, "--previous")[1]
    for pod in lab.get("pods", "-l", "oms.oceanbase.com/upgrade-uid")["items"]:
        name = pod["metadata"]["name"]
        texts[f"log of {name}"] = lab.try_kubectl("logs", name, "--all-containers")[1]
    with open(lab.audit.path, encoding="utf-8", errors="replace") as file:
        texts["audit log"] = file.read()
    return texts


class JobLogs:
    """Keeps the logs of Job pods, whose pods are deleted at the end: read off the node's disk while they are there."""

    def __init__(self, lab):
        self.root = f"/var/lib/testcluster/{lab.cluster}/node1/root/var/log/pods"
        self.texts = {}

    def look(self):
        """Reads what is there now."""
        for folder, _, names in os.walk(self.root):
            for name in names:
                if "-dump-" in folder or "-verify-" in folder or "-restore-" in folder or "-probe-" in folder \
                        or "-compare-" in folder:
                    try:
                        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                            self.texts[f"log on disk {os.path.relpath(folder, self.root)}"] = file.read()
                    except OSError:
                        continue


@scenario("canary")
def canary(lab):
    """The password of the MetaDB account is found in no log, event, object, argument or environment, there and back."""
    make_account(lab, "canary_admin", CANARY, ["GRANT ALL ON *.*"])
    before = checks.Photo(lab)
    sampler, logs = Sampler(NEEDLES), JobLogs(lab)
    sampler.start()
    try:
        with Upgrade(lab, "canary", metadb={"credentialsSecretRef": {"name": "canary-admin"}}) as upgrade:
            position = 0
            for action, phase in ((None, "Succeeded"), ("RollBack", "RolledBack")):
                if action:
                    position = upgrade.ask(action)
                deadline = time.monotonic() + 300
                while not (upgrade.status().get("phase") == phase and upgrade.status().get("settled")):
                    logs.look()
                    assert time.monotonic() < deadline, f"not {phase}"
                    assert not upgrade.status().get("stall"), upgrade.status()["stall"]
                    with upgrade.watch.changed:
                        upgrade.watch.changed.wait(1)
            assert position
            found = search(collect(lab, logs.texts)) + sampler.stop()
            checks.check_end(lab, upgrade, before, "restored")
            assert not found, f"the password leaks: {found}"
            dumps = [name for name in logs.texts if "-dump-" in name]
            assert dumps, "no log of a dump Job was seen, so nothing was searched there"
            assert sampler.rounds > 50 and {"oms-operator", "mariadb-dump"} & sampler.seen, \
                f"the process table was looked at {sampler.rounds} times; seen: {sorted(sampler.seen)[:40]}"
            upgrade.delete()
    finally:
        sampler.stop()
        drop_account(lab, "canary_admin")


@scenario("planted-leaks")
def planted_leaks(lab):
    """The same search finds a leak that is planted in each channel."""
    assert not search(collect(lab, {})), "there is a leak before one is planted"
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {
        "restartPolicy": "Never", "enableServiceLinks": False, "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "leak", "image": "localhost/oms-standin:3.3.1-ce", "command": ["cat", "/leak/text"],
                        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                        "volumeMounts": [{"name": "leak", "mountPath": "/leak"}]}],
        "volumes": [{"name": "leak", "secret": {"secretName": "leak"}}]}}
    labels = {"oms.oceanbase.com/upgrade-uid": "planted", "planted": "leak"}
    for namespace in (lab.namespace, lab.operator_namespace):
        data = {"text": base64.b64encode(f"login with {CANARY} now".encode()).decode()}
        lab.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "leak", "labels": {"planted": "leak"}}, "data": data}))
        lab.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(
            {**pod, "metadata": {"name": "planted-leak", "labels": labels}}))
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "planted-leak", "namespace": lab.namespace, "labels": labels},
           "spec": {"suspend": True, "template": {"spec": {"restartPolicy": "Never", "containers": [
               {"name": "x", "image": IMAGE, "env": [{"name": "PASSWORD", "value": CANARY}]}]}}}}
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "planted-leak", "namespace": lab.namespace, "labels": labels},
             "involvedObject": {"kind": "OmsUpgrade", "name": "x", "namespace": lab.namespace}, "reason": "Leak",
             "message": f"cannot log in with {CANARY}", "type": "Warning"}
    # A plan of a target that does not exist: it waits with what it found and touches nothing.
    upgrade = Upgrade(lab, "planted-leak", action="Plan", targets=[{"name": "nobody"}],
                      checks=[{"name": "CgroupVersion", "policy": "Attest", "reason": f"the password is {CANARY}"}])
    process = None
    try:
        lab.kubectl("create", "-f", "-", stdin=json.dumps(job))
        lab.kubectl("create", "-f", "-", stdin=json.dumps(event))
        for namespace in (lab.namespace, lab.operator_namespace):
            lab.kubectl("wait", "-n", namespace, "pod/planted-leak", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
        with upgrade:
            upgrade.wait_findings()
            found = search(collect(lab, {}))
        for channel in (f"{lab.namespace}/omsupgrades.oms.oceanbase.com", f"{lab.namespace}/jobs", f"{lab.namespace}/events",
                        "log of planted-leak"):
            assert channel in found, f"the leak in {channel} was not found; found: {found}"
        assert len([name for name in found if name.startswith("log of")]) >= 1, found
        process = subprocess.Popen(["sleep", "60"], env={"PASSWORD": CANARY})
        argument = subprocess.Popen(["sh", "-c", "read x", CANARY], stdin=subprocess.PIPE)
        sampler = Sampler(NEEDLES)
        sampler.start()
        poll("two leaks in the process table", lambda: len({entry.split(" of ")[0] for entry in sampler.found}) == 2, 20)
        sampler.stop()
        argument.communicate(b"\n")
    finally:
        if process:
            process.kill()
            process.wait()
        for namespace in (lab.namespace, lab.operator_namespace):
            lab.kubectl("delete", "-n", namespace, "pods,jobs,secrets,events", "-l", "planted=leak", "--ignore-not-found")
        lab.kubectl("delete", "omsup", "planted-leak", "--ignore-not-found")
