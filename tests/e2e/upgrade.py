"""One OmsUpgrade in a test: makes it, follows every state of it, asks things of it."""

import json

from api import Watch, describe, is_true, upgrades_path
from audit import made

IMAGE = "localhost/oms-standin:4.0.0-ce"
FINAL = ("Succeeded", "Aborted", "RolledBack", "Failed")
# A fresh installation has not been restarted yet; the scenario `restart-evidence` shows that preflight notices.
ATTESTED = [{"name": "OldImageRestarts", "policy": "Attest", "reason": "the test installed OMS a moment ago"}]
QUICK = {"preflight": "3m", "ha": "2m", "stop": "2m", "start": "2m", "init": "2m", "health": "3m", "recovery": "3m"}


def make_spec(**changes):
    """A spec with what the sample installation needs; `changes` replace whole fields, None leaves one out."""
    spec = {"targets": [{"name": "oms"}], "image": IMAGE, "checks": ATTESTED, "timeouts": QUICK,
            "console": {"credentialsSecretRef": {"name": "oms-console", "userKey": "username"}},
            "backup": {"claimName": "oms-backup"}}
    spec.update(changes)
    return {key: value for key, value in spec.items() if value is not None}


class Upgrade:
    """One OmsUpgrade with the watch on it."""

    def __init__(self, lab, name, **changes):
        self.lab, self.name = lab, name
        self.path = upgrades_path(lab.namespace, name)
        self.manifest = {"apiVersion": "oms.oceanbase.com/v1alpha1", "kind": "OmsUpgrade",
                         "metadata": {"name": name, "namespace": lab.namespace}, "spec": make_spec(**changes)}
        self.image = self.manifest["spec"]["image"]
        self.uid, self.watch, self.mark = None, None, lab.audit.mark()

    def __enter__(self):
        self.create()
        return self

    def __exit__(self, *_):
        self.watch.close()

    def create(self):
        """Makes the object, with a watch that misses no state."""
        self.watch = Watch(self.lab.api, self.lab.namespace, self.name)
        self.mark = self.lab.audit.mark()
        item = self.lab.api.call("POST", upgrades_path(self.lab.namespace), self.manifest)
        self.uid = item["metadata"]["uid"]

    def status(self):
        """The newest status."""
        return self.watch.last().get("status", {})

    def patch(self, **spec):
        """Changes fields of the spec."""
        return self.lab.api.patch(self.path, {"spec": spec})

    def ask(self, action):
        """Sets spec.action; the number of the next state."""
        position = len(self.watch.states)
        self.patch(action=action)
        return position

    def wait_step(self, step, seconds=180, direction="Forward", after=0):
        """Until a step is entered; stops early where the upgrade goes elsewhere."""
        def check(item):
            status = item.get("status", {})
            if status.get("step") == step and status.get("direction") == direction:
                return True
            assert not (item is self.watch.last() and (self.is_over(item) or self.has_findings(item))), \
                f"waited for {direction}/{step}, but it ended: {describe(item)}"
            return False
        return self.watch.wait(f"{direction}/{step}", check, seconds, after)

    def wait_end(self, phase, seconds=300, after=0):
        """Until it has settled in a phase; stops early at another end, or where it stalls."""
        def check(item):
            status = item.get("status", {})
            if status.get("phase") == phase and status.get("settled"):
                return True
            newest = item is self.watch.last()
            assert not (newest and (self.is_over(item) or self.has_findings(item))), \
                f"waited for {phase}, but it ended: {describe(item)}"
            seen = status.get("observedGeneration") == item["metadata"]["generation"]
            assert not (newest and seen and status.get("stall")), f"waited for {phase}, but it stalls: {describe(item)}"
            return False
        item = self.watch.wait(f"settled in {phase}", check, seconds, after)
        assert is_true(item, "Finished"), f"Finished is not true: {describe(item)}"
        return item

    @staticmethod
    def is_over(item):
        """Whether a state is an end that the operator has seen the newest spec at."""
        status = item.get("status", {})
        return (status.get("settled") and status.get("phase") in FINAL
                and status.get("observedGeneration") == item["metadata"]["generation"])

    @staticmethod
    def has_findings(item):
        """Whether the plan of the newest spec waits with findings."""
        status = item.get("status", {})
        return (status.get("phase") == "Planned" and is_true(item, "Stalled")
                and status.get("observedGeneration") == item["metadata"]["generation"])

    def wait_findings(self, seconds=300, after=0):
        """Until its plan waits with findings; nothing was begun."""
        def check(item):
            newest = item is self.watch.last()
            begun = item.get("status", {}).get("startedTime")
            assert not (newest and (begun or self.is_over(item))), f"waited for findings, but it went on: {describe(item)}"
            return self.has_findings(item)
        item = self.watch.wait("a plan with findings", check, seconds, after)
        assert is_true(item, "Planned") and not is_true(item, "Finished"), describe(item)
        assert not is_true(item, "PreflightPassed") and not is_true(item, "Ready"), describe(item)
        return item

    def wait_stalled(self, reason, seconds=180, after=0):
        """Until it is stalled for a reason."""
        def check(item):
            return item.get("status", {}).get("stall", {}).get("reason") == reason and is_true(item, "Stalled")
        return self.watch.wait(f"Stalled with {reason}", check, seconds, after)

    def settled_once(self):
        """Whether it is settled now."""
        return bool(self.status().get("settled"))

    def jobs(self):
        """Jobs of this upgrade that the API server made since its creation, with how often each."""
        return made(self.lab.operator_calls(self.mark), "jobs")

    def delete(self):
        """Deletes the settled object; that is immediate."""
        self.lab.kubectl("delete", "omsup", self.name, "--timeout=60s")

    def text(self):
        """The manifest as JSON text, for kubectl."""
        return json.dumps(self.manifest)
