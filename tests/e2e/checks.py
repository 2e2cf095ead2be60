"""What an installation must look like after an upgrade, seen from outside: API server, SQL, journal, volume.

Nothing here believes the operator's status. Reads only, but for the apply by the Deployment's owner.
"""

import copy
import datetime
import glob
import hashlib
import json
import os
import subprocess

import audit
import installation
import report
from lab import LOCK_DATABASE, OWN_DATABASES
from processes import poll

# What the operator calls at its own times, whatever there is to do: its lease, its definition once a minute, and what it tells.
OF_THE_PROCESS = ("leases", "customresourcedefinitions", "events")
# What docker_init.sh changes in rows that were there before; everything else keeps its old columns.
MIGRATED = ("oms_version", "standin_schema", "oms_project_overview", "oms_normal_config")


class Owned(report.Snapshot):
    """One Deployment, with report's reading of its owners."""

    def __init__(self, deployment):
        self.deployment = deployment


# Runs in the observer's pod: everything that is to be known of the databases, in one go.
LOOK = """
import json, sys
sys.path.insert(0, "/root/standin")
import eye, identity
from metadb import MetaDb
given = json.load(sys.stdin)
with open("/eye/account.json", encoding="utf-8") as file:
    account = json.load(file)
db = MetaDb(identity.read_config(), account["user"], account["password"])
db.connect_patiently(30)
seen = {"state": eye.show_state(db, None), "content": eye.show_digest(db, None), "journal": eye.show_journal(db, None),
        "config": {row["cfg_name"]: row["cfg_value"] for row in db.run("SELECT cfg_name, cfg_value FROM {rm}.oms_normal_config")},
        "schemas": [row["name"] for row in db.run("SELECT schema_name AS name FROM information_schema.schemata")],
        "timeout": db.run("SELECT @@global.ob_query_timeout AS t")[0]["t"] if given["oceanbase"] else None, "sums": {}}
columns = given["columns"]
if columns is None:
    skipped = set(seen["content"]["volatile"]) | set(given["migrated"])
    columns = {name: entry["columns"] for name, entry in seen["content"]["tables"].items() if name.partition(".")[2] not in skipped}
for name, names in columns.items():
    values = ", ".join(f"IFNULL(HEX(CONCAT('', `{column}`)), '~')" for column in names)
    row = db.run(f"SELECT COUNT(*) AS n, SUM(CRC32(CONCAT_WS('|', {values}))) AS crc FROM {name}")[0]
    seen["sums"][name] = [int(row["n"]), str(row["crc"])]
seen["columns"] = columns
json.dump(seen, sys.stdout, default=str)
"""


class Photo:
    """An installation at one moment. With the columns of an earlier one, its sums are made over those."""

    def __init__(self, lab, columns=None):
        items = lab.get("deployments", "-l", "app=oms", "--show-managed-fields")["items"]
        self.deployments = {item["metadata"]["name"]: item for item in items}
        seen = json.loads(lab.in_eye("python3", "-c", LOOK, stdin=json.dumps(
            {"oceanbase": lab.engine == "seekdb", "columns": columns, "migrated": MIGRATED})))
        self.state, self.timeout, self.config = seen["state"], seen["timeout"], seen["config"]
        # Versions before 3.3.1 have none.
        self.ha = json.loads(self.config.pop("ha.config", "null"))
        self.volatile = set(seen["content"]["volatile"])
        self.tables, self.databases = seen["content"]["tables"], seen["content"]["databases"]
        self.schemas, self.broken = set(seen["schemas"]), seen["journal"]["violations"]
        # Over the columns that the tables had before the migration.
        self.columns, self.sums = seen["columns"], seen["sums"]

    def fixed_tables(self):
        """Digests of the tables that nobody changes while OMS runs; ha.config is compared apart."""
        return {name: entry for name, entry in self.tables.items()
                if name.partition(".")[2] not in self.volatile | {"oms_normal_config"}}


def check_deployments(before, after, image, strangers=()):
    """Equal to the original except exactly one image (or none), and with the same owners of fields. What strangers have
    written meanwhile they own too."""
    assert before.deployments.keys() == after.deployments.keys(), "the Deployments are other ones"
    for name, old in before.deployments.items():
        new = after.deployments[name]
        assert old["metadata"]["uid"] == new["metadata"]["uid"], f"Deployment {name} was made anew"
        found = report.differences(report.desired(old), report.desired(new))
        expected = [] if image is None else [
            f".spec.template.spec.containers[0].image: {old['spec']['template']['spec']['containers'][0]['image']} → {image}"]
        assert found == expected, f"Deployment {name} differs: {found}"
        owners = [[entry for entry in Owned(item).owners() if entry[0] not in strangers] for item in (old, new)]
        changed = [[entry for entry in one if entry not in other] for one, other in (owners, owners[::-1])]
        assert owners[0] == owners[1], f"owners of the fields of {name} changed:\n  {changed[0]}\n  {changed[1]}"


def check_content_as_before(before, after):
    """Databases as before the upgrade: tables, rows, views, character sets, system parameters."""
    old, new = before.fixed_tables(), after.fixed_tables()
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    assert not changed, f"content differs from before the upgrade: {changed}"
    assert {name: entry["columns"] for name, entry in before.tables.items()} \
        == {name: entry["columns"] for name, entry in after.tables.items()}, "columns differ"
    assert before.databases == after.databases, f"character sets: {before.databases} → {after.databases}"
    assert before.config == after.config, f"system parameters: {before.config} → {after.config}"
    assert after.state["schema"] == before.state["schema"], after.state["schema"]


def check_content_migrated(before, after, image):
    """Schema of the new version with every old row in it."""
    assert after.state["schema"] == image.rpartition(":")[2], after.state["schema"]
    lost = {name: (old, after.sums.get(name)) for name, old in before.sums.items() if after.sums.get(name) != old}
    assert not lost, f"rows are not as they were in the columns of before: {lost}"
    assert before.databases == after.databases, "character sets changed"


def check_services(lab, before, after, broken=()):
    """HA row, hosts, replication, journal. `broken` are rules that a stranger broke."""
    if before.ha is None:
        assert after.ha is None or after.ha["enable"] is True, f"ha.config: {after.ha}"
    else:
        assert after.ha == before.ha, f"ha.config: {report.differences(before.ha, after.ha)}"
        assert "standinUnknownKey" in after.ha, "the unknown key of ha.config is lost"
    assert all(host["host_status"] == "ONLINE" for host in after.state["hosts"]), after.state["hosts"]
    poll("checkpoint of every RUNNING project near now", lambda: installation.replicates(lab.state()), 20)
    gone = {name: entry["status"] for name, entry in before.state["projects"].items()
            if after.state["projects"].get(name, {}).get("status") != entry["status"]}
    assert not gone, f"projects are not in their state of before: {gone}"
    check_journal(before, after, broken)


def check_journal(before, after, others=()):
    """No rule of the stand-in was broken since, but for those that a stranger broke."""
    broken = [row for row in after.broken[len(before.broken):] if row["rule"] not in others]
    assert not broken, "the journal has: " + "; ".join(f"{row['rule']}: {row['detail']}" for row in broken)


def check_nothing_left(lab, upgrade, before, after):
    """No Job, pod, Secret, finalizer, lock or scratch database of ours."""
    uid = upgrade.uid
    left = lab.get("jobs,pods,secrets", "-l", f"oms.oceanbase.com/upgrade-uid={uid}")["items"]
    # After a success the second copy of the originals stays, and goes with the object.
    left = [item for item in left if not any(owner["uid"] == uid for owner in item["metadata"].get("ownerReferences", []))]
    assert not left, "left behind: " + ", ".join(f"{item['kind']}/{item['metadata']['name']}" for item in left)
    found = sorted(name for name in after.schemas - before.schemas - {LOCK_DATABASE}
                   if any(part in name for part in OWN_DATABASES) or "__omsnew_" not in name)
    assert not found, f"databases left behind: {found}"
    if LOCK_DATABASE in after.schemas:
        rows = lab.sql(f"SELECT id, holder FROM {LOCK_DATABASE}.upgrade_lock WHERE holder = '{uid}'")
        assert not rows, f"rows of the lock left behind: {rows}"
    assert after.timeout == before.timeout, f"ob_query_timeout: {before.timeout} → {after.timeout}"
    item = lab.api.get(upgrade.path)
    if item is not None:
        assert not item["metadata"].get("finalizers"), item["metadata"]["finalizers"]


def check_backup(lab, upgrade):
    """The files on the claim, read on the volume itself: manifest as recorded, dumps whole."""
    backup = upgrade.status()["backup"]
    claim = lab.get("pvc", "oms-backup")
    volume = lab.get("pv", claim["spec"]["volumeName"])["spec"]["hostPath"]["path"]
    manifests = [path for path in glob.glob(f"{volume}/**/manifest.json", recursive=True)
                 if sha256(path) == backup["manifestDigest"]]
    assert len(manifests) == 1, f"no manifest with digest {backup['manifestDigest']} on the claim"
    with open(manifests[0], encoding="utf-8") as file:
        manifest = json.load(file)
    assert sorted(entry["name"] for entry in manifest["databases"]) == ["oms_cm", "oms_cm_hb", "oms_rm"]
    for entry in manifest["databases"]:
        path = os.path.join(os.path.dirname(manifests[0]), entry["file"]["name"])
        assert sha256(path) == entry["file"]["sha256"], f"{path} is not what the manifest says"
        assert os.stat(path).st_mode & 0o777 == 0o600, f"{path} can be read by others"
        text = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout
        assert len(text) == entry["file"]["rawBytes"] and b"-- Dump completed" in text[-200:], f"{path} is not whole"
        assert b"CREATE TABLE" in text, f"{path} holds no table"


def sha256(path):
    """Digest of a file."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def check_quiet(lab, upgrade):
    """Nothing was written in vain, and nothing is called once all is settled."""
    calls = lab.operator_calls(upgrade.mark)
    refused = [f"{call['verb']} {call['requestURI']}" for call in calls if call["responseStatus"].get("code") == 403]
    assert not refused, f"the Role does not allow: {refused[:5]}"
    writes = audit.status_writes(calls, upgrade.name)
    changes = upgrade.watch.count_status_changes()
    assert len(writes) <= changes, f"{len(writes)} status writes made {changes} changes"
    told = upgrade.watch.list_progress()
    hasty = [f"{new['summary']} at {new['observedTime']}, {old['summary']} at {old['observedTime']}"
             for (step, old), (later, new) in zip(told, told[1:])
             if step == later and old and new and 0 <= seconds_between(old["observedTime"], new["observedTime"]) < 10]
    assert not hasty, f"progress was written down more often than every ten seconds: {hasty[:5]}"
    if writes and upgrade.settled_once():
        end = writes[-1]["stageTimestamp"]
        late = [f"{call['verb']} {call['requestURI']}" for call in calls if call["requestReceivedTimestamp"] > end
                and call["verb"] != "watch" and call.get("objectRef", {}).get("resource") not in OF_THE_PROCESS
                # What the last write set off: reading the object once more, and giving it up.
                and call["objectRef"].get("resource") != "omsupgrades"]
        again = [call for call in calls if call["requestReceivedTimestamp"] > end and call["verb"] == "get"
                 and call.get("objectRef", {}).get("resource") == "omsupgrades"]
        assert not late and len(again) <= 2, f"calls after it was settled: {late[:5]}, {len(again)} reads of the object"
    return len(writes), changes


def seconds_between(first, second):
    """Between two times as the API server writes them."""
    begin, end = (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (first, second))
    return (end - begin).total_seconds()


def check_owner_can_apply(lab, manifest, image, command):
    """The Deployment's owner applies it again, with the image at its source: no conflict, no restart."""
    pods = pod_uids(lab)
    wanted = copy.deepcopy(manifest)
    if image is not None:
        wanted["spec"]["template"]["spec"]["containers"][0]["image"] = image
    code, text = lab.try_kubectl(*command, stdin=json.dumps(wanted))
    assert code == 0, f"the owner's next apply fails: {text}"
    assert pod_uids(lab) == pods, "the owner's next apply restarted OMS"


def pod_uids(lab):
    """Uids of the pods of OMS."""
    return sorted(pod["metadata"]["uid"] for pod in lab.get("pods", "-l", "app=oms")["items"])


def check_end(lab, upgrade, before, outcome, restores=1, strangers=(), broken=()):
    """Everything that holds at every end, all of it looked at. `outcome`: succeeded, restored (with a restore) or
    unchanged (without). `restores` is how often a restore was begun; `strangers` are managers of fields that wrote the
    Deployment meanwhile, and `broken` the rules of the stand-in that they broke."""
    after = Photo(lab, before.columns)
    found = Findings()
    found.look(check_deployments, before, after, upgrade.image if outcome == "succeeded" else None, strangers)
    if outcome == "succeeded":
        found.look(check_content_migrated, before, after, upgrade.image)
    else:
        found.look(check_content_as_before, before, after)
    found.look(check_services, lab, before, after, broken)
    found.look(check_nothing_left, lab, upgrade, before, after)
    if upgrade.status().get("backup", {}).get("verified"):
        found.look(check_backup, lab, upgrade)
    found.look(check_jobs, upgrade, restores if outcome == "restored" else 0)
    found.look(check_quiet, lab, upgrade)
    found.conclude()
    return after


def check_jobs(upgrade, expected):
    """Each Job was made once; a restore there is only where the content had changed."""
    jobs = upgrade.jobs()
    assert all(times == 1 for times in jobs.values()), f"a Job was made twice: {jobs}"
    restores = [name for name in jobs if "-restore-" in name]
    assert len(restores) == expected, f"restore Jobs: {restores}"


class Findings:
    """Failures of several looks at the same thing, told together."""

    def __init__(self):
        self.failures = []

    def look(self, check, *arguments):
        """Makes one check and goes on."""
        try:
            check(*arguments)
        except AssertionError as error:
            self.failures.append(f"{check.__name__}: {error}")

    def conclude(self):
        """Fails with all that was found."""
        assert not self.failures, "\n".join(self.failures)
