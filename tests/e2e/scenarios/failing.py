"""Upgrades that fail after the line: data and image come back by themselves."""

import checks
from api import condition, is_true
from registry import scenario
from upgrade import ATTESTED, QUICK, Upgrade


def fail_and_return(lab, name, bad_day=(), outcome="restored", words=(), **changes):
    """An upgrade that ends in RolledBack, with everything as before."""
    before = checks.Photo(lab)
    if bad_day:
        lab.bad_day(*bad_day)
    with Upgrade(lab, name, **changes) as upgrade:
        item = upgrade.wait_end("RolledBack", seconds=420)
        if bad_day:
            lab.bad_day("--clear")
        assert is_true(item, "RolledBack") and not is_true(item, "Ready")
        text = condition(item, "Ready")["message"]
        for word in words:
            assert word in text, f"Ready does not say {word!r}: {text}"
        checks.check_end(lab, upgrade, before, outcome)
        upgrade.delete()
        return upgrade


@scenario("init-fails-half-way", sample=True)
def init_fails(lab):
    """docker_init.sh fails after the first of three databases."""
    fail_and_return(lab, "init-fails", ("init-fails-half-way",), words=("docker_init.sh", "completion banner"))


@scenario("init-exit-lies")
def init_exit_lies(lab):
    """docker_init.sh fails half way and says 0: the new version does not come up, and that is told together."""
    lab.bad_day("init-exit-lies")
    timeouts = {**QUICK, "health": "40s"}
    fail_and_return(lab, "init-exit-lies", ("init-fails-half-way",), words=("completion banner", "does not come up"),
                    timeouts=timeouts)


@scenario("init-hangs")
def init_hangs(lab):
    """docker_init.sh never ends."""
    timeouts = {**QUICK, "init": "15s"}
    fail_and_return(lab, "init-hangs", ("init-hangs",), words=("docker_init.sh",), timeouts=timeouts)


@scenario("console-never-up")
def console_never_up(lab):
    """The console of the new version ends at once, after init too."""
    timeouts = {**QUICK, "health": "40s"}
    fail_and_return(lab, "console-never-up", ("console-never-up",), timeouts=timeouts)


@scenario("init-kills-container")
def init_kills_container(lab):
    """The container dies while docker_init.sh runs in it."""
    fail_and_return(lab, "init-kills", ("init-kills-container", "once"), words=("docker_init.sh",))


@scenario("crash-loop")
def crash_loop(lab):
    """The new version ends a second after its start: nothing was changed, so nothing is restored."""
    timeouts = {**QUICK, "start": "40s"}
    fail_and_return(lab, "crash-loop", ("crash-loop", "on"), outcome="unchanged", timeouts=timeouts)


@scenario("crash-loop-after-init")
def crash_loop_after_init(lab):
    """The new version starts for its init and never again."""
    timeouts = {**QUICK, "health": "40s"}
    fail_and_return(lab, "crash-loop-after", ("crash-loop", "after-init"), timeouts=timeouts)


@scenario("image-not-pullable", sample=True)
def image_not_pullable(lab):
    """The image cannot be pulled and the check was skipped: the image goes back, nothing is restored."""
    timeouts = {**QUICK, "start": "20s"}
    skipped = ATTESTED + [{"name": "ImagePullable", "policy": "Skip", "reason": "to see what happens then"}]
    upgrade = fail_and_return(lab, "not-pullable", outcome="unchanged", words=("ImagePull",), timeouts=timeouts,
                              image="localhost/oms-standin:4.0.0-ce-gone", checks=skipped)
    assert not [name for name in upgrade.jobs() if "-restore-" in name]


@scenario("rollback-on-request-only")
def on_request_only(lab):
    """With policy OnRequest a failure stalls; the rollback that is asked for then brings all back."""
    before = checks.Photo(lab)
    lab.bad_day("init-fails-half-way")
    with Upgrade(lab, "on-request", rollback={"policy": "OnRequest"}) as upgrade:
        item = upgrade.watch.wait("stalled", lambda item: item["status"].get("stall"), 240)
        assert "ACTION REQUIRED" in condition(item, "Ready")["message"] and is_true(item, "Stalled")
        lab.bad_day("--clear")
        position = upgrade.ask("RollBack")
        upgrade.wait_end("RolledBack", after=position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()
