"""What the operator called over the whole run, held against what the chart allows it."""

import os

import installation
from audit import granted, subject
from lab import OPERATOR, ROOT
from registry import scenario

# One websocket call of kubectl's kind needs both verbs, and only one is seen.
PAIR = {("get", "", "pods/exec"), ("create", "", "pods/exec")}


@scenario("rights", sample=True)
def rights(lab):
    """Nothing was refused; after a full run what is allowed and what was called are the same."""
    calls = list(lab.audit.calls(lab.run_mark, OPERATOR))
    assert calls, "the operator called nothing"
    refused = sorted({subject(call) for call in calls if call.get("responseStatus", {}).get("code") == 403
                      and call.get("objectRef", {}).get("namespace") in (lab.namespace, lab.operator_namespace)
                      and not lab.namespace_was_deleted})
    assert not refused, f"refused: {refused}"
    used = {subject(call) for call in calls if "objectRef" in call}
    allowed = read_rules(lab)
    assert used <= allowed, f"called without being allowed: {sorted(used - allowed)}"
    unused = allowed - used - PAIR
    if lab.everything:
        assert not unused, f"allowed and never called in the full run: {sorted(unused)}"
    assert PAIR & used, "no exec was seen"


def read_rules(lab):
    """What the Roles in the cluster grant, as the API server has them, and the ClusterRole by which the definition is read."""
    found = set()
    for role in lab.get("clusterroles")["items"]:
        if role["metadata"]["name"].startswith("oms-operator-definition-"):
            found |= granted(role["rules"])
    for namespace in (lab.namespace, lab.operator_namespace):
        for role in lab.get("roles", "-n", namespace)["items"]:
            if role["metadata"]["name"].startswith("oms-operator"):
                found |= granted(role["rules"])
    assert found, f"no Role of the chart {os.path.join(ROOT, 'charts')} in the cluster ({installation.BIN})"
    return found
