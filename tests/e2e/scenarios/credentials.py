"""Where the account of the MetaDB comes from: a Secret that the pod mounts (all other scenarios), a ConfigMap, the container."""

import base64

import checks
from api import condition, is_true
from audit import made, subject, succeeded
from ctl import manifests
from registry import scenario
from scenarios.owners import find_node, remake
from upgrade import Upgrade


@scenario("account-from-container")
def from_container(lab):
    """config.yaml is read from the container once and kept in a Secret that the operator makes and deletes."""
    before = checks.Photo(lab)
    with Upgrade(lab, "from-container", metadb={"source": "Container"}) as upgrade:
        upgrade.wait_step("VerifyingBackup")
        secrets = lab.get("secrets", "-l", f"oms.oceanbase.com/upgrade-uid={upgrade.uid}")["items"]
        assert len(secrets) == 1, f"{len(secrets)} Secrets of ours"
        assert not secrets[0]["metadata"].get("ownerReferences"), "a foreground deletion would tear the Secret away"
        values = b"".join(base64.b64decode(value) for value in secrets[0]["data"].values()).decode()
        drc = [line for line in values.splitlines() if line.startswith("drc_password")]
        assert not drc, "more than the account of the MetaDB was taken"
        position = upgrade.ask("Abort")
        upgrade.wait_end("Aborted", after=position)
        checks.check_end(lab, upgrade, before, "unchanged")
        calls = lab.operator_calls(upgrade.mark)
        assert sum(made(calls, "secrets").values()) == 1
        assert [call for call in calls if subject(call) == ("delete", "", "secrets") and succeeded(call)]
        upgrade.delete()


@scenario("account-from-configmap", reusable=False)
def from_configmap(lab):
    """config.yaml is mounted from a ConfigMap: a plan is made with it."""
    text = base64.b64decode(lab.get("secret", "oms-config")["data"]["config.yaml"]).decode()
    manifest = manifests.oms_objects([find_node(lab)])[0]
    volume = next(entry for entry in manifest["spec"]["template"]["spec"]["volumes"] if entry["name"] == "config")
    del volume["secret"]
    volume["configMap"] = {"name": "oms-config"}
    lab.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "oms-config", "namespace": lab.namespace},
               "data": {"config.yaml": text}})
    remake(lab, lambda: lab.apply(manifest))
    with Upgrade(lab, "from-configmap", action="Plan") as upgrade:
        item = upgrade.watch.wait("planned", lambda item: is_true(item, "Planned"), 180)
        assert is_true(item, "PreflightPassed"), condition(item, "Ready")["message"]
        lab.kubectl("delete", "omsup", upgrade.name, "--timeout=60s")
