"""Where OMS runs: containers of docker or podman, as the guide starts them.

May touch: containers whose names begin with `oms-conformance-`, images that it loads or pulls, a folder of its own.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass

MOUNTS = {"logs": "/home/admin/logs", "store": "/home/ds/store", "run": "/home/ds/run"}
CONFIG = "/home/admin/conf/config.yaml"
# The ports of the deployment guide; whatever listens there before answers in OMS's place.
PORTS = {8089: "nginx", 8090: "console", 8088: "CM", 8084: "supervisord", 2023: "sshd"}
SCRATCH = {"seekdb": ("localhost/seekdb:1.4.0", "seekdb_1.4.0.tar", 2881),
           "mariadb": ("localhost/mariadb:10.11", "mariadb_10.11.tar", 3306)}
STOP_SECONDS = 300
STARTED = 120  # seconds for a call of the runtime that waits for nobody


class RigError(Exception):
    """The runtime refused, in its words."""


@dataclass
class Result:
    """What a command in a container answered; `status` is None where it took too long."""

    status: int
    text: str
    seconds: float = 0.0


class EngineContainer:
    """One container of docker or podman."""

    def __init__(self, rig, name):
        self.rig, self.name = rig, name

    def exec(self, *command, seconds=60):
        """A command inside; standard output and error as they came."""
        began = time.monotonic()
        try:
            result = subprocess.run([self.rig.program, "exec", "-i", self.name, *command], stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=seconds)
        except subprocess.TimeoutExpired as late:
            return Result(None, (late.stdout or b"").decode("utf-8", "replace"), time.monotonic() - began)
        return Result(result.returncode, result.stdout.decode("utf-8", "replace"), time.monotonic() - began)

    def alive(self):
        """True while its first process lives."""
        return self.rig.call("inspect", "--format", "{{.State.Running}}", self.name).strip() == "true"

    def stop(self):
        """SIGTERM and the exit status of the first process."""
        self.rig.call("stop", "-t", str(STOP_SECONDS - 30), self.name, seconds=STOP_SECONDS)
        return int(self.rig.call("inspect", "--format", "{{.State.ExitCode}}", self.name))

    def log(self):
        """The end of what its first process printed."""
        return self.rig.call("logs", "--tail", "60", self.name, both=True)

    def remove(self):
        """Takes it away, whatever it does."""
        self.rig.call("rm", "-f", "-v", self.name, check=False)


class EngineRig:
    """docker or podman on this machine; OMS has the machine's network, as the guide wants it."""

    def __init__(self, program, address, extra=()):
        self.program = shutil.which(program)
        if self.program is None:
            raise SystemExit(f"{program} is not in PATH")
        self.name, self.address, self.extra = program, address or find_address(), list(extra)
        self.prefix, self.started, self.count = [], [], 0

    def call(self, *arguments, seconds=STARTED, check=True, both=False):
        """Output of one call of the runtime."""
        result = subprocess.run([self.program, *arguments], capture_output=True, timeout=seconds,
                                stdin=subprocess.DEVNULL)
        if check and result.returncode != 0:
            raise RigError(f"{self.name} {arguments[0]}: {result.stderr.decode('utf-8', 'replace').strip()}")
        return (result.stdout + (result.stderr if both else b"")).decode("utf-8", "replace")

    def find_image(self, given):
        """An archive is loaded, a name that is not here is pulled: {"name", "digest"}."""
        name = given
        if os.path.isfile(given):
            loaded = self.call("load", "-i", given, seconds=3600)
            names = [line.partition(": ")[2].split(",")[0].strip() for line in loaded.splitlines()
                     if line.startswith("Loaded image")]
            if not names:
                raise RigError(f"{self.name} load {os.path.basename(given)} named no image: {loaded.strip()}")
            name = names[-1]
        elif subprocess.run([self.program, "image", "inspect", given], capture_output=True).returncode != 0:
            self.call("pull", given, seconds=3600)
        seen = json.loads(self.call("image", "inspect", name))[0]
        digests = seen.get("RepoDigests") or []
        return {"name": name, "digest": digests[0].rpartition("@")[2] if digests else seen.get("Digest") or seen["Id"],
                "id": seen["Id"]}

    def start_metadb(self, engine, folder, account):
        """A scratch MetaDB from the project's own image (`make setup` builds it); (host, port)."""
        image, archive, port = SCRATCH[engine]
        if subprocess.run([self.program, "image", "inspect", image], capture_output=True).returncode != 0:
            path = os.path.join(os.path.dirname(__file__), "..", "..", "..", ".cache", "images", archive)
            if not os.path.exists(path):
                raise SystemExit(f"{image} is not there; build it with tests/cluster/images/build.sh, or give a MetaDB of yours")
            self.call("load", "-i", os.path.realpath(path), seconds=600)
        # Read by another user inside; the folder above lets nobody else through.
        credentials = os.path.join(folder, "credentials")
        os.mkdir(credentials, 0o755)
        for name, text in account.items():
            with open(os.path.join(credentials, name), "w", encoding="utf-8") as file:
                file.write(text)
        # It is not privileged, so SELinux would keep it from its credentials.
        options = ["--security-opt", "label=disable", "-v", f"{credentials}:/etc/metadb:ro"]
        container = self._run(image, options, "metadb")
        deadline = time.monotonic() + 300
        while container.exec("metadb-server", "check", engine).status != 0:
            if time.monotonic() > deadline or not container.alive():
                raise RigError(f"{engine} did not come up: {container.log()[-500:]}")
            time.sleep(1)
        return self.address, port

    def start(self, image, environment, folder, config):
        """OMS in a new container, as in the guide's step 4; the folder gets config.yaml and the three mounts."""
        write_config(os.path.join(folder, "config.yaml"), config)
        options = ["--privileged=true", "--ulimit", "nproc=65535:65535", "-v", f"{folder}/config.yaml:{CONFIG}"]
        for name, path in MOUNTS.items():
            os.makedirs(os.path.join(folder, name), exist_ok=True)
            options += ["-v", f"{folder}/{name}:{path}"]
        for name, value in environment.items():
            options += ["-e", f"{name}={value}"]
        return self._run(image["name"], options, "oms")

    def _run(self, image, options, what):
        self.count += 1
        name = f"oms-conformance-{os.getpid()}-{what}-{self.count}"
        container = EngineContainer(self, name)
        self.started.append(container)
        self.call("run", "-d", "--name", name, "--network", "host", "--pids-limit", "-1", *self.extra, *options, image)
        return container

    def close(self):
        """Removes every container that was started."""
        while self.started:
            self.started.pop().remove()


def write_config(path, config):
    """config.yaml as the guide shows it; JSON's quoting is YAML's double quoting."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        for key, value in config.items():
            lines = [f"{key}:", *(f"  - {json.dumps(one)}" for one in value)] if isinstance(value, list) else [
                f"{key}: {json.dumps(value, ensure_ascii=False)}"]
            file.write("\n".join(lines) + "\n")


def find_address():
    """The address by which this machine reaches others; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))
        except OSError:
            raise SystemExit("this machine has no address but 127.0.0.1; say OMS's by --address") from None
        return one.getsockname()[0]
