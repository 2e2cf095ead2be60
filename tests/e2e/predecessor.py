"""The operator of another git revision: its sources, its binary, its images, its chart.

May touch: .cache/handover, and what scripts/build-images.sh touches.
"""

import hashlib
import os
import shutil
import subprocess
import time

import installation

ROOT = installation.ROOT
FOLDER = os.path.join(ROOT, ".cache", "handover")
TAG = "before"
IMAGES = [f"oms-operator_{TAG}", f"oms-operator-tools_{TAG}"]


class Predecessor:
    """One revision."""

    def __init__(self, revision):
        self.commit = git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
        self.folder = os.path.join(FOLDER, self.commit[:12])
        self.source = os.path.join(self.folder, "source")
        self.chart = os.path.join(self.source, "charts", "oms-operator")

    def build(self, options):
        """Binary and images; `options` are those of scripts/build-images.sh for the present operator."""
        profile = options[options.index("--profile") + 1] if "--profile" in options else "release"
        binary = os.path.join(self.folder, f"oms-operator-{profile}")
        began = time.monotonic()
        # A binary that is there was built from this revision, and its sources lie beside it.
        if not os.path.exists(binary):
            self.unpack()
            self.compile(profile, binary)
        installation.run_logged("scripts/build-images.sh", "--binary", binary, "--tag", TAG)
        present, own = (digest(os.path.join(ROOT, ".cache", "image-context", tag, "oms-operator"))[:12]
                        for tag in ("dev", TAG))
        name = self.commit[:12]
        if present == own:
            raise SystemExit(f"the operator of {name} is the present one, byte for byte: there is nothing to hand over")
        print(f"{time.monotonic() - began:6.1f} s  operator of {name}: {own}, the present one: {present}", flush=True)

    def unpack(self):
        """The tree of the revision. Its files are new, so that cargo takes nothing of another revision for theirs."""
        shutil.rmtree(self.source, ignore_errors=True)
        os.makedirs(self.source)
        archive = subprocess.Popen(["git", "-C", ROOT, "archive", "--format=tar", self.commit], stdout=subprocess.PIPE)
        subprocess.run(["tar", "-xm", "-C", self.source], stdin=archive.stdout, check=True)
        archive.stdout.close()
        if archive.wait() != 0:
            raise SystemExit(f"git archive {self.commit} failed")

    def compile(self, profile, binary):
        """The static binary, made as scripts/build-images.sh does, in a target directory of its own."""
        version = subprocess.run(["rustc", "-vV"], cwd=self.source, check=True, capture_output=True, text=True).stdout
        host = next(line.partition(": ")[2] for line in version.splitlines() if line.startswith("host: "))
        known, target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), os.path.join(FOLDER, "target")
        inner = "debug" if profile == "dev" else profile
        # Build scripts and macros lie in the first, all else in the second.
        for place in (inner, os.path.join(host, inner)):
            seed(os.path.join(known, place), os.path.join(target, place))
        command = ["nice", "-n", "5", "cargo", "build", "--quiet", "--locked", "--profile", profile, "--target", host,
                   "--bin", "oms-operator"]
        environment = {**os.environ, "CARGO_TARGET_DIR": target, "RUSTFLAGS": "-C target-feature=+crt-static"}
        result = subprocess.run(command, cwd=self.source, env=environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if result.returncode != 0:
            raise SystemExit(f"{result.stdout[-4000:]}\nthe operator of {self.commit[:12]} does not build")
        shutil.copy2(os.path.join(target, host, inner, "oms-operator"), f"{binary}.partial")
        os.replace(f"{binary}.partial", binary)


def seed(known, target):
    """Copies the libraries of others that are compiled already. Nothing of the operator's own: cargo tells the sources
    of two revisions apart by their times only."""
    def skip(_, names):
        return [name for name in names if name.startswith(("oms-operator", "oms_operator", "liboms_operator"))]

    def skip_programs(folder, names):
        return skip(folder, names) + [name for name in names if not name.startswith("lib")]

    for part in ("deps", "build", ".fingerprint"):
        source, copy = os.path.join(known, part), os.path.join(target, part)
        if os.path.isdir(source) and not os.path.exists(copy):
            shutil.copytree(source, copy, symlinks=True, ignore=skip_programs if part == "deps" else skip)


def git(*words):
    """Output of a git command on this repository."""
    result = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"git {' '.join(words)}: {result.stderr.strip() or 'no such revision in this repository'}")
    return result.stdout


def digest(path):
    """Digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
