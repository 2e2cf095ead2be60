"""docker_init.sh's work: the documented steps, with a real schema migration from 4.0.0-ce on."""

import os
import subprocess
import sys
import time

import boot
import identity
import journal as journals
import schema
from metadb import MetaDb

# Headings of the steps and the end, by language: those of the Chinese pages (V3.3.1, deploy on a single node), and those of
# their translation.
CHINESE = ("# 【步骤一】校验 config.yaml 配置文件", "# 【步骤二】创建 OMS 元信息库", "# 【步骤三】创建 OMS 各组件的配置文件",
           "# 【步骤四】重启 OMS 所有组件（大约需要两分钟，请耐心等待）", "# 【步骤五】初始化 OMS 资源标签和资源组",
           "# 【结束】全部初始化步骤执行成功")
ENGLISH = ("# [Step 1] Verify the config.yaml configuration file.", "# [Step 2] Create the OMS MetaDB.",
           "# [Step 3] Create the configuration files for OMS components.",
           "# [Step 4] Restart all OMS components. This step takes about two minutes to complete.",
           "# [Step 5] Initialize OMS resource tags and resource groups.",
           "# [Completed] All initialization steps are executed.")
# By value of the bad day "init-text"; any other value is an end of its own behind Chinese steps.
TEXTS = {None: CHINESE, "english": ENGLISH, "none": CHINESE[:-1] + (None,)}
EXIT_FAILED, EXIT_LYING = 1, 90
PROGRAMS = ("nginx", "oms_console", "oms_drc_cm", "oms_drc_supervisor", "sshd")


class HalfWay(Exception):
    """What ends the script before its end."""


def choose_texts(journal):
    """Headings and end, as the bad day wants them."""
    wanted = journal.bad_day("init-text")
    return TEXTS.get(wanted) or CHINESE[:-1] + (wanted,)


def announce(journal, number):
    """Heading of a step. On the day "init-python2" its output is ASCII unless told otherwise, as that of a Python 2 behind a
    pipe or in the locale C is."""
    text = choose_texts(journal)[number - 1]
    told = os.environ.get("PYTHONIOENCODING", "").lower().startswith("utf")
    if text and journal.bad_day("init-python2") and not told:
        text.encode("ascii")
    if text:
        print(text, flush=True)


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


def migrate(db, journal, pause, state):
    """All three databases to the version of this image; the bad days strike after the first."""
    for version, role, step in schema.list_migrations(state, journal.version):
        say(f"init-db: {db.databases()[role]}")
        schema.migrate(db, version, role, step)
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
    announce(journal, 1)
    say("oms_cluster_config --check config.yaml")
    if journal.node not in map(str, config["cm_nodes"]):
        raise HalfWay(f"OMS_HOST_IP {journal.node} is not in cm_nodes")
    announce(journal, 2)
    say("oms_init_manager --init-db")
    schema_before = schema.state(db)
    if identity.is_new(journal.version):
        if identity.rank(schema_before) > identity.rank(journal.version):
            raise HalfWay(f"schema is {schema_before}, newer than this version")
        if schema_before == journal.version and journal.bad_day("init-not-repeatable"):
            raise HalfWay("the databases are initialised already")
        if schema_before == "none":
            schema.create(db)
        migrate(db, journal, pause, schema_before)
    elif schema_before in ("none", journal.version):
        schema.create(db, journal.version)
    else:
        raise HalfWay(f"schema is {schema_before}, newer than this version")
    announce(journal, 3)
    say("oms_init_manager --init-config-file")
    for file in boot.PROGRAM_INIS:
        boot.set_autostart(file, True)
    announce(journal, 4)
    say("supervisorctl restart " + " ".join(PROGRAMS))
    # these five are all there are; by "all" they restart side by side
    for command in (["update"], ["restart", "all"]):
        control(command)
    time.sleep(pause)
    announce(journal, 5)
    say("oms_cluster_manager add_resource")
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
        say(f"[Failed] {type(error).__name__}: {error}".encode("ascii", "backslashreplace").decode())
        lies = journal.bad_day("init-exit-lies")
        db.run(f"UPDATE {journals.NAME}.inits SET finished = %s, outcome = %s WHERE id = %s", time.time(),
               "lied" if lies else "failed", run)
        journal.event("InitFailed", str(error))
        return EXIT_LYING if lies else EXIT_FAILED
    db.run(f"UPDATE {journals.NAME}.inits SET finished = %s, outcome = %s WHERE id = %s", time.time(), outcome, run)
    journal.event("InitFinished", outcome)
    announce(journal, 6)
    return 0


if __name__ == "__main__":
    sys.exit(main())
