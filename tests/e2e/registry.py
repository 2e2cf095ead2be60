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
    # It needs the operator of another revision as well (`--from-revision`); without one it is not among all of them.
    handover: bool = False


SCENARIOS = []


def scenario(name, **options):
    """Registers a function run(lab) as a scenario; its documentation says what it is about."""
    def add(function):
        SCENARIOS.append(Scenario(name, function.__doc__.strip().splitlines()[0], function, **options))
        return function
    return add


def choose(names, everything, engine, handover):
    """Scenarios to run, those that share an installation one after the other. With the operator of another revision at
    hand (`handover`) those that need it, and only those."""
    known = {entry.name for entry in SCENARIOS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no scenario {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    wrong = [entry.name for entry in SCENARIOS if entry.name in names and entry.handover != handover]
    if wrong:
        raise SystemExit(f"{'do not need' if handover else 'need'} --from-revision: {', '.join(wrong)}")
    able = [entry for entry in SCENARIOS if entry.handover == handover]
    chosen = [entry for entry in able if (entry.name in names if names else everything or handover or entry.sample)]
    return sorted(chosen, key=lambda entry: (entry.nodes, bool(entry.engine) and entry.engine != engine))
