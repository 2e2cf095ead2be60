"""The rules that are judged when a container starts: mounts, environment, versions, schema, rest.

Each writes into the journal; Refused ends the container.
"""

import json
import os
import uuid

import digest
import ha
import identity
import journal as journals

MOUNTS = {"logs": "/home/admin/logs", "store": "/home/ds/store", "run": "/home/ds/run"}
ID_FILE = ".oms-installation"


class Refused(Exception):
    """The container must not start."""


def read_mounts():
    """{mount name: what its installation file says, or None}."""
    found = {}
    for name, path in MOUNTS.items():
        try:
            with open(os.path.join(path, ID_FILE), encoding="ascii") as file:
                found[name] = json.load(file)
        except FileNotFoundError:
            found[name] = None
    return found


def check_mounts(db, journal):
    """The three mounts belong to this node of this installation, each in its place."""
    known = db.one(f"SELECT installation FROM {journals.NAME}.nodes WHERE node = %s", journal.node)
    found = read_mounts()
    if known is None and not any(found.values()):
        return _mark_mounts(db, journal)
    owners = {entry["node"] for entry in found.values() if entry}
    if known is None and len(owners) == 1 and db.run(f"SELECT 1 AS x FROM {journals.NAME}.nodes WHERE node = %s",
                                                     *owners):
        journal.violation("ChangedEnvironment", f"OMS_HOST_IP is {journal.node}, these mounts belong to {owners}")
        raise Refused("OMS_HOST_IP changed")
    for name, entry in found.items():
        expected = {"installation": known and known["installation"], "node": journal.node, "mount": name}
        if entry != expected:
            journal.violation("ChangedMounts", f"{MOUNTS[name]} holds {entry}, expected {expected}")
            raise Refused(f"{MOUNTS[name]} is not the mount of this installation")


def _mark_mounts(db, journal):
    installation = uuid.uuid4().hex
    for name, path in MOUNTS.items():
        with open(os.path.join(path, ID_FILE), "w", encoding="ascii") as file:
            json.dump({"installation": installation, "node": journal.node, "mount": name}, file)
    db.run(f"INSERT INTO {journals.NAME}.nodes (node, installation, environment, config) VALUES (%s, %s, '', '')",
           journal.node, installation)
    journal.event("FirstStart", installation)


def check_environment(db, journal, config):
    """Environment and config.yaml are those of the first start."""
    now = {"environment": json.dumps(identity.own_environment(), sort_keys=True),
           "config": json.dumps(identity.comparable_config(config), sort_keys=True, default=str)}
    row = db.one(f"SELECT environment, config FROM {journals.NAME}.nodes WHERE node = %s", journal.node)
    if not row["environment"]:
        db.run(f"UPDATE {journals.NAME}.nodes SET environment = %s, config = %s WHERE node = %s",
               now["environment"], now["config"], journal.node)
        return
    for what, text in now.items():
        before, after = json.loads(row[what]), json.loads(text)
        names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        if names:
            journal.violation("ChangedEnvironment", f"{what} differs from the first start in {', '.join(names)}")


def check_alone(db, journal, instance):
    """No other version is connected; judged at the start and all the time."""
    for other in journals.live_instances(db, but=instance):
        if other["version"] != journal.version:
            journal.violation("TwoVersions", f"{journal.version} runs while {other['version']} is connected"
                              f" from node {other['node']}, pod {other['pod']}", once=True)


def check_schema(db, journal, for_upgrade, state):
    """The version fits the schema, and IS_UPGRADE fits what has been initialised."""
    if not identity.is_new(journal.version) or identity.rank(state) > identity.rank(journal.version):
        if state != journal.version:
            journal.violation("OldOnNewSchema", f"{journal.version} started on a schema that is {state}")
        return
    if state != journal.version:
        if not for_upgrade and not journal.was_lied_to():
            journal.violation("SkippedInit", f"{journal.version} started on a schema that is {state}, without IS_UPGRADE")
        return
    if for_upgrade:
        init = db.one(f"SELECT MAX(finished) AS finished FROM {journals.NAME}.inits"
                      " WHERE version = %s AND outcome NOT IN ('failed', 'lied')", journal.version)
        first = db.one(f"SELECT MIN(started) AS started FROM {journals.NAME}.instances WHERE pod = %s", journal.pod)
        if init["finished"] is not None and first["started"] > init["finished"]:
            journal.violation("UpgradeStartAfterInit", "a new pod has IS_UPGRADE=true although init is done")


def check_rest(db, journal, instance):
    """Nothing was written between the last stop and now; a restore may go back to an earlier stop."""
    if journals.live_instances(db, but=instance):
        return  # another node runs: OMS is not at rest
    last = db.run(f"SELECT version, digest FROM {journals.NAME}.instances WHERE id < %s ORDER BY id DESC", instance)
    if not last:
        return
    if last[0]["digest"] is None and identity.rank(last[0]["version"]) <= identity.rank(journal.version):
        return  # the last life ended without a stop: what it left is not known
    latest = {}
    for row in last:
        latest.setdefault(row["version"], row["digest"])
    if latest.get(journal.version, "never ran") is None:
        return  # a restore would bring back a state that nobody recorded
    accepted = [json.loads(text) for text in latest.values() if text]
    now = digest.digest_at_rest(db)
    if accepted and now not in accepted:
        closest = min((digest.differences(before, now) for before in accepted), key=len)
        journal.violation("WriteAfterStop", "written between the last stop and this start: " + ", ".join(closest))


def check_ha(db, journal, instance):
    """HA is off when a version starts in place of another, and was not switched on while all was down."""
    on = ha.enabled(ha.parse(ha.read_text(db)))
    last = db.one(f"SELECT version FROM {journals.NAME}.instances WHERE node = %s AND id < %s ORDER BY id DESC LIMIT 1",
                  journal.node, instance)
    if not on or last is None:
        return
    if last["version"] != journal.version:
        journal.violation("HaWhileDown", f"{journal.version} starts in place of {last['version']} with HA on")
    elif journal.fact("ha") == "off" and not journals.live_instances(db, but=instance):
        journal.violation("HaWhileDown", "HA was switched on while OMS was stopped")
