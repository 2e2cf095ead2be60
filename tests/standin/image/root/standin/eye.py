"""The observer: installs sample data, sets bad days, reports journal, state and digests as JSON.

Runs in a pod beside OMS (or anywhere with this image's files); --account FILE names a JSON file with
user and password, so that its sessions are not taken for those of OMS.
"""

import argparse
import json
import sys
import time
from urllib.parse import urlencode
from urllib.request import urlopen

import digest
import ha
import identity
import journal as journals
import schema
import seed
from metadb import MetaDb

BAD_DAYS = ("init-fails-half-way", "init-hangs", "init-slow", "init-text", "init-python2", "init-exit-lies", "init-kills-container", "init-not-repeatable",
            "console-never-up", "ha-api-errors", "ha-api-lies", "ha-cached-write-back-on-stop", "slow-start",
            "crash-loop", "lagging-project", "stopped-project", "sessions-left-open", "needs-second-init", "ha-not-cached")


def show_journal(db, _):
    """Violations and events, oldest first."""
    columns = "CAST(at AS CHAR) AS at, version, node, pod, detail"
    return {"violations": db.run(f"SELECT rule, {columns} FROM {journals.NAME}.journal ORDER BY id"),
            "events": db.run(f"SELECT name, {columns} FROM {journals.NAME}.events ORDER BY id"),
            "bad_days": {row["name"]: row["value"] for row in db.run(f"SELECT name, value FROM {journals.NAME}.bad_days")}}


def show_state(db, _):
    """What a person would look up: HA, projects, components, hosts, schema, who is connected."""
    text = ha.read_text(db)
    projects = {}
    for kind, table in (("migration", "oms_project"), ("sync", "oms_sync_project")):
        for row in db.run(f"SELECT id, project_name, project_status FROM {{rm}}.{table} ORDER BY id"):
            projects[row["id"]] = {"kind": kind, "name": row["project_name"], "status": row["project_status"],
                                   "checkpoints": {}}
    connectors = db.run("SELECT name, kind, link, project_id, status, checkpoint_ts, host_ip FROM {cm}.oms_connector"
                        " ORDER BY name")
    for row in connectors:
        projects[row["project_id"]]["checkpoints"][row["link"]] = row["checkpoint_ts"]
    return {"now": int(time.time()), "schema": schema.state(db), "markers": {role: schema.marker(db, role)
                                                                             for role in db.databases()},
            "ha": {"text": text, "enabled": ha.enabled(ha.parse(text))}, "projects": projects, "connectors": connectors,
            "stores": db.run("SELECT name, subtopic, project_id, status, start_ts, fetched_ts, created_by FROM"
                             " {cm}.oms_store ORDER BY name"),
            "hosts": db.run("SELECT ip, host_status FROM {cm}.host ORDER BY ip"),
            "heart_beats": db.run("SELECT host_ip, TIMESTAMPDIFF(SECOND, gmt_modified, NOW(6)) AS age FROM"
                                  " {hb}.heart_beat WHERE task_name = 'supervisor' ORDER BY host_ip"),
            "connected": [{key: life[key] for key in ("version", "node", "pod")}
                          for life in journals.live_instances(db)]}


def show_digest(db, _):
    """Content digest of every table of the three databases."""
    databases = {row["name"]: row for row in db.run(
        "SELECT schema_name AS name, default_character_set_name AS charset, default_collation_name AS collation"
        " FROM information_schema.schemata") if row["name"] in db.databases().values()}
    return {"volatile": list(digest.VOLATILE), "databases": databases, "tables": digest.digest_all(db)}


def set_bad_day(db, given):
    """Sets one bad day; --clear ends one or all."""
    if given.clear:
        names = [given.name] if given.name else list(BAD_DAYS)
        for name in names:
            db.run(f"DELETE FROM {journals.NAME}.bad_days WHERE name = %s", name)
        return {"cleared": names}
    if given.name not in BAD_DAYS:
        sys.exit(f"no such bad day; there are: {', '.join(BAD_DAYS)}")
    db.run(f"REPLACE INTO {journals.NAME}.bad_days (name, value) VALUES (%s, %s)", given.name, given.value)
    return {given.name: given.value}


def set_setting(db, given):
    """Changes a setting (settings are read at each use)."""
    if given.name not in journals.DEFAULT_SETTINGS:
        sys.exit(f"no such setting; there are: {', '.join(journals.DEFAULT_SETTINGS)}")
    db.run(f"REPLACE INTO {journals.NAME}.settings (name, value) VALUES (%s, %s)", given.name, given.value)
    return {given.name: given.value}


def install(db, given):
    """Fresh databases with sample data; the console's account comes on standard input as JSON."""
    account = json.load(sys.stdin)
    settings = {"init-seconds": "1"} if given.fast else {}
    seed.install(db, identity.read_config(given.config), given.version, account["user"], account["password"], given.size_mb,
                 settings)
    return {"installed": given.version}


def start_components(db, _):
    """What a person does where there is no high availability: starts each component that does not run, by the documented
    calls; Stores first."""
    hosts = {}
    for store in ha.waiting_stores(db):
        hosts.setdefault(store["host_ip"], []).append(("/crawler/restore", {"crawler": store["name"]}))
    statuses = ha.project_statuses(db)
    for row in db.run("SELECT name, kind, project_id, host_ip FROM {cm}.oms_connector WHERE status = 'ABNORMAL'"):
        if statuses.get(row["project_id"]) == "RUNNING":
            writer = row["kind"] == "JDBCWRITER"
            call = ("/applier/start", {"applierName": row["name"]}) if writer else (
                "/connector/task/startByName", {"taskName": row["name"]})
            hosts.setdefault(row["host_ip"], []).append(call)
    started = []
    for host, calls in hosts.items():
        for path, form in calls:
            try:
                with urlopen(f"http://{host}:8088{path}", urlencode(form).encode(), timeout=10) as answer:
                    assert json.load(answer)["isSuccess"], path
            except OSError as error:
                return {"started": started, "refused": f"{path}: {error}"}
            started.append(next(iter(form.values())))
    return {"started": started}


def hold_sessions(db, given):
    """The bad day sessions-left-open: sessions of OMS's own account, idle on its databases."""
    held = [MetaDb(identity.read_config(given.config)) for _ in range(2)]
    while db.run(f"SELECT 1 AS x FROM {journals.NAME}.bad_days WHERE name = 'sessions-left-open'"):
        for session, name in zip(held, (db.rm, db.cm)):
            session.run(f"USE `{name}`")
        db.close()
        time.sleep(1)
    return {}


def run_sql(db, given):
    """One statement, for tests that play a wrong client; {rm}, {cm}, {hb} are the databases."""
    return {"rows": db.run(given.statement)}


def serve(db, given):
    """Commands as JSON lists of words, one a line, each answered by one line: spares whoever looks often a new process
    for every look."""
    for line in sys.stdin:
        try:
            wanted = given.parser.parse_args(json.loads(line))
            answer = {"result": wanted.run(db, wanted)}
        except (Exception, SystemExit) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer, default=str, ensure_ascii=False), flush=True)
    return {}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default=identity.CONFIG_FILE)
    parser.add_argument("--account", help="JSON file with user and password to connect with")
    commands = parser.add_subparsers(required=True)
    for name, run in (("journal", show_journal), ("state", show_state), ("digest", show_digest)):
        commands.add_parser(name).set_defaults(run=run)
    day = commands.add_parser("bad-day")
    day.add_argument("name", nargs="?")
    day.add_argument("value", nargs="?", default="on")
    day.add_argument("--clear", action="store_true")
    day.set_defaults(run=set_bad_day)
    setting = commands.add_parser("setting")
    setting.add_argument("name")
    setting.add_argument("value")
    setting.set_defaults(run=set_setting)
    fresh = commands.add_parser("install")
    fresh.add_argument("--size-mb", type=int, default=0)
    fresh.add_argument("--fast", action="store_true")
    fresh.add_argument("--version", choices=[version for version in identity.VERSIONS if not identity.is_new(version)],
                       default=identity.OLD)
    fresh.set_defaults(run=install)
    commands.add_parser("start-components").set_defaults(run=start_components)
    commands.add_parser("hold-sessions").set_defaults(run=hold_sessions)
    sql = commands.add_parser("sql")
    sql.add_argument("statement")
    sql.set_defaults(run=run_sql)
    commands.add_parser("serve").set_defaults(run=serve, parser=parser)
    given = parser.parse_args()
    account = {}
    if given.account:
        with open(given.account, encoding="utf-8") as file:
            account = json.load(file)
    db = MetaDb(identity.read_config(given.config), account.get("user"), account.get("password"))
    db.connect_patiently(30)
    json.dump(given.run(db, given), sys.stdout, default=str, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
