"""Processes of the machine, found by the container that they run in. Kills one process, by its id, and only that."""

import os
import signal
import threading
import time


def of_container(container_id):
    """Ids of the processes of a container (containerd://ID or ID)."""
    wanted = container_id.rpartition("/")[2].encode()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/cgroup", "rb") as file:
                    if wanted in file.read():
                        found.append(int(name))
            except OSError:
                continue  # it ended meanwhile
    return found


def kill(container_id):
    """SIGKILL to every process of a container; how many there were."""
    found = of_container(container_id)
    for process in found:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return len(found)


class Sampler(threading.Thread):
    """Looks for texts in the arguments and the environment of all processes, again and again."""

    def __init__(self, needles, pause=0.1):
        super().__init__(daemon=True)
        self.needles = [needle.encode() for needle in needles]
        self.pause, self.found, self.rounds, self.seen = pause, [], 0, set()
        self.done = threading.Event()

    def run(self):
        while not self.done.is_set():
            self.look()
            self.rounds += 1
            self.done.wait(self.pause)

    def look(self):
        """One round over the process table."""
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            for part in ("cmdline", "environ"):
                try:
                    with open(f"/proc/{name}/{part}", "rb") as file:
                        text = file.read()
                except OSError:
                    continue
                if part == "cmdline":
                    self.seen.add(text.split(b"\0")[0].rpartition(b"/")[2].decode(errors="replace"))
                if any(needle in text for needle in self.needles):
                    self.found.append(f"{part} of process {name}: {text.split(bytes(1))[0].decode(errors='replace')}")

    def stop(self):
        """What was found."""
        self.done.set()
        self.join(5)
        return sorted(set(self.found))


def poll(what, check, seconds, pause=0.3):
    """Polls check() until it is true; its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)
