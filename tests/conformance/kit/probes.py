"""One probe per assumption of docs/assumptions.md: what the facts say of it. No I/O.

A probe returns (holds, evidence) or raises Missing. What cannot be looked at from outside stands in BEYOND with its reason.
"""

import json
import re

from kit.facts import Missing
from kit.looks import DOWN, PROGRAMS, STATES
from kit.metadb import DATABASES

HOLDS, FAILS, UNSEEN = "holds", "does not hold", "not seen"
LAST_LINES = 4
YEARS = 10 * 365 * 86400  # a checkpoint further away is none in seconds

# Assumptions about which a run on scratch databases can say nothing.
BEYOND = {
    "TimeZones": "the MetaDB of a run on this machine has its time zone, which says nothing of yours",
    "StoreLimits": "whether OMS heeds the row shows only where a subtopic has as many Stores as it allows",
    "Lag": "a number that the operator's authors chose: nothing in OMS says which lag is quasi-real-time",
    "RollbackPullBack": "whether changes were lost shows only in rows of the source and the target of a project after a rollback",
}


def tell_settled(seen):
    """How a start ended, in words."""
    if not seen["alive"]:
        return f"after {seen['seconds']} s the container had ended, and had said: {end_of(seen.get('log', ''))}"
    programs = ", ".join(f"{name} {state}" for name, state in sorted((seen["programs"] or {}).items())) or "supervisorctl did not answer"
    return f"after {seen['seconds']} s: {programs}; port 8089: " + (f"HTTP {seen['console']}" if seen["console"] else "no answer")


def end_of(text):
    """The last lines of an output."""
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-LAST_LINES:])


def init_text(facts):
    """docker_init.sh of the new image is run, and its output and own log are searched."""
    output, found = facts.get("init.output"), facts.get("init.completion") or facts.get("init.inlog")
    if not found and facts.get("init.status") != 0 and not facts.find("init.settled", {}).get("up"):
        raise Missing(f"docker_init.sh failed, exit status {facts.get('init.status')}: {end_of(output)}")
    return bool(found), f"exit status {facts.get('init.status')}; {'it says: ' + found if found else 'neither text'}; its end: {end_of(output)}"


def init_repeats(facts):
    """It is run a second time, once it was complete."""
    facts.get("init.status")
    status, first = facts.get("repeat.status"), facts.get("init.status")
    said = facts.get("repeat.completion") or facts.get("repeat.inlog")
    as_before = bool(said) == bool(facts.get("init.completion") or facts.get("init.inlog")) and status == first
    settled, made = facts.get("repeat.settled"), facts.get("repeat.made")
    if not facts.get("init.settled")["up"]:
        raise Missing("OMS did not come up after the first run")
    return (as_before and settled["up"], f"second run: exit status {status} after {facts.get('repeat.seconds')} s; "
            f"tables made otherwise: {', '.join(made) or 'none'}; {tell_settled(settled)}; its end: {end_of(facts.get('repeat.output'))}")


def plain_start_may_migrate(facts):
    """Definitions and rows of every table before and after the first start of the new image, with IS_UPGRADE=true."""
    if not facts.get("upgrade.settled")["programs"]:
        raise Missing("the new image did not start: " + tell_settled(facts.get("upgrade.settled")))
    made, rows = facts.get("upgrade.made"), facts.get("upgrade.rows")
    return bool(made), (f"before docker_init.sh: tables made otherwise: {', '.join(made) or 'none'}; tables with other rows, heart beats and "
                        f"hosts aside: {', '.join(rows) or 'none'}; oms_version: {facts.find('upgrade.versions')}")


def is_upgrade(facts):
    """The new image is started with it, initialised, and started again without it."""
    if not facts.get("init.settled")["up"]:
        raise Missing("OMS did not come up after docker_init.sh: " + tell_settled(facts.get("init.settled")))
    plain = facts.get("plain.settled")
    return plain["up"], (f"with IS_UPGRADE=true {tell_settled(facts.get('upgrade.settled'))}. After docker_init.sh, a new container without it "
                         + tell_settled(plain))


def rests_before_init(facts):
    """The new image is started with IS_UPGRADE=true and watched until nothing moves."""
    seen = facts.get("upgrade.settled")
    programs = seen["programs"] or {}
    return bool(programs) and "STARTING" not in programs.values(), tell_settled(seen)


def old_on_new_schema(facts):
    """The old image is started on the schema that docker_init.sh of the new one has made."""
    seen, changed = facts.get("back.settled"), facts.get("back.made") + facts.get("back.rows")
    return not seen["up"] or bool(changed), (f"{tell_settled(seen)}; CM answers HTTP {facts.find('back.cm', {}).get('status')}; changed, heart "
                                             f"beats and hosts aside: {', '.join(changed) or 'nothing'}")


def health_page(facts):
    """It is asked of both versions, without an account."""
    told, fine = [], True
    for stage, name in (("old", "old"), ("plain", "new")):
        seen = facts.get(f"{stage}.health")
        try:
            healthy = json.loads(seen["body"])["data"]["healthy"]
        except (ValueError, KeyError, TypeError):
            healthy = None
        fine = fine and seen["status"] == 200 and healthy is True
        told.append(f"{name}: HTTP {seen['status']} {seen['body'][:200]}")
    return fine, "; ".join(told)


def account(facts):
    """Who is connected to the MetaDB while OMS works; nobody else uses it."""
    told, strangers, known = [], [], facts.get("run.account")
    for stage, name in (("old", "old"), ("plain", "new")):
        seen = facts.get(f"{stage}.sessions")
        if not seen:
            raise Missing(f"{name}: no session was seen; an account with PROCESS sees more")
        strangers += [user for user, base, _ in seen if user not in (known, known.partition("@")[0]) and base not in DATABASES.values()]
        told.append(f"{name}: " + ", ".join(f"{user} in {base or 'no database'} from {host}" for user, base, host in seen))
    return not strangers, "; ".join(told)


def console_caches_ha(facts):
    """The row is changed by SQL while the console runs; what the console shows, and the row after its restart."""
    restarted, survived = facts.find("ha.restarted"), facts.get("ha.survived")
    shown = facts.get("ha.changed")
    words = {True: "shows it", False: "does not show it", None: "was not looked at"}
    told = (f"the row was changed by SQL; the console {words[shown]}; after its restart it {words[restarted]}; the row after the restart: "
            + ("as written" if survived else "written over"))
    if not facts.get("ha.kept"):
        return True, "the row was written over while the console ran; " + told
    if not survived or shown is False:
        return True, told
    if shown is None:
        raise Missing(told + "; say --ask, or --ha-path with an account of the console")
    return False, told


def ha_row(facts):
    """The row of both versions is read and parsed."""
    told, fine = [], True
    for stage, name in (("old", "old"), ("plain", "new")):
        text = facts.get(f"{stage}.ha")
        try:
            value = json.loads(text) if isinstance(text, str) else None
        except ValueError:
            value = None
        good = isinstance(value, dict) and isinstance(value.get("enable"), bool)
        fine = fine and good
        told.append(f"{name}: " + (f"keys {', '.join(value)}" if isinstance(value, dict) else "no row" if text is None else f"{text}"))
    return fine, "; ".join(told)


def only_ha_starts(facts):
    """Checkpoints of RUNNING projects after the upgrade, HA off for a while, then on."""
    projects, off = facts.get("components.projects"), facts.get("components.off")
    on = facts.get("components.on")
    told = (f"{len(projects)} projects RUNNING; advanced while HA was off: {', '.join(off) or 'none'}; after HA went on: "
            f"{', '.join(on) or 'none'}")
    if off:
        return False, told
    if not on:
        raise Missing(told + ", so nothing shows that they could")
    return True, told


def host_rows(facts):
    """Both tables, twice, in both versions."""
    told, fine = [], True
    for stage, name in (("old", "old"), ("plain", "new")):
        seen = facts.get(f"{stage}.hosts")
        if "error" in seen:
            fine = False
            told.append(f"{name}: {seen['error']}")
            continue
        first, second = seen["first"], seen["second"]
        online = [row["ip"] for row in second["host"] if row["status"] == "ONLINE"]
        before = {row["ip"]: row["at"] for row in first["beats"]}
        kept = [row["ip"] for row in second["beats"] if row["at"] != before.get(row["ip"]) and 0 <= int(row["age"]) <= 60]
        fine = fine and bool(online) and set(online) <= set(kept)
        told.append(f"{name}: host {second['host']}, ages of the beats {[row['age'] for row in second['beats']]} s, renewed between two "
                    f"looks: {', '.join(kept) or 'none'}")
    return fine, "; ".join(told)


def programs(facts):
    """supervisorctl in the container, and startretries of the programs."""
    told, fine = [], True
    for stage, name in (("old", "old"), ("plain", "new")):
        seen, ini = facts.get(f"{stage}.programs"), facts.get(f"{stage}.ini")
        missing = [one for one in PROGRAMS if one not in (seen or {})]
        retries = re.findall(r"startretries *= *(\d+)", ini)
        fine = fine and not missing and bool(retries) and set(retries) == {"0"}
        told.append(f"{name}: {seen}; missing: {', '.join(missing) or 'none'}; startretries: {', '.join(sorted(set(retries))) or 'not set'}")
    return fine, "; ".join(told)


def mounts(facts):
    """The old container is removed, a new one on the same three mounts has to come up without docker_init.sh."""
    if not (facts.find("oldinit.settled") or facts.get("first.settled"))["up"]:
        raise Missing("the old version had not come up before, either")
    seen = facts.get("again.settled")
    return seen["up"], "a new container of the old image on the same mounts, without docker_init.sh: " + tell_settled(seen)


def config_file(facts):
    """Nothing but this file tells OMS of its MetaDB: its databases and its node have to turn up there."""
    found, hosts = facts.get("old.databases"), facts.get("old.hosts")
    known = [] if "error" in hosts else [row["ip"] for row in hosts["second"]["host"]]
    return len(found) == 3 and bool(known), (f"databases of the file's names: {', '.join(found.values()) or 'none'}, "
                                             f"{'made by OMS' if facts.get('first.fresh') else 'there before'}; hosts: {', '.join(known) or 'none'}")


def project_states(facts):
    """Tables, columns and words of both versions."""
    told, odd, rows = [], [], 0
    for stage, name in (("old", "old"), ("plain", "new")):
        seen = facts.get(f"{stage}.projects")
        for table, found in seen.items():
            if not {"id", "project_status"} <= set(found["columns"]):
                odd.append(f"{name}: {table} has no id and project_status: {', '.join(found['columns']) or 'no such table'}")
            words = sorted({status for _, status in found["rows"]})
            odd += [f"{name}: {table} holds {word}" for word in words if str(word).upper() not in STATES]
            rows += len(found["rows"])
            told.append(f"{name} {table}: {len(found['rows'])} rows, {', '.join(map(str, words)) or 'no states'}")
    if odd:
        return False, "; ".join(odd)
    if not rows:
        raise Missing("the tables have the columns, but hold no project: make some while --pause waits")
    return True, "; ".join(told)


def checkpoint(facts):
    """Checkpoints of the progress call, against the clock."""
    now, told, odd = facts.get("run.now"), [], []
    for stage in ("old", "plain"):
        for project, seen in facts.get(f"{stage}.progress").items():
            for name, text in seen["checkpoints"].items():
                told.append(f"{project} {name} {text}")
                if not re.fullmatch(r"\d+", str(text)) or not now - YEARS < int(text) < now + 86400:
                    odd.append(f"{project} {name} {text}")
    if odd:
        return False, f"no Unix time in seconds (now {now:.0f}): " + "; ".join(odd)
    if not told:
        raise Missing("no RUNNING project told a checkpoint: " + json.dumps(facts.get("old.progress")))
    return True, f"now {now:.0f}: " + "; ".join(told)


def db_type(facts):
    """Columns of config_job and its keys of Sources."""
    seen = facts.get("old.connectors")
    if "error" in seen or not {"key", "value", "job_name"} <= set(seen["columns"]):
        return False, seen.get("error") or f"config_job has the columns {', '.join(seen['columns']) or 'none: no such table'}"
    keys = seen["keys"]
    if not keys:
        raise Missing(f"config_job has the columns {', '.join(seen['columns'])}, but no row of a Source")
    typed = {name: count for name, count in keys.items() if name in ("sourceFile.dbType", "sourceFile.db_type")}
    return bool(typed), f"keys of Sources: {keys}"


def silent_when_stopped(facts):
    """Digests of all tables after the stop and some time later, in both versions."""
    told, fine = [], True
    for stage, name in (("oldstop", "old"), ("newstop", "new")):
        written, sessions = facts.get(f"{stage}.written"), facts.get(f"{stage}.sessions")
        fine = fine and not written
        told.append(f"{name}: written after the stop: {', '.join(written) or 'nothing'}; still connected: {sessions or 'nobody'}")
    return fine, "; ".join(told)


def tags_tell_versions(facts):
    """The tag of each image beside what the row of oms_version says while it runs."""
    told, fine = [], True
    for stage, which in (("old", "old"), ("plain", "new")):
        tag = facts.get(f"run.{which}").partition("@")[0].rpartition("/")[2].rpartition(":")[2]
        rows = facts.get(f"{stage}.versions")
        if not isinstance(rows, list) or not rows:
            raise Missing(f"{which} image: oms_version says nothing ({rows or 'no row'}); its tag is {tag}")
        said = re.search(r"\d+\.\d+\.\d+", tag)
        fine = fine and bool(said) and any(said.group() in row for row in rows)
        told.append(f"{which}: tag {tag}, oms_version {', '.join(rows)}")
    return fine, "; ".join(told)


PROBES = {
    "InitText": init_text, "InitRepeats": init_repeats, "PlainStartMayMigrate": plain_start_may_migrate, "IsUpgrade": is_upgrade,
    "RestsBeforeInit": rests_before_init, "OldOnNewSchema": old_on_new_schema, "HealthPage": health_page, "Account": account,
    "ConsoleCachesHa": console_caches_ha, "HaRow": ha_row, "OnlyHaStarts": only_ha_starts, "HostRows": host_rows, "Programs": programs,
    "Mounts": mounts, "ConfigFile": config_file, "ProjectStates": project_states, "Checkpoint": checkpoint, "DbType": db_type,
    "SilentWhenStopped": silent_when_stopped, "TagsTellVersions": tags_tell_versions,
}


def judge(facts):
    """{assumption: {"verdict", "evidence", "how"}}; a probe that breaks is "not seen" with what broke."""
    found = {}
    for name, probe in PROBES.items():
        try:
            holds, evidence = probe(facts)
            verdict = HOLDS if holds else FAILS
        except Missing as why:
            verdict, evidence = UNSEEN, str(why)
        except Exception as error:  # an answer of a shape that nobody thought of
            verdict, evidence = UNSEEN, f"the probe did not understand what it saw: {type(error).__name__}: {error}"
        found[name] = {"verdict": verdict, "evidence": evidence, "how": probe.__doc__}
    for name, why in BEYOND.items():
        found[name] = {"verdict": UNSEEN, "evidence": why, "how": "Not from outside."}
    return found


def is_down(seen, program):
    """True when supervisord answered and the program does not run."""
    return bool(seen["programs"]) and seen["programs"].get(program) in DOWN
