"""A reader of the documents: takes commands and manifests out of the pages as they stand there and runs them, in a shell of its own.

May touch: the cluster that it is given, a folder of its own.
"""

import os
import subprocess
import tempfile

import installation
import markdown

VERSION = "0.1.0"
# The names that the documents give to images, and what stands for them here.
NAMES = {f"registry.{where}/{name}:{VERSION}": f"localhost/{name}:dev"
         for where in ("example.com", "internal") for name in ("oms-operator", "oms-operator-tools")}
NAMES["registry.example.com/oms:feature_4.0.0-ce"] = "localhost/oms-standin:4.0.0-ce"


class Reader:
    """One person with one folder, in which the project lies as after `git clone`."""

    def __init__(self, lab):
        self.lab, self.place = lab, ":"
        self.folder = tempfile.TemporaryDirectory(prefix="oms-reader-")
        for name in ("charts", "deploy"):
            os.symlink(os.path.join(installation.ROOT, name), os.path.join(self.folder.name, name))
        self.environment = {**os.environ, "KUBECONFIG": lab.kubeconfig, "PATH": installation.BIN + ":" + os.environ["PATH"]}
        for name, image in NAMES.items():
            lab.name_image(image, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def follow(self, page, beginning, limit=600, replace=(), pod="", **variables):
        """Output of the command of a page that begins so. `replace` is (what the page leaves to the reader, what he writes);
        `variables` are the shell's. With a pod, it runs in there, where the last `cd` led."""
        command = markdown.find_command(page, beginning)
        for placeholder, value in replace:
            assert placeholder in command, f"{page}: {command} has no {placeholder}"
            command = command.replace(placeholder, value)
        if pod:
            return self.tell(page, command, self.run_inside(pod, command))
        return self.run(command, limit, variables, page)

    def run_inside(self, pod, command):
        """Output of a command in a pod."""
        if command.startswith("cd "):
            self.place = command
        return self.lab.kubectl("exec", pod, "--", *self.shell(f"{self.place}\n{command}"))

    def look(self, page, beginning, seconds):
        """Output so far of a command that does not end by itself."""
        command = markdown.find_command(page, beginning)
        done = subprocess.run(["timeout", str(seconds), *self.shell(command)], cwd=self.folder.name, env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 124, f"{page}: $ {command}\nended with {done.returncode}: {done.stdout}{done.stderr}"
        return self.tell(page, command, done.stdout)

    def run(self, command, limit, variables, page):
        """Output of a command, which must succeed."""
        done = subprocess.run(self.shell(command), cwd=self.folder.name, env={**self.environment, **variables}, timeout=limit,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, f"{page}: $ {command}\nended with {done.returncode}: {done.stdout}{done.stderr}"
        return self.tell(page, command, done.stdout)

    def tell(self, page, command, text):
        """Shows what a reader sees, where that is asked for."""
        if self.lab.verbose:
            print(f"\n[{page}] $ {command}\n{text}", end="", flush=True)
        return text

    @staticmethod
    def shell(command):
        return ["bash", "-euo", "pipefail", "-c", command]

    def write(self, name, text):
        """Writes a file as the pages say."""
        with open(os.path.join(self.folder.name, name), "w", encoding="utf-8") as file:
            file.write(text + "\n")

    def read(self, name):
        """A file that a command wrote."""
        with open(os.path.join(self.folder.name, name), encoding="utf-8") as file:
            return file.read()

    def apply_block(self, page, word):
        """kubectl apply of a manifest of a page."""
        self.lab.kubectl("apply", "-f", "-", stdin=markdown.find_block(page, word))
