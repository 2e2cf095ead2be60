"""Sample data of one installation: projects of both kinds in several states, their components, bulk rows."""

import json
import os
import time
import uuid

import console
import ha
import identity
import journal as journals
import schema

# The shorter documented default: three documented keys are missing, one key is nobody's.
HA_CONFIG = {"enable": True, "enableHost": False, "enableStore": True, "enableConnector": True,
             "enableJdbcWriter": True, "subtopicStoreNumberThreshold": 5, "checkRequestIntervalSec": 600,
             "checkHostDownIntervalSec": 540, "checkModuleExceptionIntervalSec": 240,
             "clearAbnormalResourceHours": 72, "standinUnknownKey": "keep me"}

# id, name, status, importance, current step, reverse, [(link, kind, connector status, seconds behind, dbType)]
MIGRATIONS = (
    ("p_reverse01", "orders to ob", "RUNNING", "HIGH", "REVERSE_INCR_SYNC", 1,
     [("forward", "CONNECTOR", "STOPPED", 86400, "MYSQL"), ("reverse", "CONNECTOR", "RUNNING", 5, "OB_MYSQL")]),
    ("p_writer02", "billing to ob", "RUNNING", "MEDIUM", "REVERSE_INCR_SYNC", 1,
     [("reverse", "JDBCWRITER", "RUNNING", 5, None)]),
    ("p_suspended03", "archive 'to' ob 🐘", "SUSPEND", "LOW", "REVERSE_INCR_SYNC", 1,
     [("reverse", "CONNECTOR", "SUSPEND", 120, "OB_MYSQL")]),
    ("p_finished04", "users to ob", "FINISHED", "LOW", "FULL_VALIDATION", 0, []),
    ("p_deleted05", "gone", "DELETED", "IGNORE", "PRE_CHECK", 0, []),
)

SYNCS = (
    ("p_sync11", "orders to kafka", "RUNNING", "CONNECTOR_INCR_SYNC", 1,
     [("sync", "CONNECTOR", "RUNNING", 5, "OB_MYSQL")]),
    ("p_sync12", "stock to kafka", "RUNNING", "CONNECTOR_INCR_SYNC", 0,
     [("sync", "CONNECTOR", "RUNNING", 5, None)]),
    ("p_sync13", "click \"stream\" ✓", "SUSPEND", "CONNECTOR_INCR_SYNC", 0,
     [("sync", "CONNECTOR", "SUSPEND", 120, "MYSQL")]),
)


def seed(db, config, version, console_user, console_password, size_mb):
    """Fills fresh databases; the components are dead until HA starts them."""
    nodes = [str(node) for node in config["cm_nodes"]]
    db.run("INSERT INTO {cm}.resource_group (name) VALUES (%s)", str(config["cm_location"]))
    group = db.one("SELECT id FROM {cm}.resource_group")["id"]
    for node in nodes:
        db.run("INSERT INTO {cm}.host (ip, host_status, resource_group_id) VALUES (%s, 'OFFLINE', %s)", node, group)
    db.run("INSERT INTO {rm}.cluster_info (region, region_cn, cm_url, code, is_default_cm) VALUES (%s, %s, %s, %s, 1)",
           str(config.get("cm_region", "cn-standin")), "演示", str(config.get("cm_url", "")), int(config["cm_location"]))
    if identity.has_ha(version):
        ha.write_text(db, json.dumps(HA_CONFIG))
    typed = identity.has_db_type(version)
    db.run("INSERT INTO {rm}.oms_normal_config (cfg_name, cfg_value) VALUES ('oms.captcha.enable', 'false')")
    salt = uuid.uuid4().hex
    db.run("INSERT INTO {rm}.oms_user (name, role, salt, password_digest) VALUES (%s, 'ADMIN', %s, %s)",
           console_user, salt, console.password_digest(salt, console_password))
    for number, row in enumerate(MIGRATIONS):
        *columns, links = row
        db.run("INSERT INTO {rm}.oms_project (id, project_name, project_status, importance, current_step,"
               " enable_reverse_incr_sync, enable_incr_sync, options) VALUES (%s, %s, %s, %s, %s, %s, 1, %s)",
               *columns, json.dumps({"note": "it's “quoted” \\ 🚀", "list": [1, None, 2.5]}))
        _add_objects(db, columns[0])
        _add_components(db, columns[0], links, nodes[number % len(nodes)], typed)
    for number, row in enumerate(SYNCS):
        *columns, links = row
        db.run("INSERT INTO {rm}.oms_sync_project (id, project_name, project_status, current_step, ddl_sync,"
               " enable_incr_sync, options) VALUES (%s, %s, %s, %s, %s, 1, %s)",
               *columns, json.dumps({"topic": columns[0], "tiefe": "größer"}))
        _add_components(db, columns[0], links, nodes[number % len(nodes)], typed)
    add_bulk(db, size_mb)


def _add_objects(db, project):
    for number in range(20):
        db.run("INSERT INTO {rm}.oms_project_object (project_id, object_name, rows_per_second, checked_at, remark,"
               " sample) VALUES (%s, %s, %s, NOW(6), %s, %s)", project, f"shop`.`table {number}", f"{number}.{number:06d}",
               None if number % 3 else "ёмодзи 😀\n\ttab", bytes(range(256)))


def _add_components(db, project, links, node, typed):
    now = int(time.time())
    for link, kind, status, behind, db_type in links:
        subtopic = f"{project}-{link}"
        name = f"{node}-9000:{subtopic}:{0:010d}"
        if status != "STOPPED":
            db.run("INSERT INTO {cm}.oms_store (name, subtopic, project_id, host_ip, status, start_ts, fetched_ts,"
                   " created_by, boot) VALUES (%s, %s, %s, %s, 'RUNNING', %s, %s, 'project', 0)",
                   name, subtopic, project, node, now - 86400, now - 2)
        connector = f"{subtopic}-{kind.lower()}"
        db.run("INSERT INTO {cm}.oms_connector (name, kind, link, project_id, subtopic, host_ip, status, checkpoint_ts,"
               " boot) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0)",
               connector, kind, link, project, subtopic, node, status, now - behind)
        settings = {"sourceFile.sourceType": "STORE", "sinkFile.sinkType": "MYSQL", "coordinatorFile.bridgeQueueSize": "256"}
        if typed and db_type:  # both documented spellings occur
            settings["sourceFile.dbType" if link != "sync" else "sourceFile.db_type"] = db_type
        for key, value in settings.items():
            db.run("INSERT INTO {cm}.config_job (job_name, `key`, value) VALUES (%s, %s, %s)", connector, key, value)


def add_bulk(db, size_mb):
    """About size_mb MB of rows in oms_audit_log, doubled on the server."""
    block = [("seed", number / 7, os.urandom(480).hex()) for number in range(100)]
    for actor, cost, detail in block:
        db.run("INSERT INTO {rm}.oms_audit_log (actor, cost, detail) VALUES (%s, %s, %s)", actor, cost, detail)
    rows, wanted = len(block), size_mb * 1000
    while rows < wanted:
        more = min(rows, wanted - rows, 20000)
        db.run("INSERT INTO {rm}.oms_audit_log (actor, cost, detail)"
               " SELECT actor, cost + 1, REVERSE(detail) FROM {rm}.oms_audit_log LIMIT %s", more)
        rows += more


def install(db, config, version, console_user, console_password, size_mb, settings):
    """A fresh installation of a version before 4.0.0-ce; whatever an earlier one left behind goes."""
    db.run(f"DROP DATABASE IF EXISTS {journals.NAME}")
    for role in db.databases():
        db.run(f"DROP DATABASE IF EXISTS {{{role}}}")
    journals.create(db)
    schema.create(db, version)
    seed(db, config, version, console_user, console_password, size_mb)
    for name, value in settings.items():
        db.run(f"REPLACE INTO {journals.NAME}.settings (name, value) VALUES (%s, %s)", name, value)
    journals.Journal(db, version, "-", "-").event("Installed", f"{size_mb} MB of bulk rows")
