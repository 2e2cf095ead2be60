"""The scenarios: what each needs, and in which order they run."""

from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Scenario:
    """One scenario. `sample` ones run in `make test`."""

    name: str
    about: str
    run: Callable
    sample: bool = False
    engine: str = ""
    nodes: int = 1
    # It ends with the old version, a clean journal and nothing changed, so that the next one can go on from there.
    reusable: bool = True
    # It begins with an installation of its own.
    fresh: bool = False


SCENARIOS = []


def scenario(name, **options):
    """Registers a function run(lab) as a scenario; its documentation says what it is about."""
    def add(function):
        SCENARIOS.append(Scenario(name, function.__doc__.strip().splitlines()[0], function, **options))
        return function
    return add


def choose(names, everything, engine):
    """Scenarios to run, those that share an installation one after the other."""
    known = {entry.name for entry in SCENARIOS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no scenario {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    chosen = [entry for entry in SCENARIOS if (entry.name in names if names else everything or entry.sample)]
    return sorted(chosen, key=lambda entry: (entry.nodes, bool(entry.engine) and entry.engine != engine))
