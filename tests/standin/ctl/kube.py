"""kubectl as a subprocess. The only place that talks to a cluster."""

import json
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))


class Kube:
    """One cluster and one namespace."""

    def __init__(self, kubeconfig, namespace):
        self.namespace = namespace
        own = os.path.join(ROOT, ".cache", "bin", "kubectl")
        program = own if os.access(own, os.X_OK) else shutil.which("kubectl")
        if program is None:
            sys.exit("kubectl is neither in .cache/bin nor in PATH")
        self.base = [program] + (["--kubeconfig", kubeconfig] if kubeconfig else []) + ["-n", namespace]

    def run(self, *arguments, stdin=None, check=True):
        """Output of one kubectl call; ends the program with its message when it fails."""
        result = subprocess.run([*self.base, *arguments], input=stdin, capture_output=True, text=True)
        if check and result.returncode != 0:
            sys.exit(f"kubectl {' '.join(arguments)}: {result.stderr.strip() or result.stdout.strip()}")
        return result.stdout

    def ok(self, *arguments):
        """True when the call succeeds."""
        return subprocess.run([*self.base, *arguments], capture_output=True).returncode == 0

    def get(self, *arguments):
        """One object or list."""
        return json.loads(self.run("get", *arguments, "-o", "json"))

    def apply(self, objects):
        """kubectl apply of a list of objects."""
        return self.run("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def exec(self, pod, *command, stdin=None, check=True, container=None):
        """Output of a command in a pod (or deploy/NAME)."""
        interactive = ["-i"] if stdin is not None else []
        where = ["-c", container] if container else []
        return self.run("exec", *interactive, *where, pod, "--", *command, stdin=stdin, check=check)

    def eye(self, *arguments, stdin=None):
        """JSON of the observer."""
        return json.loads(self.exec(EYE, "python3", "/root/standin/eye.py", "--account", "/eye/account.json",
                                    *arguments, stdin=stdin))


EYE = "oms-standin-eye"


def wait_for(what, check, seconds, pause=0.3):
    """Polls check() until true; ends the program with `what` at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            sys.exit(f"not within {seconds} s: {what}")
        time.sleep(pause)
