"""What the demo is asked to show: the upgrade, and where it is to fail."""

import os
import sys
from dataclasses import dataclass

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))


@dataclass(frozen=True)
class Failure:
    """One way to fail: a bad day of the stand-in, or a change of the manifest."""

    about: str
    bad_day: tuple = ()
    spec: tuple = ()
    then: str = "RolledBack"


def quickly(step, limit):
    """A shorter time limit, so that the demo need not wait for the default."""
    return ("timeouts", {step: limit})


FAILURES = {
    "": Failure("", then="Succeeded"),
    "init": Failure("docker_init.sh fails after the first of three databases", ("init-fails-half-way",)),
    "hang": Failure("docker_init.sh hangs half way", ("init-hangs",), (quickly("init", "60s"),)),
    "console": Failure("the console of 4.0.0 never comes up", ("console-never-up",), (quickly("health", "2m"),)),
    "crash": Failure("the container of 4.0.0 ends a second after its start", ("crash-loop", "on")),
    "kill": Failure("the container is killed while docker_init.sh runs", ("init-kills-container", "once")),
    "pull": Failure("the new image cannot be pulled, and preflight was told not to look", (), (
        ("image", "localhost/oms-standin:4.0.0-ce-gone"),
        ("checks", [{"name": "ImagePullable", "policy": "Skip", "reason": "to show what happens then"}]))),
}


@dataclass(frozen=True)
class Plan:
    """One run of the demo."""

    engine: str
    size_mb: int
    cluster: str
    then_roll_back: bool
    failure: Failure

    @property
    def about(self):
        return self.failure.about

    @property
    def bad_day(self):
        return self.failure.bad_day

    @property
    def expected_phase(self):
        return self.failure.then

    def manifest(self):
        """The OmsUpgrade of this run."""
        with open(os.path.join(HERE, "upgrade.yaml"), encoding="utf-8") as file:
            upgrade = yaml.safe_load(file)
        upgrade["spec"].update(self.failure.spec)
        return upgrade

    def change_note(self):
        """What was changed in the manifest, for the line that shows the command."""
        return "".join(f"    # with {field}: {value}" for field, value in self.failure.spec)


def read_environment(environment):
    """The plan out of FAIL, THEN, ENGINE, SIZE_MB, CLUSTER."""
    fail, engine = environment.get("FAIL", ""), environment.get("ENGINE", "seekdb")
    if fail not in FAILURES:
        sys.exit(f"FAIL={fail}: choose one of {', '.join(name for name in FAILURES if name)}")
    if engine not in ("seekdb", "mariadb"):
        sys.exit(f"ENGINE={engine}: choose seekdb or mariadb")
    then = environment.get("THEN", "")
    if then not in ("", "rollback"):
        sys.exit(f"THEN={then}: the only choice is rollback")
    return Plan(engine, int(environment.get("SIZE_MB", "20")), environment.get("CLUSTER", "demo"), then == "rollback",
                FAILURES[fail])
