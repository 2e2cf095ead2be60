"""What changed: before and after, taken from API server, MetaDB and claim, never from the operator's word."""

import json
import time
from datetime import datetime


class Snapshot:
    """The installation at one moment."""

    def __init__(self, demo):
        self.deployment = demo.get("deployment", demo.deployment, "--show-managed-fields")
        self.state = demo.state()
        found = json.loads(demo.standin("digest", demo.namespace))
        # Heart beats and the like change while OMS runs.
        self.tables = {name: table for name, table in found["tables"].items()
                       if name.rsplit(".", 1)[-1] not in found["volatile"]}

    def owners(self):
        """Who owns which fields of the Deployment; the controllers' own status aside."""
        return sorted((entry["manager"], entry["operation"], json.dumps(entry.get("fieldsV1"), sort_keys=True))
                      for entry in self.deployment["metadata"]["managedFields"] if entry.get("subresource") != "status")


def flatten(value, path=""):
    """path → leaf."""
    if isinstance(value, dict):
        return {key: leaf for name, inner in value.items() for key, leaf in flatten(inner, f"{path}.{name}").items()}
    if isinstance(value, list):
        return {key: leaf for index, inner in enumerate(value) for key, leaf in flatten(inner, f"{path}[{index}]").items()}
    return {path: value}


def differences(before, after):
    """Lines that say what differs between two values."""
    old, new = flatten(before), flatten(after)
    return [f"{path}: {old.get(path, '(absent)')} → {new.get(path, '(absent)')}"
            for path in sorted(old.keys() | new.keys()) if old.get(path) != new.get(path)]


def desired(deployment):
    """What people and tools write of a Deployment; the revision is the Deployment controller's counter."""
    annotations = {key: value for key, value in deployment["metadata"].get("annotations", {}).items()
                   if key != "deployment.kubernetes.io/revision"}
    return {"labels": deployment["metadata"].get("labels", {}), "annotations": annotations, "spec": deployment["spec"]}


def clock(seconds):
    """A checkpoint for people."""
    return time.strftime("%H:%M:%S", time.gmtime(seconds)) if seconds else "–"


def print_changes(before, after, upgrade):
    """Deployment, schema, HA, projects, steps."""
    print("\nWhat changed")
    print("  Deployment oms:")
    for line in differences(desired(before.deployment), desired(after.deployment)) or ["nothing"]:
        print(f"    {line}")
    print("    field owners: " + ("as before" if before.owners() == after.owners() else "CHANGED"))
    print(f"  Schema of the databases: {before.state['schema']} → {after.state['schema']}")
    print_tables(before.tables, after.tables)
    print("  HA:")
    for line in differences(json.loads(before.state["ha"]["text"]), json.loads(after.state["ha"]["text"])) or ["as before"]:
        print(f"    {line}")
    print(f"    enable: {after.state['ha']['enabled']}")
    print_checkpoints(before.state, after.state)
    print_steps(upgrade)


def print_checkpoints(before, after):
    """Each link of each project: where it stood, where it stands, and whether it moves."""
    print("  Checkpoints of the projects (UTC):")
    for row in sorted(after["connectors"], key=lambda row: (row["project_id"], row["link"])):
        checkpoint = row["checkpoint_ts"]
        old = before["projects"][row["project_id"]]["checkpoints"].get(row["link"])
        lag = f", {after['now'] - checkpoint} s behind" if row["status"] == "RUNNING" else ""
        print(f"    {row['project_id']:15} {row['link']:10} {row['status']:9} {clock(old)} → {clock(checkpoint)}{lag}")


def print_tables(before, after):
    """How many tables of the databases are the same, changed, new or gone."""
    same = sum(1 for name in before if before[name] == after.get(name))
    changed = sorted(name for name in before if name in after and before[name] != after[name])
    print(f"  Tables without heart beats and the like: {same} as before, {len(changed)} changed, {len(after.keys() - before.keys())} new, "
          f"{len(before.keys() - after.keys())} gone")


def read_time(text):
    """A moment as the API writes it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def print_steps(upgrade):
    """Each step with its time."""
    print("  Steps:")
    ended = None
    for record in upgrade["status"].get("history", []):
        # Without a begin of its own a step began with the end of the one before.
        began = read_time(record["startedTime"]) if "startedTime" in record else ended
        ended = read_time(record["finishedTime"])
        print(f"    {(ended - began).total_seconds():5.0f} s  {record['step']}")


def print_backup(demo, upgrade):
    """The files of the backup, seen by a pod that mounts the claim."""
    backup = upgrade["status"].get("backup")
    if not backup:
        print("\nThere is no backup: it did not get that far.")
        return
    demo.apply(make_looking_pod(demo))
    demo.kubectl("wait", "pod/backup-look", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    files = demo.kubectl("logs", "backup-look")
    demo.kubectl("delete", "pod", "backup-look", "--wait=false")
    print(f"\nThe backup on claim oms-backup (verified: {backup['verified']}, restored into scratch databases: "
          f"{backup['scratchRestored']})")
    for line in files.splitlines():
        print(f"  {line}")


def make_looking_pod(demo):
    """A pod that lists the files of the claim and ends."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "backup-look", "namespace": demo.namespace}, "spec": {
        "restartPolicy": "Never", "enableServiceLinks": False, "automountServiceAccountToken": False,
        "securityContext": {"runAsUser": 65532, "runAsGroup": 65532, "runAsNonRoot": True},
        "containers": [{"name": "look", "image": "localhost/oms-operator-tools:dev", "imagePullPolicy": "IfNotPresent",
                        "command": ["find", "/claim", "-type", "f", "-printf", "%M %10s  %P\\n"],
                        "volumeMounts": [{"name": "claim", "mountPath": "/claim", "readOnly": True}]}],
        "volumes": [{"name": "claim", "persistentVolumeClaim": {"claimName": "oms-backup", "readOnly": True}}]}}


def print_journal(demo):
    """The stand-in's journal of mistakes; true when it is empty."""
    found = json.loads(demo.standin("journal", demo.namespace, "--json", allowed=(0, 1)))
    print("\nThe stand-in writes down each rule of OceanBase's guide that is broken: " + ("none was" if not found["violations"] else "SOME WERE"))
    for row in found["violations"]:
        print(f"  {row['rule']}: {row['detail']}")
    return not found["violations"]
