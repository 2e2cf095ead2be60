"""What the OMS stand-in does without a document that says so, beside what was seen. No I/O.

An observation returns (as the stand-in does, or None for a mere measure, and evidence), or raises Missing.
"""

import json
import re

from kit.facts import Missing
from kit.probes import end_of, is_down, tell_settled
from kit.rig import PORTS

SAME, OTHER, MEASURED, UNSEEN = "as the stand-in", "otherwise", "measured", "not seen"


def console_before_init(facts):
    """Started with IS_UPGRADE=true, oms_console is STOPPED and port 8089 answers 502 until docker_init.sh ran"""
    seen = facts.get("upgrade.settled")
    return (seen["programs"] or {}).get("oms_console") == "STOPPED" and seen["console"] == 502, tell_settled(seen)


def others_before_init(facts):
    """The other programs run then"""
    seen = facts.get("upgrade.settled")
    down = [name for name in ("nginx", "oms_drc_cm", "oms_drc_supervisor", "sshd") if (seen["programs"] or {}).get(name) != "RUNNING"]
    return not down, tell_settled(seen) + f"; CM answers HTTP {facts.find('upgrade.cm', {}).get('status')}"


def rows_before_init(facts):
    """It writes nothing into the three databases then"""
    if not facts.get("upgrade.settled")["programs"]:
        raise Missing("the new image did not start: " + tell_settled(facts.get("upgrade.settled")))
    changed = facts.get("upgrade.made") + facts.get("upgrade.rows")
    return not changed, f"changed, heart beats and hosts aside: {', '.join(changed) or 'nothing'}"


def init_status(facts):
    """docker_init.sh ends with 0 when it is complete"""
    status = facts.get("init.status")
    if not facts.get("init.settled")["up"]:
        raise Missing(f"OMS did not come up after it; its exit status was {status}")
    return status == 0, f"exit status {status}"


def init_headings(facts):
    """It announces five steps, 【步骤一】 to 【步骤五】"""
    found = re.findall(r"【步骤.】|\[Step \d+\]", facts.get("init.output"))
    return found == [f"【步骤{number}】" for number in "一二三四五"], ", ".join(found) or "no headings: " + end_of(facts.get("init.output"))


def init_log(facts):
    """It keeps /home/admin/logs/docker_init.log.<date>.<time>"""
    logs = facts.get("init.logs")
    return any(re.fullmatch(r"docker_init\.log\.\d{8}\.\d{6}", name) for name in logs), ", ".join(logs) or "no docker_init.log*"


def init_starts_console(facts):
    """It starts oms_console of its node"""
    seen = facts.get("init.settled")
    return (seen["programs"] or {}).get("oms_console") == "RUNNING", tell_settled(seen)


def ha_after_init(facts):
    """It leaves the row ha.config as it was"""
    before, after = facts.get("again.haoff"), facts.get("init.ha")
    if not before:
        raise Missing("HA could not be switched off before")
    return json.loads(after or "{}").get("enable") is False, f"HA was off before; enable is {json.loads(after or '{}').get('enable')} after"


def init_takes(facts):
    """Seconds that docker_init.sh takes"""
    return None, f"old {facts.find('oldinit.seconds', 'not run')}, new {facts.get('init.seconds')}, again {facts.find('repeat.seconds')}"


def starts_take(facts):
    """Seconds from the start of a container until the console answers"""
    return None, "; ".join(f"{name}: {tell_settled(facts.get(stage + '.settled'))}" for stage, name in (("again", "old"), ("plain", "new")))


def stops(facts):
    """SIGTERM ends the container with status 0 within its grace"""
    seen = [(facts.get(f"{stage}.status"), facts.get(f"{stage}.seconds")) for stage in ("oldstop", "newstop")]
    return all(status == 0 for status, _ in seen), "; ".join(f"exit status {status} after {seconds} s" for status, seconds in seen)


def status_after_stop(facts):
    """host_status stays ONLINE after a stop, only the beat grows old"""
    seen = facts.get("oldstop.hosts")
    return all(row["status"] == "ONLINE" for row in seen["host"]) and bool(seen["host"]), (
        f"{seen['host']}, ages of the beats {[row['age'] for row in seen['beats']]} s")


def ports(facts):
    """Ports 8089, 8090, 8088, 8084 and 2023 are open"""
    told = [f"{name}: {facts.get(f'{stage}.ports')}" for stage, name in (("old", "old"), ("plain", "new"))]
    return all(set(facts.get(f"{stage}.ports")) == set(PORTS) for stage in ("old", "plain")), "; ".join(told)


def supervisor_files(facts):
    """Files of /etc/supervisor/conf.d, with startretries 0 and autostart"""
    return None, f"old: {facts.get('old.ini')}; new: {facts.get('plain.ini')}"


def first_start(facts):
    """On empty databases the old image makes nothing until docker_init.sh ran, and its console is down"""
    if not facts.get("first.fresh"):
        raise Missing("the databases were there before")
    seen = facts.get("first.settled")
    return not facts.get("first.made") and is_down(seen, "oms_console"), f"databases: {', '.join(facts.get('first.made')) or 'none'}; {tell_settled(seen)}"


def old_on_new(facts):
    """The old image on the schema of the new one: its console ends at once, the CM answers 503"""
    seen, cm = facts.get("back.settled"), facts.get("back.cm")["status"]
    return is_down(seen, "oms_console") and cm == 503, f"{tell_settled(seen)}; CM answers HTTP {cm}"


def old_on_new_writes(facts):
    """It changes nothing there"""
    changed = facts.get("back.made") + facts.get("back.rows")
    return not changed, f"changed, heart beats and hosts aside: {', '.join(changed) or 'nothing'}"


def version_row(facts):
    """The table oms_version holds one row with the version, which docker_init.sh renews"""
    old, upgrade, new = (facts.get(f"{stage}.versions") for stage in ("old", "upgrade", "plain"))
    return isinstance(old, list) and len(old) == 1 and old == upgrade and old != new, f"old {old}; before docker_init.sh {upgrade}; new {new}"


OBSERVATIONS = (
    console_before_init, others_before_init, rows_before_init, init_status, init_headings, init_log, init_starts_console, ha_after_init,
    init_takes, starts_take, stops, status_after_stop, ports, supervisor_files, first_start, old_on_new, old_on_new_writes, version_row)


def compare(facts):
    """{name: {"stand_in", "verdict", "evidence"}}."""
    found = {}
    for look in OBSERVATIONS:
        try:
            same, evidence = look(facts)
            verdict = MEASURED if same is None else SAME if same else OTHER
        except Missing as why:
            verdict, evidence = UNSEEN, str(why)
        except Exception as error:  # an answer of a shape that nobody thought of
            verdict, evidence = UNSEEN, f"not understood: {type(error).__name__}: {error}"
        found[look.__name__] = {"stand_in": look.__doc__, "verdict": verdict, "evidence": evidence}
    return found
