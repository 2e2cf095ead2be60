"""What can be seen of a running OMS from outside: programs, ports, HTTP, rows. Reads only."""

import json
import re
import subprocess
import sys
import time

from kit.metadb import SqlError
from kit.rig import PORTS, RigError

# What the operator asks for: src/oms/container/supervisor.rs.
PROGRAMS = ("nginx", "oms_console", "oms_drc_cm", "oms_drc_supervisor", "sshd")
DOWN = ("FATAL", "EXITED", "STOPPED", "UNKNOWN")
# The completion texts of src/oms/container/init.rs.
COMPLETION = ("【结束】全部初始化步骤执行成功", "[Completed] All initialization steps are executed")
STATES = ("INIT", "RUNNING", "SUSPEND", "FAILED", "FINISHED", "RELEASING", "RELEASED", "DELETED")
PROJECTS = {"oms_project": "migrations", "oms_sync_project": "sync"}


def plain(text):
    """As the operator compares texts: without colours, blanks, and with one width of brackets."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("［", "[").replace("］", "]").replace("【", "[").replace("】", "]")
    return re.sub(r"\s", "", text)


def find_completion(output):
    """Which of the two completion texts an output holds, None where neither."""
    return next((text for text in COMPLETION if plain(text) in plain(output)), None)


def read_programs(container):
    """{program: state} of `supervisorctl status`; None while supervisord does not answer."""
    try:
        lines = container.exec("supervisorctl", "status").text.splitlines()
    except RigError:
        return None
    found = {}
    for line in lines:
        words = line.split()
        if len(words) > 1 and re.fullmatch(r"RUNNING|STARTING|STOPPED|STOPPING|BACKOFF|EXITED|FATAL|UNKNOWN", words[1]):
            found[words[0].rpartition(":")[2]] = words[1]
    return found or None


class Looks:
    """Looks at one rig and its MetaDB."""

    def __init__(self, rig, db, options):
        self.rig, self.db, self.options = rig, db, options

    def _ask(self, **given):
        script = __file__.replace("looks.py", "ask.py")
        result = subprocess.run([*self.rig.prefix, sys.executable, script], input=json.dumps(given), text=True,
                                capture_output=True, timeout=60)
        if result.returncode != 0:
            raise RigError(f"ask.py: {result.stderr.strip()[-300:]}")
        return json.loads(result.stdout)

    def http(self, path, port=8089, user=False):
        """{"status", "body"} of a GET to OMS's node; by HTTPS where the options say so."""
        scheme = self.options.scheme if port == 8089 else "http"
        account = {"user": self.options.console_user, "password": self.options.console_password} if user else {}
        return self._ask(url=f"{scheme}://{self.rig.address}:{port}{path}", **account)

    def open_ports(self):
        """Those of the documented ports on which somebody listens."""
        # By 127.0.0.1: some listen there only, and with the network of the machine it is OMS's as well.
        return self._ask(host="127.0.0.1", ports=sorted(PORTS))["open"]

    def wait_settled(self, container, wanted=PROGRAMS):
        """Until the wanted programs run and, where the console is among them, nginx reaches it; or until nothing changes
        any more. What is seen then: {"up", "seconds", "programs", "console", "alive"}."""
        pace, began = self.options.pace, time.monotonic()
        before, since = None, began
        while True:
            alive = container.alive()
            programs = read_programs(container) if alive else None
            console = self.http("/")["status"] if programs and "oms_console" in wanted else 0
            running = bool(programs) and all(programs.get(name) == "RUNNING" for name in wanted)
            up = running and ("oms_console" not in wanted or console not in (0, 502, 503, 504))
            now = time.monotonic()
            if (programs, console, alive) != before:
                before, since = (programs, console, alive), now
            # A console that runs and does not listen yet may take minutes; one that is down does not come by itself.
            moving = running or (programs and any(state in ("STARTING", "BACKOFF") for state in programs.values()))
            quiet = now - since > (pace.serve if moving else pace.settle if programs else pace.answer)
            if up or not alive or quiet or now - began > pace.start:
                return {"up": up, "seconds": round(now - began, 1), "programs": programs, "console": console, "alive": alive,
                        "log": "" if programs else container.log()[-1000:]}
            time.sleep(pace.poll)

    def read_hosts(self):
        """Rows of host and the age of the heart beats, twice; the second look shows whether they are kept."""
        def look():
            # Age by the MetaDB's clock: that of this machine may differ.
            return {"host": self.db.rows("SELECT ip AS ip, host_status AS status FROM {cm}.host ORDER BY ip"),
                    "beats": self.db.rows("SELECT host_ip AS ip, TIMESTAMPDIFF(SECOND, gmt_modified, NOW()) AS age, gmt_modified"
                                          " AS at FROM {hb}.heart_beat WHERE task_name = 'supervisor' ORDER BY host_ip")}
        return look

    def wait_hosts(self):
        """The two looks, once this node is ONLINE with a beat, or the last ones before the deadline."""
        look, deadline = self.read_hosts(), time.monotonic() + self.options.pace.hosts
        while True:
            first = look()
            online = any(row["ip"] == self.rig.address and row["status"] == "ONLINE" for row in first["host"])
            fresh = any(row["ip"] == self.rig.address and 0 <= int(row["age"] or -1) <= 60 for row in first["beats"])
            if (online and fresh) or time.monotonic() > deadline:
                break
            time.sleep(self.options.pace.poll)
        time.sleep(self.options.pace.gap)
        return {"first": first, "second": look()}

    def read_projects(self):
        """{table: {"columns", "rows": [(id, status)]}}; a table that is not there has no columns."""
        found = {}
        for table in PROJECTS:
            columns = self.db.columns("rm", table)
            rows = []
            if {"id", "project_status"} <= set(columns):
                rows = self.db.rows(f"SELECT id AS id, project_status AS status FROM {{rm}}.{table} ORDER BY id LIMIT 200")
            found[table] = {"columns": columns, "rows": [(row["id"], row["status"]) for row in rows]}
        return found

    def read_progress(self, projects):
        """{project: {"http", "status", "checkpoints": {name: text}}} of RUNNING projects; needs a console account."""
        found = {}
        for table, kind in PROJECTS.items():
            for project, status in projects[table]["rows"]:
                if status != "RUNNING":
                    continue
                answer = self.http(f"/api/omsp/v2/{kind}/{project}/progress", user=True)
                try:
                    data = json.loads(answer["body"]).get("data") or {}
                except (ValueError, AttributeError):
                    data = {}
                found[project] = {"http": answer["status"], "status": data.get("status"), "checkpoints": {
                    key: data[key] for key in sorted(data) if key.endswith("heckpoint") and data[key] is not None}}
        return found

    def read_connectors(self):
        """{"columns", "keys": {key: rows}, "jobs"} of config_job."""
        columns = self.db.columns("cm", "config_job")
        if not {"key", "value"} <= set(columns):
            return {"columns": columns, "keys": {}}
        rows = self.db.rows("SELECT `key` AS k, COUNT(*) AS n FROM {cm}.config_job WHERE `key` LIKE 'sourceFile.%'"
                            " GROUP BY `key` ORDER BY `key`")
        return {"columns": columns, "keys": {row["k"]: int(row["n"]) for row in rows}}

    def read_versions(self):
        """Rows of oms_version; an error's text where it cannot be read."""
        try:
            return [row["version"] for row in self.db.rows("SELECT version AS version FROM {rm}.oms_version")]
        except SqlError as error:
            return str(error)
