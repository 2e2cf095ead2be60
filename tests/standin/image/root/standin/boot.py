"""PID 1 of the container: refuses or registers, starts supervisord, watches, and records the stop.

It holds the one session by which others see that this container is connected.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import digest
import ha
import identity
import journal as journals
import rules
import schema
from metadb import MetaDb

CERTIFICATE, KEY = "/etc/pki/nginx/oms_server.crt", "/etc/pki/nginx/oms_server.key"
CONSOLE_INI = "/etc/supervisor/conf.d/oms_console.ini"
PROGRAM_INIS = ("oms_console.ini", "drc_cm.ini", "drc_supervisor.ini")
DIE_AT_ONCE = signal.SIGUSR2  # sent by docker_init.sh on the day "init-kills-container"


STOP = threading.Event()  # SIGTERM arrived


def set_autostart(file, value):
    """Writes `autostart = true|false` into a program's ini."""
    path = os.path.join("/etc/supervisor/conf.d", file)
    with open(path, encoding="ascii") as stream:
        text = stream.read()
    with open(path, "w", encoding="ascii") as stream:
        stream.write(re.sub(r"autostart = \w+", f"autostart = {'true' if value else 'false'}", text))


def prepare_programs(db, journal, for_upgrade):
    """Which programs supervisord starts by itself."""
    set_autostart("oms_console.ini", not for_upgrade)
    if identity.is_new(journal.version) and not for_upgrade and journal.bad_day("needs-second-init"):
        last = db.one(f"SELECT outcome FROM {journals.NAME}.inits WHERE version = %s AND outcome NOT IN ('failed', 'lied')"
                      " ORDER BY id DESC LIMIT 1", journal.version)
        if last is None or last["outcome"] != "second":
            journal.event("NeedsSecondInit", "programs wait for docker_init.sh")
            for file in PROGRAM_INIS:
                set_autostart(file, False)


def prepare_nginx():
    """Where nginx listens. With certificates it speaks HTTPS and nothing else; people change its port."""
    port = os.environ.get("STANDIN_CONSOLE_PORT", "8089")
    lines = [f"listen {port};"]
    if os.path.exists(CERTIFICATE) and os.path.exists(KEY):
        lines = [f"listen {port} ssl;", f"ssl_certificate {CERTIFICATE};", f"ssl_certificate_key {KEY};",
                 "ssl_protocols TLSv1.2;"]
    with open("/etc/nginx/oms_listen.conf", "w", encoding="ascii") as stream:
        stream.write("\n".join(lines) + "\n")


def start(db, journal, config):
    """Judges the start; returns the id of this container's life."""
    for_upgrade = identity.started_for_upgrade()
    db.run(f"INSERT INTO {journals.NAME}.instances (version, node, pod, for_upgrade, session, started)"
           " VALUES (%s, %s, %s, %s, %s, %s)", journal.version, journal.node, journal.pod, int(for_upgrade),
           db.session(), time.time())
    instance = db.one("SELECT LAST_INSERT_ID() AS id")["id"]
    identity.write_boot(instance, journal.pod)
    journal.event("Start", "IS_UPGRADE=true" if for_upgrade else "")
    rules.check_alone(db, journal, instance)
    rules.check_mounts(db, journal)
    rules.check_environment(db, journal, config)
    state = schema.state(db)
    rules.check_schema(db, journal, for_upgrade, state)
    if state != "none":
        rules.check_rest(db, journal, instance)
        rules.check_ha(db, journal, instance)
    prepare_programs(db, journal, for_upgrade)
    return instance


def watch(db, journal, instance, config, child):
    """Keeps the registration true and judges what can go wrong at any time, until supervisord ends."""
    registered = None
    while child.poll() is None and not STOP.is_set():
        try:
            session = db.session()
            if session != registered:
                db.run(f"UPDATE {journals.NAME}.instances SET session = %s WHERE id = %s", session, instance)
                registered = session
            rules.check_alone(db, journal, instance)
            ha.observe(db, journal, config["cm_nodes"])
            pause = journal.setting("tick-seconds")
        except Exception as error:  # the MetaDB may come and go; PID 1 stays
            print(f"watch: {error}", flush=True)
            pause = 1
        _reap(child)
        STOP.wait(pause)


def _reap(child):
    """PID 1 collects orphans; the status of supervisord is left to `child`."""
    try:
        while True:
            waiting = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if waiting is None or waiting.si_pid == child.pid:
                return
            os.waitpid(waiting.si_pid, 0)
    except ChildProcessError:
        return


def record_stop(db, journal, instance):
    """After all programs ended: what the databases held when the last writer was gone."""
    db.run(f"UPDATE {journals.NAME}.instances SET quiet = 1 WHERE id = %s", instance)
    content = None
    if all(other["quiet"] for other in journals.live_instances(db, but=instance)):
        content = json.dumps(digest.digest_at_rest(db))
        if schema.state(db) != "none":
            journal.note("ha", "on" if ha.enabled(ha.parse(ha.read_text(db))) else "off")
    journal.event("Stop", "databases at rest" if content else "other nodes still write")
    db.run(f"UPDATE {journals.NAME}.instances SET stopped = %s, digest = %s WHERE id = %s",
           time.time(), content, instance)


def main():
    signal.signal(signal.SIGTERM, lambda *_: STOP.set())
    signal.signal(DIE_AT_ONCE, lambda *_: os._exit(137))
    config, version, node = identity.read_config(), identity.image_version(), identity.host_ip()
    print(f"OMS stand-in {version} on {node}, configuration read", flush=True)
    db = MetaDb(config, home="rm")
    db.connect_patiently(30)
    journals.create(db)
    journal = journals.Journal(db, version, node, identity.pod_id())
    if identity.is_new(version) and _crash_loop(journal):
        journal.event("CrashLoop")
        time.sleep(1)
        sys.exit("crash-loop: this container ends at once")
    slow = journal.bad_day("slow-start")
    if slow and STOP.wait(float(slow)):
        return 0
    try:
        instance = start(db, journal, config)
    except rules.Refused as refusal:
        sys.exit(f"refused to start: {refusal}")
    prepare_nginx()
    child = subprocess.Popen(["supervisord", "-n", "-c", "/etc/supervisor/supervisord.conf"])
    watch(db, journal, instance, config, child)
    if not STOP.is_set():
        return child.returncode
    child.terminate()
    child.wait()
    record_stop(db, journal, instance)
    return 0


def _crash_loop(journal):
    when = journal.bad_day("crash-loop")
    return when and not (when == "after-init" and identity.started_for_upgrade())


if __name__ == "__main__":
    sys.exit(main())
