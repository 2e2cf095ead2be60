#!/usr/bin/python3
"""The steps of scripts/setup.sh, as many side by side as can be.

Downloads wait for the network and compilers for the processor, so they share their time. Each step says when it begins and
how long it took, and every half minute those that still run are named; what they print goes to .cache/setup/<step>.log.
May touch: what the steps touch, and .cache/setup.
"""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(ROOT, ".cache", "setup")
CARGO_DENY = "0.20.2"
MDBOOK = "0.5.4"
TAIL = 40
# A fresh machine needs about half of it; a full disk makes everything fail later, each thing with other words.
DISK_GIB = 15


@dataclass(frozen=True)
class Step:
    """One step: its name, what it does in words, its command, and the steps that have to be done before."""

    name: str
    about: str
    command: tuple
    after: tuple = ()
    # Of `--demo`, `--ground` (the demo without the operator) and `` (the tests): for which it runs.
    options: tuple = ("", "--demo", "--ground")


STEPS = [
    Step("packages", "Debian packages", ("scripts/packages.sh", "--tests")),
    Step("modules", "Go modules for the test cluster, kubectl and Helm", ("tests/cluster/setup.sh", "modules")),
    Step("crates", "Rust crates", ("cargo", "fetch", "--quiet", "--locked")),
    Step("seekdb", "seekdb, the database engine of OceanBase", ("tests/engines/setup.sh",), ("packages",)),
    Step("engines", "MySQL and a newer MariaDB, beside the system", ("tests/engines/setup.sh", "mysql", "mariadb-11"),
         ("packages",), options=("",)),
    Step("base", "the Debian base image", ("tests/cluster/setup.sh", "base"), ("packages",)),
    Step("programs", "test cluster, kubectl and Helm compiled (the first time minutes: all of Kubernetes)",
         ("tests/cluster/setup.sh", "programs"), ("modules",)),
    Step("images", "images of the pause container and the database servers", ("tests/cluster/setup.sh", "images"),
         ("base", "programs", "seekdb")),
    # What the demo would only begin when all of the above is done.
    Step("operator", "the operator compiled (quick profile) and its images", ("scripts/build-images.sh", "--profile", "dev"),
         ("base", "crates"), options=("--demo",)),
    Step("standin", "images of the OMS stand-in", ("tests/standin/standinctl", "build"), ("base",),
         options=("--demo", "--ground")),
    Step("promtool", "promtool, which judges the alerts", ("tests/chart/setup.sh",), ("packages",), options=("",)),
    # Last, and in the debug profile: they are run for seconds.
    Step("mdbook", f"mdBook {MDBOOK}, which makes the site of the documents",
         ("cargo", "install", "--quiet", "--locked", "--debug", "--root", ".cache/mdbook", "--target-dir", ".cache/mdbook-target",
          "--version", MDBOOK, "--no-default-features", "--features", "search", "mdbook"),
         ("packages", "modules"), options=("",)),
    Step("cargo-deny", f"cargo-deny {CARGO_DENY}, which checks licences",
         ("cargo", "install", "--quiet", "--locked", "--debug", "--root", ".cache/cargo-deny", "--target-dir",
          ".cache/cargo-deny-target", "--version", CARGO_DENY, "--no-default-features", "cargo-deny"),
         ("packages", "modules"), options=("",)),
]


def run(step):
    """Runs one step; its seconds, or None when it failed."""
    began = time.monotonic()
    path = os.path.join(LOGS, step.name + ".log")
    with open(path, "wb") as log:
        status = subprocess.run(step.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log,
                                stderr=subprocess.STDOUT).returncode
    took = time.monotonic() - began
    if status == 0:
        print(f"setup: {took:6.1f} s  {step.about}", flush=True)
        return took
    with open(path, encoding="utf-8", errors="replace") as log:
        tail = "".join(log.readlines()[-TAIL:])
    print(f"{tail}\nsetup: {step.about}: FAILED ({status}) after {took:.0f} s; all of its output is in "
          f"{os.path.relpath(path, ROOT)}", flush=True)
    return None


def tell_what_runs(running, over):
    """Names the running steps every half minute, so that nobody takes a long step for a hang."""
    while not over.wait(30):
        names = [f"{name} ({time.monotonic() - began:.0f} s)" for name, began in list(running.items())]
        if names:
            print(f"setup:          … {', '.join(names)}", flush=True)


def run_all(steps):
    """Runs each step as soon as those that it needs are done; True when all went well."""
    known, done, failed, running, over = {step.name for step in steps}, set(), False, {}, threading.Event()
    threading.Thread(target=tell_what_runs, args=(running, over), daemon=True).start()
    waiting, futures = list(steps), {}
    with ThreadPoolExecutor(len(steps)) as pool:
        while waiting or futures:
            for step in [one for one in waiting if not failed and done >= set(one.after) & known]:
                waiting.remove(step)
                running[step.name] = time.monotonic()
                futures[pool.submit(run, step)] = step
            if not futures:
                break
            for future in wait(futures, return_when=FIRST_COMPLETED).done:
                step = futures.pop(future)
                running.pop(step.name)
                failed |= future.result() is None
                done.add(step.name)
    over.set()
    return not failed


# What cargo installs, by its step: what it says to --version.
BUILT = {"cargo-deny": f"cargo-deny {CARGO_DENY}", "mdbook": f"mdbook v{MDBOOK}"}


def is_built(name):
    """Whether a program that cargo installs is there in the right version."""
    program = os.path.join(ROOT, ".cache", name, "bin", name)
    if not os.path.exists(program):
        return False
    return subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip() == BUILT[name]


def main():
    option = " ".join(sys.argv[1:])
    if option not in ("", "--demo", "--ground"):
        sys.exit(f"setup: unknown option {option}")
    os.makedirs(os.path.join(ROOT, ".cache", "bin"), exist_ok=True)
    os.makedirs(LOGS, exist_ok=True)
    disk = os.statvfs(ROOT)
    free = disk.f_bavail * disk.f_frsize / 2**30
    if free < DISK_GIB and not os.path.exists(os.path.join(ROOT, ".cache", "bin", "testcluster")):
        sys.exit(f"setup: only {free:.1f} GiB are free on the disk of {ROOT}; {DISK_GIB} are needed. Make room and run it again")
    steps = [step for step in STEPS if option in step.options]
    steps = [step for step in steps if step.name not in BUILT or not is_built(step.name)]
    if not run_all(steps):
        sys.exit(1)
    print("setup: ready")


if __name__ == "__main__":
    main()
