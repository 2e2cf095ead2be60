"""Runs the stand-in without a cluster: a network namespace, the image's files on an overlay, a pid namespace.

May touch: processes it started, and its own folder under the temporary directory. Needs root. Whatever it starts dies
with the test process (--kill-child), also after kill -9.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

CONSOLE = {"user": "admin", "password": "konsole \"pass' # %41 ä"}
META = {"user": "root@metadb#obtest", "password": "o'b \"pä$$ # %41 \\ :"}
EYE = "/root/standin/eye.py"
MOUNTS = {"logs": "home/admin/logs", "store": "home/ds/store", "run": "home/ds/run"}


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


# Deadlines are for an idle machine; a loaded one gets more time, and a test fails only when nothing comes at all.
PATIENCE = 4
# Seconds for one command inside, on a loaded machine: one that hangs is told with its name.
COMMAND = 60 * PATIENCE


def wait_for(what, check, seconds=60):
    """Polls until check() is true, returns its value; fails with `what` at the deadline."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.2)


def _child_of(process):
    """Pid of the only child of a process (unshare --fork); None when both have ended before it was seen."""
    def read():
        if process.poll() is not None:
            return (None,)
        try:
            with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
                found = file.read().split()
        except OSError:  # it ended meanwhile; the next look at it says so
            return None
        return (int(found[0]),) if found else None
    return wait_for("child process", read, 10)[0]


def _hold_network():
    """A process that keeps a new network namespace."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], preexec_fn=_die_with_parent)
    wait_for("network namespace", lambda: os.readlink(f"/proc/{holder.pid}/ns/net")
             != os.readlink("/proc/self/ns/net"), 10)
    return holder


class Ground:
    """One network namespace with one MetaDB; `engine` is seekdb or mariadb."""

    def __init__(self, engine, rootfs, standin_rootfs):
        self.metadb = self.observer = self.asking = None
        self.engine, self.rootfs, self.standin_rootfs = engine, rootfs, standin_rootfs
        self.folder = tempfile.mkdtemp(prefix="standin-")
        self.containers = []
        self.addresses = ["10.99.0.1"]
        self.nets = {self.addresses[0]: _hold_network()}
        # seekdb needs an interface besides lo; a veth pair inside the namespace is one
        for command in ("ip link set lo up", "ip link add d0 type veth peer name d1", "ip addr add 10.99.0.1/24 dev d0",
                        "ip link set d0 up", "ip link set d1 up"):
            subprocess.run(self.inside(*command.split()), check=True)
        try:
            self._start_metadb()
            self._start_observer()
        except BaseException:
            self.close()
            raise

    def add_node(self, address):
        """A second node: a network namespace joined to the first."""
        self.nets[address] = _hold_network()
        self.addresses.append(address)
        first = self.addresses[0]
        for command in (f"ip link add e0 type veth peer name e1 netns {self.nets[address].pid}", "ip link set e0 up",
                        f"ip route add {address}/32 dev e0"):
            subprocess.run(self.inside(*command.split()), check=True)
        for command in ("ip link set lo up", f"ip addr add {address}/32 dev e1", "ip link set e1 up",
                        f"ip route add {first}/32 dev e1"):
            subprocess.run(self.inside(*command.split(), address=address), check=True)

    def inside(self, *command, address="10.99.0.1"):
        """A command in the namespace of a node."""
        return ["nsenter", f"--net=/proc/{self.nets[address].pid}/ns/net", *command]

    def _start_metadb(self):
        self.port = {"seekdb": 2881, "mariadb": 3306}[self.engine]
        credentials = os.path.join(self.folder, "credentials")
        os.mkdir(credentials)
        for name, text in (("user", META["user"]), ("password", META["password"]), ("root-password", "root's # own")):
            with open(os.path.join(credentials, name), "w", encoding="utf-8") as file:
                file.write(text)
        overlay = Overlay(os.path.join(self.folder, "metadb"), self.rootfs, {"etc/metadb": credentials})
        self.metadb = Process(self, overlay, ["setpriv", "--reuid=65532", "--regid=65532", "--clear-groups",
                                              "metadb-server", "run", self.engine], {})
        wait_for("MetaDB", lambda: self.metadb.exec("metadb-server", "check", self.engine).returncode == 0, 90)
        self.config = {"oms_meta_host": "10.99.0.1", "oms_meta_port": self.port, "oms_meta_user": META["user"],
                       "oms_meta_password": META["password"], "drc_rm_db": "oms_rm", "drc_cm_db": "oms_cm",
                       "drc_cm_heartbeat_db": "oms_cm_hb", "cm_url": "http://10.99.0.1:8088", "cm_location": 0,
                       "cm_region": "cn-standin", "cm_is_default": True, "cm_nodes": self.addresses}

    def _start_observer(self):
        config = os.path.join(self.folder, "eye.yaml")
        _write_private(config, json.dumps(self.config))
        overlay = Overlay(os.path.join(self.folder, "eye"), self.standin_rootfs["3.3.1-ce"],
                          {"home/admin/conf/config.yaml": config})
        self.observer = Process(self, overlay, ["sleep", "infinity"], {})

    def eye(self, *arguments, stdin=None):
        """Runs a command of the observer and returns its JSON."""
        if stdin is None:
            return self._ask(arguments)
        result = self.observer.exec("python3", EYE, *arguments, stdin=stdin)
        if result.returncode != 0:
            raise AssertionError(f"eye {arguments}: {result.stderr}{result.stdout}")
        return json.loads(result.stdout)

    def _ask(self, arguments):
        """The same by one observer that stays: waiting for a state would else be nothing but starting interpreters."""
        if self.asking is None:
            self.asking = self.observer.exec("python3", EYE, "serve", wait=False)
        self.asking.stdin.write(json.dumps(arguments) + "\n")
        self.asking.stdin.flush()
        line = self.asking.stdout.readline()
        answer = json.loads(line) if line.startswith("{") else {"error": line + self.asking.stdout.read()}
        if "error" in answer:
            raise AssertionError(f"eye {arguments}: {answer['error']}")
        return answer["result"]

    def sql(self, statement):
        """One statement as a wrong client would send it."""
        return self.eye("sql", statement)["rows"]

    def dump(self):
        """The documented dump of the three databases, kept in the observer."""
        self._client("mariadb-dump {user} --triggers=false --databases oms_rm oms_cm oms_cm_hb > /tmp/dump.sql")

    def restore(self):
        """Drop and load."""
        for database in ("oms_rm", "oms_cm", "oms_cm_hb"):
            self.sql(f"DROP DATABASE {database}")
        self._client("mariadb {user} < /tmp/dump.sql")

    def _client(self, script):
        options = (f"[client]\nhost=10.99.0.1\nport={self.port}\nuser={_option(META['user'])}\n"
                   f"password={_option(META['password'])}\ndefault-character-set=utf8mb4\n")
        self.observer.exec("bash", "-c", "umask 077; cat > /tmp/my.cnf", stdin=options)
        result = self.observer.exec("bash", "-c", script.replace("{user}", "--defaults-file=/tmp/my.cnf"))
        if result.returncode != 0:
            raise AssertionError(f"{script}: {result.stderr}")

    def install(self, *arguments):
        """Fresh sample databases and fresh mounts."""
        self.stop_all()
        _write_private(os.path.join(self.folder, "eye.yaml"), json.dumps(self.config))
        for name in os.listdir(self.folder):
            if name.startswith("mounts-"):
                shutil.rmtree(os.path.join(self.folder, name))
        self.eye("install", "--fast", *arguments, stdin=json.dumps(CONSOLE))

    def start(self, version, **options):
        """Starts a container of one version; see Container."""
        container = Container(self, version, **options)
        self.containers.append(container)
        return container

    def stop_all(self):
        """Kills what still runs."""
        for container in self.containers:
            container.kill()
        self.containers.clear()

    def violations(self):
        """Names of the rules in the journal."""
        return [row["rule"] for row in self.eye("journal")["violations"]]

    def close(self):
        """Ends everything."""
        self.stop_all()
        for process in (self.observer, self.metadb):
            if process is not None:
                process.kill()
        for holder in self.nets.values():
            holder.kill()
            holder.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Overlay:
    """A writable view of an image's files, mounted inside the container's own mount namespace."""

    def __init__(self, folder, lower, binds=()):
        self.folder, self.lower, self.binds = folder, lower, dict(binds)
        for name in ("upper", "work", "root"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)

    def script(self):
        """Shell text that mounts it and ends in its root."""
        root = os.path.join(self.folder, "root")
        lines = [f"mount -t overlay overlay -o lowerdir={self.lower},upperdir={self.folder}/upper,"
                 f"workdir={self.folder}/work {root}", f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev"]
        for target, source in self.binds.items():
            make = "touch" if os.path.isfile(source) else "mkdir -p"
            lines.append(f"mkdir -p $(dirname {root}/{target}); {make} {root}/{target};"
                         f" mount --bind {source} {root}/{target}")
        return "\n".join(["set -e", *lines, f'exec chroot {root} "$@"'])


class Process:
    """A command as PID 1 of its own pid namespace."""

    def __init__(self, ground, overlay, command, environment, address="10.99.0.1"):
        self.output = open(os.path.join(overlay.folder, "output"), "ab")
        base = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.outer = subprocess.Popen(
            ground.inside("unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "bash", "-c",
                          overlay.script(), "box", *command, address=address),
            env={**base, **environment}, stdout=self.output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            preexec_fn=_die_with_parent)
        # None: it has ended already, as a container does that refuses its mounts.
        self.pid = _child_of(self.outer)
        self.environment = {**base, **environment}
        wait_for("root of the container", self._has_root, 10)

    def _has_root(self):
        """True when it sees its own files, or has ended."""
        try:
            return not self.alive() or os.readlink(f"/proc/{self.pid}/root") != "/"
        except OSError:  # it ended between the two looks
            return False

    def alive(self):
        """True while PID 1 of the namespace lives."""
        return self.outer.poll() is None

    def exec(self, *command, wait=True, stdin=None):
        """A command inside, as `kubectl exec` would run it."""
        full = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "--root", "--wdns=/", *command]
        if not wait:
            return subprocess.Popen(full, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True, preexec_fn=_die_with_parent)
        return subprocess.run(full, env=self.environment, capture_output=True, text=True, input=stdin, timeout=COMMAND)

    def stop(self, seconds=120):
        """SIGTERM, and the exit status of PID 1."""
        if self.alive():
            os.kill(self.pid, signal.SIGTERM)
        return self.outer.wait(seconds)

    def kill(self):
        """kill -9."""
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
            self.outer.wait()
        self.output.close()


class Container(Process):
    """One OMS container: image version, mounts of its node, environment."""

    def __init__(self, ground, version, upgrade=False, environment=(), mounts=None, config=None, certificates=None,
                 address="10.99.0.1"):
        self.ground, self.address = ground, address
        self.console = "https" if certificates else "http", dict(environment).get("STANDIN_CONSOLE_PORT", 8089)
        folder = tempfile.mkdtemp(prefix="container-", dir=ground.folder)
        config_file = os.path.join(folder, "config.yaml")
        _write_private(config_file, json.dumps(config or ground.config))
        binds = {"home/admin/conf/config.yaml": config_file}
        for name, target in MOUNTS.items():
            source = os.path.join(ground.folder, f"mounts-{address}", (mounts or {}).get(name, name))
            os.makedirs(source, exist_ok=True)
            binds[target] = source
        for name, source in zip(("crt", "key"), certificates or ()):
            binds[f"etc/pki/nginx/oms_server.{name}"] = source
        given = {"OMS_HOST_IP": address, **dict(environment)}
        if upgrade:
            given["IS_UPGRADE"] = "true"
        self.folder = folder
        super().__init__(ground, Overlay(folder, ground.standin_rootfs[version], binds), ["/root/docker_cmd.sh"], given, address)

    def log(self):
        """What PID 1 printed."""
        with open(os.path.join(self.folder, "output"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def programs(self):
        """{program: state} of supervisorctl status."""
        lines = self.exec("supervisorctl", "status").stdout.splitlines()
        return {line.split()[0]: line.split()[1] for line in lines if len(line.split()) > 1}

    def http(self, path, method="GET", body=None, port=None, user=True, scheme=None):
        """(status, parsed body) of a request from inside; of the console, unless a port is given."""
        scheme = scheme or ("http" if port else self.console[0])
        port = port or self.console[1]
        command = ["curl", "-s", "-k", "-m", "5", "-X", method, "-w", "\n%{http_code}", f"{scheme}://127.0.0.1:{port}{path}"]
        if user:
            command += ["-u", f"{CONSOLE['user']}:{CONSOLE['password']}"]
        if body is not None:
            command += ["-d", body if isinstance(body, str) else json.dumps(body)]
        text, _, status = self.exec(*command).stdout.rpartition("\n")
        try:
            return int(status or 0), json.loads(text)
        except ValueError:
            return int(status or 0), None

    def healthy(self):
        """True when console and nginx serve."""
        status, body = self.http("/oms/health", user=False)
        return status == 200 and body["data"]["healthy"]

    def wait_healthy(self, seconds=60):
        """Waits until it serves."""
        try:
            wait_for("healthy OMS", self.healthy, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None
        return self


def _option(text):
    """A value in an option file: quoted, with the escapes that its parser knows."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _write_private(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
