"""The live view: a line for each thing that changes, and on a terminal one line that moves."""

import codecs
import json
import os
import selectors
import shutil
import subprocess
import sys
import time

# Conditions that say the same as the step's own line.
QUIET = {"Ready", "Reconciling", "Planned", "Finished"}
DEADLINE = 45 * 60
# Seconds without a line after which it is said where to look.
SILENCE = 60


def name_step(step):
    """Phase, and step where it says more: a phase has one or several steps."""
    return step[0] if step[1] in (step[0], None) else f"{step[0]} / {step[1]}"


def read_conditions(upgrade):
    """type → (status, reason, message)."""
    return {found["type"]: (found["status"], found["reason"], found["message"])
            for found in upgrade.get("status", {}).get("conditions", [])}


class View:
    """Prints what changed between two states of an OmsUpgrade."""

    def __init__(self, out, live):
        self.out, self.live, self.began = out, live, time.monotonic()
        self.step, self.conditions, self.waiting, self.moving, self.cause = None, {}, None, "", ""
        self.newest = self.began

    def show(self, upgrade):
        """Prints what changed since the last call."""
        status = upgrade.get("status", {})
        step = (status.get("phase"), status.get("step"), status.get("direction"))
        if step != self.step and step[0]:
            self.step = step
            ready = read_conditions(upgrade).get("Ready", ("", "", ""))[2]
            # Each step of a way back would repeat why it is gone.
            cause = status.get("cause", {}).get("message", "")
            if cause and cause == self.cause:
                ready = ready.replace(cause, "…")
            self.cause = cause
            self.line(name_step(step), ready)
        for kind, found in read_conditions(upgrade).items():
            known = self.conditions.get(kind)
            # The reason alone changes with every step.
            if kind not in QUIET and found[0] != (known[0] if known else "False"):
                self.line(f"  {kind}={found[0]} ({found[1]})", found[2])
            self.conditions[kind] = found
        waiting = status.get("waiting", {}).get("reason")
        if waiting and waiting != self.waiting:
            self.line(f"  waits: {waiting}", status["waiting"]["message"])
        self.waiting = waiting
        progress = status.get("progress", {})
        eta = f", {progress['etaSeconds']} s left" if "etaSeconds" in progress else ""
        self.moving = progress.get("summary", "") + eta if progress else ""

    def line(self, head, text):
        """One line that stays."""
        text = " ".join(text.split())
        self.wipe()
        self.newest = time.monotonic()
        self.out.write(f"{self.elapsed():6.1f} s  {head:<42} {text[:200]}\n")
        self.out.flush()

    def tick(self):
        """Redraws the moving line; nothing where the output is no terminal."""
        if self.live and self.step:
            self.wipe()
            text = f"{self.elapsed():6.1f} s  … {name_step(self.step)}  {self.moving}"
            columns = shutil.get_terminal_size().columns
            self.out.write(text if len(text) < columns else text[:columns - 2] + "…")
            self.out.flush()

    def tell_silence(self, look):
        """Says after a minute without news where to look: the upgrade goes on whether or not somebody watches."""
        if time.monotonic() - self.newest > SILENCE:
            self.line("(nothing new)", f"look beside it: {look}")

    def wipe(self):
        if self.live:
            self.out.write("\r\033[K")

    def elapsed(self):
        return time.monotonic() - self.began


def is_over(upgrade, condition):
    """The condition is true and nothing is left to clean up."""
    found = read_conditions(upgrade).get(condition, ("", "", ""))
    return found[0] == "True" and upgrade["status"].get("settled", False)


def is_stuck(upgrade):
    """The operator waits for a person."""
    return "stall" in upgrade.get("status", {})


def watch(demo):
    """States of the upgrade as they come; None twice a second in between. Starts anew when the watch ends."""
    while True:
        process = subprocess.Popen([*demo.kubectl_base, "get", "omsup", demo.upgrade, "--watch", "-o", "json"],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        decoder, text = json.JSONDecoder(), ""
        characters = codecs.getincrementaldecoder("utf-8")()
        os.set_blocking(process.stdout.fileno(), False)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                while True:
                    selector.select(0.5)
                    chunk = process.stdout.read()
                    if chunk == b"":
                        break
                    # kubectl writes the line break after a document by itself, so it may come first.
                    text = (text + characters.decode(chunk or b"")).lstrip()
                    while text:
                        try:
                            found, end = decoder.raw_decode(text)
                        except json.JSONDecodeError:
                            break
                        text = text[end:].lstrip()
                        yield found
                    yield None
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        # The API server ends a watch now and then; one that cannot be had at all must not spin.
        time.sleep(0.5)
        yield None


def follow(demo, condition):
    """Shows an upgrade until a condition is true and everything is settled; returns its last state."""
    view = View(sys.stdout, sys.stdout.isatty())
    states = watch(demo)
    last = None
    for found in states:
        if found is not None:
            last = found
            view.show(found)
            if is_over(found, condition):
                break
            if is_stuck(found):
                view.line("Stalled", found["status"]["stall"]["message"])
                break
        elif view.elapsed() > DEADLINE:
            view.line("Gave up", f"not over after {DEADLINE // 60} minutes")
            break
        view.tell_silence(f"KUBECONFIG={demo.kubeconfig} kubectl -n {demo.namespace} get omsup")
        view.tick()
    states.close()
    view.wipe()
    if last is None:
        sys.exit("the OmsUpgrade was never seen")
    return last
