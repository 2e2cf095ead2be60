"""ha.config: the row, its documented keys and what HA does with abnormal components.

A row or key that is missing means off (the shorter documented default lacks three keys).
"""

import json
import time

import journal as journals

CONFIG_NAME = "ha.config"
DEFAULTS = {"refetchStoreIntervalMin": 30, "subtopicStoreNumberThreshold": 5, "enableStore": True,
            "enableConnector": True, "enableJdbcWriter": True, "perceiveStoreClientCheckpoint": False}

# The documented keys and the types of their documented defaults.
TYPES = {"enable": bool, "enableHost": bool, "enableStore": bool, "enableConnector": bool, "enableJdbcWriter": bool,
         "perceiveStoreClientCheckpoint": bool, "subtopicStoreNumberThreshold": int, "checkRequestIntervalSec": int,
         "checkJdbcWriterIntervalSec": int, "checkHostDownIntervalSec": int, "checkModuleExceptionIntervalSec": int,
         "clearAbnormalResourceHours": int, "refetchStoreIntervalMin": int}


def read_text(db):
    """The row's JSON text, None without a row."""
    row = db.one("SELECT cfg_value FROM {rm}.oms_normal_config WHERE cfg_name = %s", CONFIG_NAME)
    return row["cfg_value"] if row else None


def write_text(db, text):
    """Writes the row."""
    db.run("REPLACE INTO {rm}.oms_normal_config (cfg_name, cfg_value) VALUES (%s, %s)", CONFIG_NAME, text)


def parse(text):
    """The keys of the row; anything that is no JSON object counts as empty."""
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def enabled(config):
    """True only for enable: true."""
    return config.get("enable") is True


def option(config, key):
    """Value of a key or its documented default."""
    return config.get(key, DEFAULTS[key])


def newest_stores(db):
    """The newest Store of each subtopic, with how many Stores the subtopic has."""
    newest = {}
    for store in db.run("SELECT * FROM {cm}.oms_store ORDER BY name"):
        known = newest.get(store["subtopic"])
        count = (known["count"] if known else 0) + 1
        if known is None or store["boot"] >= known["boot"]:
            known = store
        newest[store["subtopic"]] = dict(known, count=count)
    return list(newest.values())


def project_statuses(db):
    """{project id: status} of both kinds of projects."""
    return {row["id"]: row["project_status"] for table in ("oms_project", "oms_sync_project")
            for row in db.run(f"SELECT id, project_status FROM {{rm}}.{table}")}


def waiting_stores(db):
    """Abnormal Stores that HA would replace: those of projects that are neither over nor new."""
    statuses = project_statuses(db)
    return [store for store in newest_stores(db) if store["status"] == "ABNORMAL"
            and statuses.get(store["project_id"]) in ("RUNNING", "SUSPEND", "FAILED")]


def pull_back_too_short(db, config, minute):
    """Why HA with these parameters would lose changes, or None: without a look at the downstream
    checkpoint the pull-back must reach behind the moment at which the Stores stopped."""
    if option(config, "perceiveStoreClientCheckpoint"):
        return None
    reach = float(option(config, "refetchStoreIntervalMin")) * minute
    statuses = project_statuses(db)
    stopped = [store["fetched_ts"] for store in waiting_stores(db) if statuses[store["project_id"]] == "RUNNING"]
    if stopped and time.time() - reach > min(stopped):
        return (f"refetchStoreIntervalMin reaches {reach:.0f} s back,"
                f" the Stores stopped {time.time() - min(stopped):.0f} s ago")
    return None


def start_components(db, journal, config, boots):
    """One round of HA: new Stores for abnormal ones, abnormal Connectors and JDBCWriters started.

    `boots` is {host ip: id of the container life that runs there}."""
    stuck = journal.bad_day("stopped-project")
    statuses = project_statuses(db)
    if option(config, "enableStore"):
        for store in waiting_stores(db):
            if store["project_id"] != stuck and store["host_ip"] in boots:
                _create_store(db, journal, config, store, boots[store["host_ip"]])
    for connector in db.run("SELECT * FROM {cm}.oms_connector WHERE status = 'ABNORMAL'"):
        guard = "enableJdbcWriter" if connector["kind"] == "JDBCWRITER" else "enableConnector"
        if (option(config, guard) and connector["host_ip"] in boots and connector["project_id"] != stuck
                and statuses.get(connector["project_id"]) == "RUNNING"):
            db.run("UPDATE {cm}.oms_connector SET status = 'RUNNING', boot = %s WHERE name = %s AND status = 'ABNORMAL'",
                   boots[connector["host_ip"]], connector["name"])
            journal.event("ComponentStarted", f"{connector['kind']} {connector['name']}")


def _create_store(db, journal, config, old, boot):
    if old["count"] >= int(option(config, "subtopicStoreNumberThreshold")):
        return
    pull_back = float(option(config, "refetchStoreIntervalMin")) * journal.setting("minute-seconds")
    start = time.time() - pull_back
    if option(config, "perceiveStoreClientCheckpoint"):
        downstream = [row["checkpoint_ts"] for row in
                      db.run("SELECT checkpoint_ts FROM {cm}.oms_connector WHERE subtopic = %s AND status <> 'RELEASED'",
                             old["subtopic"])]
        if not downstream:
            return  # documented: without a downstream HA does nothing
        start = min(downstream) - pull_back
    create_store(db, journal, old, int(start), boot, "HA")


def create_store(db, journal, old, start, boot, creator):
    """Makes a Store of the same subtopic that begins at `start`; a beginning after the last
    applied change is the loss that this whole stand-in exists to show."""
    name = f"{old['host_ip']}-9000:{old['subtopic']}:{boot:010d}"
    if db.run("SELECT 1 AS x FROM {cm}.oms_store WHERE name = %s", name):
        db.run("UPDATE {cm}.oms_store SET status = 'RUNNING' WHERE name = %s", name)
        return
    db.run("INSERT INTO {cm}.oms_store (name, subtopic, project_id, host_ip, status, start_ts, fetched_ts, created_by,"
           " boot) VALUES (%s, %s, %s, %s, 'RUNNING', %s, %s, %s, %s)", name, old["subtopic"], old["project_id"],
           old["host_ip"], start, start, creator, boot)
    journal.event("StoreCreated", f"{name} starts at {start}")
    for connector in db.run("SELECT name, checkpoint_ts, status FROM {cm}.oms_connector WHERE subtopic = %s",
                            old["subtopic"]):
        if start > connector["checkpoint_ts"]:
            detail = (f"project {old['project_id']}: Store {name} starts {start - connector['checkpoint_ts']} s"
                      f" after the last change that {connector['name']} applied")
            if connector["status"] == "SUSPEND":
                journal.event("PausedBehindStore", detail)
            else:
                journal.violation("ReplicationGap", detail)
                db.run("UPDATE {cm}.oms_connector SET checkpoint_ts = %s WHERE name = %s", start, connector["name"])


def wrong_types(config):
    """Documented keys with a value of another type than the documented one, sorted."""
    return sorted(f"{key}: {json.dumps(config[key])}" for key, kind in TYPES.items()
                  if key in config and type(config[key]) is not kind)


def observe(db, journal, config_nodes):
    """Notes when HA goes on or off, and judges the moment at which it goes on."""
    config = parse(read_text(db))
    now, before = ("on" if enabled(config) else "off"), journal.fact("ha")
    if now == before:
        return
    if now == "on" and before is not None:
        judge_enabling(db, journal, config, config_nodes)  # before the note, else HA may act first
    journal.note("ha", now)
    journal.event("HaOn" if now == "on" else "HaOff", json.dumps(config))


def judge_enabling(db, journal, config, config_nodes):
    """HA may go on only when every node runs one version and is ONLINE, and far enough back."""
    lives = journals.live_instances(db)
    down = sorted(set(map(str, config_nodes)) - {life["node"] for life in lives})
    limit = journal.setting("host-timeout-seconds")
    beats = {row["ip"]: row["age"] for row in
             db.run("SELECT host_ip AS ip, TIMESTAMPDIFF(SECOND, gmt_modified, NOW(6)) AS age FROM {hb}.heart_beat"
                    " WHERE task_name = 'supervisor'")}
    offline = [row["ip"] for row in db.run("SELECT ip, host_status FROM {cm}.host")
               if row["host_status"] != "ONLINE" or beats.get(row["ip"], limit) >= limit]
    versions = sorted({life["version"] for life in lives})
    if down or offline or len(versions) > 1:
        journal.violation("HaWhileDown", f"HA switched on while nodes {down} are down, hosts {offline} not ONLINE"
                          f" or without heart beat, versions {versions}")
    odd = wrong_types(config)
    if odd:
        journal.violation("HaKeyType", "HA switched on with " + ", ".join(odd))
    short = pull_back_too_short(db, config, journal.setting("minute-seconds"))
    if short:
        journal.violation("ShortPullBack", short)
