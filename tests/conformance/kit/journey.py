"""The way from the old image to the new one and what is looked at on it. Each stage writes facts; none stops the others.

May touch: the containers of its rig, the three databases.
"""

import json
import time
from dataclasses import dataclass

from kit.facts import Facts, Missing
from kit.looks import Looks, find_completion, read_programs
from kit.metadb import SqlError, find_changes
from kit.rig import RigError

INIT = ("env", "PYTHONIOENCODING=utf-8", "bash", "/root/docker_init.sh")
# A number that nobody else writes, in a key that does nothing while no host is down.
MARK_KEY, MARK = "checkHostDownIntervalSec", 4711


@dataclass(frozen=True)
class Pace:
    """Seconds. Deadlines end a wait for what never comes; the others are how long is looked at something."""

    poll: float = 3
    start: float = 1800     # the whole start of a container
    answer: float = 300     # supervisord answers
    settle: float = 90      # programs of which none is starting have come to rest
    serve: float = 900      # programs run and the console does not answer yet
    hosts: float = 600      # the node's row is ONLINE with a fresh beat
    init: float = 1800      # docker_init.sh
    gap: float = 20         # between two looks at the heart beats
    quiet: float = 90       # how long a stopped OMS is listened to
    components: float = 120     # how long components are watched while HA is off
    recover: float = 1800   # until they run again with HA on


QUICK = Pace(poll=0.3, start=120, answer=60, settle=5, serve=40, hosts=60, init=120, gap=1.5, quiet=3, components=3,
             recover=60)


class Journey:
    """One run over both images."""

    def __init__(self, rig, db, images, folder, config, options, say=print, on_stage=None):
        self.rig, self.db, self.images, self.folder, self.config = rig, db, images, folder, config
        self.options, self.pace, self.say, self.on_stage = options, options.pace, say, on_stage or (lambda stage: None)
        self.facts, self.looks, self.container, self.seconds = Facts(), Looks(rig, db, options), None, {}
        self.stages = (
            ("ground", self.look_at_ground), ("first", self.start_old_first), ("oldinit", self.init_old),
            ("old", self.look_at_old), ("ha", self.look_at_ha), ("oldstop", self.stop_old), ("again", self.start_old_again),
            ("upgrade", self.start_for_upgrade), ("init", self.init_new), ("repeat", self.repeat_init),
            ("newstop", self.stop_new), ("plain", self.start_new_plainly), ("components", self.watch_components),
            ("back", self.start_old_on_new_schema))

    def run(self):
        """All stages; the facts."""
        for stage, work in self.stages:
            self.say(f"{time.strftime('%H:%M:%S')}  {stage}: {work.__doc__.splitlines()[0]}")
            began = time.monotonic()
            try:
                self.on_stage(stage)
                work(lambda name, value, stage=stage: self.facts.put(f"{stage}.{name}", value))
            except Missing as why:
                self.facts.fail(stage, str(why))
            except RigError as error:
                if stage == "first":  # nothing can be seen where nothing can be started
                    raise
                self.facts.fail(stage, str(error))
            except Exception as error:  # whatever it is: the other stages still tell something
                self.facts.fail(stage, f"{type(error).__name__}: {error}")
            self.seconds[stage] = round(time.monotonic() - began, 1)
            if stage in self.facts.failed:
                self.say(f"          ended early: {self.facts.failed[stage]}")
        self.remove()
        return self.facts

    # containers

    def start(self, image, upgrade=False):
        """OMS in a new container; the one before it is gone."""
        self.remove()
        environment = {"OMS_HOST_IP": self.rig.address, **({"IS_UPGRADE": "true"} if upgrade else {})}
        self.container = self.rig.start(self.images[image], environment, self.folder, self.config)
        return self.container

    def running(self):
        """The container of now; nothing can be seen without one."""
        if self.container is None or not self.container.alive():
            raise Missing("no OMS runs")
        return self.container

    def remove(self):
        """Takes the container away; its mounts stay."""
        if self.container is not None:
            self.container.remove()
            self.container = None

    def stop(self, put):
        """Stops OMS as `docker stop` does, and listens to what comes after."""
        container = self.running()
        began = time.monotonic()
        put("status", container.stop())
        put("seconds", round(time.monotonic() - began, 1))
        self.remove()
        put("sessions", self.db.sessions())
        before = self.db.digest()
        self.on_stage("quiet")
        time.sleep(self.pace.quiet)
        after = self.db.digest()
        put("written", sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))
        put("digest", after)
        put("hosts", self.looks.read_hosts()())

    def init(self, put):
        """docker_init.sh as a person calls it, but for the encoding, which the operator sets as well."""
        result = self.running().exec(*INIT, seconds=self.pace.init)
        put("output", result.text)
        put("status", result.status)
        put("seconds", round(result.seconds, 1))
        put("completion", find_completion(result.text))
        logs = self.container.exec("bash", "-c", "ls /home/admin/logs").text.split()
        logs = sorted(name for name in logs if name.startswith("docker_init.log"))
        put("logs", logs)
        own = self.container.exec("tail", "-n", "40", f"/home/admin/logs/{logs[-1]}").text if logs else ""
        put("inlog", find_completion(own))
        if result.status is None:
            raise Missing(f"docker_init.sh did not end within {self.pace.init:.0f} s")

    # stages

    def look_at_ground(self, put):
        """Servers and databases before anything is started."""
        put("version", self.db.one("SELECT VERSION() AS v"))
        put("databases", self.db.find_databases())
        put("ports", self.looks.open_ports())

    def start_old_first(self, put):
        """The old image for the first time."""
        container = self.start("old")
        fresh = not self.facts.get("ground.databases")
        put("settled", self.looks.wait_settled(container))
        put("made", sorted(self.db.find_databases()))
        put("fresh", fresh)

    def init_old(self, put):
        """docker_init.sh of the old image, where the databases were empty."""
        if not self.facts.get("first.fresh"):
            raise Missing("the databases were there before")
        self.init(put)
        put("settled", self.looks.wait_settled(self.running()))

    def look_at_old(self, put):
        """The old version at work."""
        if self.options.pause:
            self.options.pause(f"OMS is up: http://{self.rig.address}:8089. Log in, make and start projects if you can.")
        self.look(put)

    def look(self, put):
        """Everything that can be seen of a running OMS."""
        container = self.running()
        put("programs", read_programs(container))
        put("ini", container.exec("bash", "-c", "cd /etc/supervisor/conf.d && grep -HE"
                                  " '^ *(autostart|autorestart|startsecs|startretries|command) *=' *.ini").text)
        put("databases", self.db.find_databases())
        put("versions", self.looks.read_versions())
        put("health", self.looks.http("/oms/health"))
        put("ports", self.looks.open_ports())
        put("sessions", self.db.sessions())
        for name, work in (("hosts", self.looks.wait_hosts), ("ha", self.db.read_ha), ("projects", self.looks.read_projects),
                           ("connectors", self.looks.read_connectors)):
            try:
                put(name, work())
            except SqlError as error:  # a table that is not there is something that was seen
                put(name, {"error": str(error)})
        projects = self.facts.find("old.projects") or {}
        if self.options.console_user and "error" not in projects:
            put("progress", self.looks.read_progress(self.looks.read_projects()))

    def look_at_ha(self, put):
        """Does the console keep ha.config? It is changed by SQL, and put back."""
        container, original = self.running(), self.facts.get("old.ha")
        value = json.loads(original) if isinstance(original, str) else None
        if not isinstance(value, dict):
            raise Missing("there is no row ha.config with a JSON object")
        marked = json.dumps({**value, MARK_KEY: MARK})
        try:
            put("before", self.shown())
            self.db.write_ha(marked)
            time.sleep(self.pace.gap)
            put("changed", self.shown())
            put("kept", self.db.read_ha() == marked)
            put("restart", container.exec("supervisorctl", "restart", "oms_console", seconds=self.pace.start).text)
            self.looks.wait_settled(container)
            put("restarted", self.shown())
            put("survived", self.db.read_ha() == marked)
        finally:
            self.write_ha(original)

    def shown(self):
        """True where the console shows the mark, False where not, None where nobody can tell."""
        if self.options.ha_path:
            answer = self.looks.http(self.options.ha_path, user=True)
            return str(MARK) in answer["body"] if answer["status"] == 200 else None
        if self.options.ask:
            return self.options.ask(f"Console, System Management > System Parameters > ha.config: is {MARK_KEY} {MARK} now?")
        return None

    def write_ha(self, text):
        """As the operator writes the row: the console is stopped meanwhile."""
        container = self.running()
        container.exec("supervisorctl", "stop", "oms_console", seconds=self.pace.start)
        self.db.write_ha(text)
        container.exec("supervisorctl", "start", "oms_console", seconds=self.pace.start)
        self.looks.wait_settled(container)

    def set_ha(self, **keys):
        """Changes keys of the row; False where there is no such row."""
        text = self.db.read_ha()
        value = json.loads(text) if text else None
        if not isinstance(value, dict):
            return False
        self.write_ha(json.dumps({**value, **keys}))
        return True

    def stop_old(self, put):
        """Stops the old version and listens."""
        self.stop(put)

    def start_old_again(self, put):
        """The old image in a new container on the same three mounts, without docker_init.sh; HA off; stop."""
        put("settled", self.looks.wait_settled(self.start("old")))
        try:
            put("hosts", self.looks.wait_hosts())
            put("haoff", self.set_ha(enable=False))
        finally:
            if self.container is not None and self.container.alive():
                put("status", self.container.stop())
            self.remove()
        put("digest", self.db.digest())

    def start_for_upgrade(self, put):
        """The new image with IS_UPGRADE=true."""
        before = self.db.digest()
        container = self.start("new", upgrade=True)
        put("settled", self.looks.wait_settled(container))
        put("log", container.log())
        put("cm", self.looks.http("/", port=8088))
        time.sleep(self.pace.gap)
        made, rows = find_changes(before, self.db.digest())
        put("made", made)
        put("rows", rows)
        put("versions", self.looks.read_versions())

    def init_new(self, put):
        """docker_init.sh of the new image."""
        before = self.db.digest()
        self.init(put)
        put("settled", self.looks.wait_settled(self.running()))
        put("made", find_changes(before, self.db.digest())[0])
        put("ha", self.db.read_ha())

    def repeat_init(self, put):
        """docker_init.sh of the new image once more."""
        if self.facts.find("init.status") is None:
            raise Missing("docker_init.sh did not end the first time")
        before = self.db.digest()
        self.init(put)
        put("settled", self.looks.wait_settled(self.running()))
        put("made", find_changes(before, self.db.digest())[0])

    def stop_new(self, put):
        """Stops the new version and listens."""
        self.stop(put)

    def start_new_plainly(self, put):
        """The new image without IS_UPGRADE."""
        put("settled", self.looks.wait_settled(self.start("new")))
        self.look(put)

    def watch_components(self, put):
        """Components of projects with HA off, then with HA on."""
        self.running()
        if not self.options.console_user:
            raise Missing("progress is told to users of the console only; give an account by --console-user")
        running = [project for table in self.looks.read_projects().values() for project, status in table["rows"]
                   if status == "RUNNING"]
        if not running:
            raise Missing("no project is RUNNING")
        put("projects", running)
        put("off", self.advanced(self.pace.components))
        put("haon", self.set_ha(enable=True, perceiveStoreClientCheckpoint=True))
        put("on", self.advanced(self.pace.recover, until=len(running)))

    def advanced(self, seconds, until=None):
        """Projects of which a checkpoint moved, within so many seconds or until there are so many."""
        first, moved, deadline = self.looks.read_progress(self.looks.read_projects()), set(), time.monotonic() + seconds
        while time.monotonic() < deadline and (until is None or len(moved) < until):
            time.sleep(max(1, self.pace.poll))
            for project, seen in self.looks.read_progress(self.looks.read_projects()).items():
                if seen["checkpoints"] != first.get(project, seen)["checkpoints"]:
                    moved.add(project)
        return sorted(moved)

    def start_old_on_new_schema(self, put):
        """The old image on the schema of the new one, which nobody must do elsewhere."""
        if self.container is not None and self.container.alive():
            self.container.stop()
        self.remove()
        if not self.facts.find("init.made"):
            raise Missing("docker_init.sh did not change the schema")
        before = self.db.digest()
        container = self.start("old")
        put("settled", self.looks.wait_settled(container))
        put("cm", self.looks.http("/", port=8088))
        put("log", container.log())
        made, rows = find_changes(before, self.db.digest())
        put("made", made)
        put("rows", rows)
        if container.alive():
            put("status", container.stop())


def ask_person(question):
    """True, False or None of a person at a terminal."""
    return {"y": True, "n": False}.get(input(question + " [y/n, Enter: cannot tell] ").strip().lower()[:1])


def pause_for_person(text):
    """Until a person goes on."""
    input(text + " Enter goes on. ")
