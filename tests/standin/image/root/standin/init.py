"""docker_init.sh's work: the documented steps, with a real schema migration in 4.0.0-ce."""

import os
import subprocess
import sys
import time

import boot
import identity
import journal as journals
import schema
from metadb import MetaDb

# By value of the bad day "init-text"; the first one is that of the Chinese pages, the second one that of their translation.
TEXTS = {None: "【结束】全部初始化步骤执行成功", "english": "# [Completed] All initialization steps are executed.", "none": None}
EXIT_FAILED, EXIT_LYING = 1, 90
PROGRAMS = ("nginx", "oms_console", "oms_drc_cm", "oms_drc_supervisor", "sshd")


class HalfWay(Exception):
    """The bad day "init-fails-half-way"."""


def say(text):
    """One line of the log, with time."""
    print(time.strftime("%Y-%m-%d %H:%M:%S ") + text, flush=True)


def begin(db, journal):
    """Registers this run; a second one at the same time is a mistake."""
    open_sessions, own = db.open_sessions(), db.session()
    db.run(f"INSERT INTO {journals.NAME}.inits (version, node, instance, session, started)"
           " VALUES (%s, %s, %s, %s, %s)", journal.version, journal.node, identity.read_boot()[0], own, time.time())
    run = db.one("SELECT LAST_INSERT_ID() AS id")["id"]
    for other in db.run(f"SELECT node, session FROM {journals.NAME}.inits WHERE finished IS NULL AND id <> %s", run):
        if other["session"] in open_sessions and other["session"] != own:
            journal.violation("DoubleInit", f"docker_init.sh runs on node {other['node']} at the same time")
    journal.event("InitStarted")
    return run


def migrate(db, journal, pause):
    """All three databases to the version of this image; the bad days strike after the first."""
    for role, step in schema.MIGRATION:
        say(f"init-db: {db.databases()[role]}")
        schema.migrate(db, role, step)
        time.sleep(pause)
        if role != "rm":
            continue
        if journal.bad_day("init-fails-half-way"):
            raise HalfWay("ERROR 1060 (42S21): Duplicate column name 'engine'")
        if journal.bad_day("init-hangs"):
            say("waiting for table lock")
            while journal.bad_day("init-hangs"):
                time.sleep(1)
        when = journal.bad_day("init-kills-container")
        if when:
            if when != "always":
                journal.clear_bad_day("init-kills-container")
            journal.event("InitKillsContainer")
            os.kill(1, boot.DIE_AT_ONCE)
            time.sleep(60)


def control(command):
    """supervisorctl, bounded: its stop of a program that another supervisorctl starts at that moment never comes back."""
    try:
        subprocess.run(["supervisorctl", *command], check=False, timeout=90)
    except subprocess.TimeoutExpired:
        say("supervisorctl " + " ".join(command) + " did not come back")


def add_resource(db, journal):
    """The step oms_cluster_manager add_resource: this host is known to the CM."""
    if not db.run("SELECT 1 AS x FROM {cm}.host WHERE ip = %s", journal.node):
        db.run("INSERT INTO {cm}.host (ip, host_status, resource_group_id) VALUES (%s, 'OFFLINE', 1)", journal.node)


def initialise(db, journal, config):
    """The documented five steps."""
    pause = float(journal.bad_day("init-slow") or journal.setting("init-seconds")) / 4
    say("# [1/5] oms_cluster_config --check config.yaml")
    if journal.node not in map(str, config["cm_nodes"]):
        raise HalfWay(f"OMS_HOST_IP {journal.node} is not in cm_nodes")
    say("# [2/5] oms_init_manager --init-db")
    schema_before = schema.state(db)
    if identity.is_new(journal.version):
        if schema_before == "none":
            schema.create(db)
        migrate(db, journal, pause)
    elif schema_before in ("none", identity.OLD):
        schema.create(db)
    else:
        raise HalfWay(f"schema is {schema_before}, newer than this version")
    say("# [3/5] oms_init_manager --init-config-file")
    for file in boot.PROGRAM_INIS:
        boot.set_autostart(file, True)
    say("# [4/5] supervisorctl restart " + " ".join(PROGRAMS))
    # these five are all there are; by "all" they restart side by side
    for command in (["update"], ["restart", "all"]):
        control(command)
    time.sleep(pause)
    say("# [5/5] oms_cluster_manager add_resource")
    add_resource(db, journal)


def main():
    config = identity.read_config()
    db = MetaDb(config, home="rm")
    journal = journals.Journal(db, identity.image_version(), identity.host_ip(), identity.read_boot()[1])
    run = begin(db, journal)
    outcome = "second" if not identity.started_for_upgrade() else "ok"
    try:
        initialise(db, journal, config)
    except Exception as error:
        say(f"[Failed] {error}")
        lies = journal.bad_day("init-exit-lies")
        db.run(f"UPDATE {journals.NAME}.inits SET finished = %s, outcome = %s WHERE id = %s", time.time(),
               "lied" if lies else "failed", run)
        journal.event("InitFailed", str(error))
        return EXIT_LYING if lies else EXIT_FAILED
    db.run(f"UPDATE {journals.NAME}.inits SET finished = %s, outcome = %s WHERE id = %s", time.time(), outcome, run)
    journal.event("InitFinished", outcome)
    text = TEXTS[journal.bad_day("init-text")]
    if text:
        print(text, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
