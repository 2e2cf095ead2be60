"""Aborts in every phase before the line, and requests that manifests cannot take back."""

import json

import checks
import steps
from api import is_true
from registry import scenario
from upgrade import Upgrade

# Step in which the abort is asked for.
STEPS = {"preflight": "Preflight", **steps.list_aborted()}


def abort_in(lab, name, step):
    """An abort asked for as soon as a step is seen; everything is as before at the end."""
    before = checks.Photo(lab)
    with Upgrade(lab, name) as upgrade:
        upgrade.wait_step(step)
        position = upgrade.ask("Abort")
        item = upgrade.wait_end("Aborted", after=position)
        assert not is_true(item, "Ready") and is_true(item, "Finished")
        forward = [step for direction, step in upgrade.watch.steps() if direction == "Forward"]
        assert forward[-1] == step, f"the abort came in {forward[-1]}, not in {step}"
        checks.check_end(lab, upgrade, before, "unchanged")
        upgrade.delete()


def register(short, step):
    """One scenario per step."""
    def run(lab):
        abort_in(lab, f"abort-{short}", step)
    run.__doc__ = f"Abort while {step}: everything as before."
    scenario(f"abort-{short}", sample=short == "backing-up")(run)


for _short, _step in STEPS.items():
    register(_short, _step)


@scenario("replace-after-abort")
def replace_after_abort(lab):
    """The original manifest comes again (kubectl replace) after the abort was seen: the abort stands."""
    before = checks.Photo(lab)
    with Upgrade(lab, "replaced") as upgrade:
        upgrade.wait_step("StoppingOld")
        position = upgrade.ask("Abort")
        upgrade.watch.wait("the abort is remembered", lambda item: item["status"]["internal"].get("requests", {}).get("abort"), 60,
                           position)
        lab.kubectl("replace", "-f", "-", stdin=upgrade.text())
        item = upgrade.wait_end("Aborted")
        assert item["spec"].get("action", "Run") == "Run", "the manifest of before should say Run"
        assert item["status"]["internal"]["requests"]["abort"]
        checks.check_end(lab, upgrade, before, "unchanged")
        upgrade.delete()


@scenario("paused")
def paused(lab):
    """A paused upgrade waits between two phases, with HA off and OMS running; resumed and aborted it all comes back."""
    before = checks.Photo(lab)
    with Upgrade(lab, "paused", paused=True) as upgrade:
        held = upgrade.watch.wait("held", lambda item: is_true(item, "Paused"), 180)
        assert held["status"]["step"] in ("Pending", "Preflight"), held["status"]["step"]
        upgrade.patch(paused=False)
        upgrade.wait_step("DisablingHa")
        upgrade.patch(paused=True)
        state = upgrade.watch.wait("HA off", lambda item: item["status"].get("step") in ("DisablingHa", "StoppingOld"), 60)
        code, text = lab.try_kubectl("patch", "omsup", upgrade.name, "--type=merge", "-p",
                                     json.dumps({"spec": {"retryRequest": ""}}))
        assert code != 0 and "retryRequest" in text, text
        assert state
        position = upgrade.ask("Abort")
        upgrade.wait_end("Aborted", after=position)
        checks.check_end(lab, upgrade, before, "unchanged")
        upgrade.delete()
