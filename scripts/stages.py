"""The stages of `make test` and `make test-all`: what runs, in which order, how long it may take."""

import os
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Integration tests by the beginning of their names; those that begin otherwise run in the stage `other`.
GROUPS = ("brain", "agent", "oms", "explorer")


@dataclass(frozen=True)
class Stage:
    """One stage. `sample` runs in `make test`; `everything`, when given, in `make test-all`."""

    name: str
    about: str
    minutes: int
    sample: str
    everything: str = ""
    # Seconds that it may take on two cores where everything is compiled; more is shown in the summary and fails nothing.
    budget: int = 60
    # Stages of one lane run one after the other, the lanes side by side; what has the lane `any` is taken by the lane that
    # is through with its own.
    lane: str = "crate"


def find_tests():
    """Integration tests of the crate: group → names. No file of tests/ can be forgotten."""
    folder = os.path.join(ROOT, "tests")
    names = sorted(entry.removesuffix(".rs") for entry in os.listdir(folder)
                   if entry.endswith(".rs") or os.path.exists(os.path.join(folder, entry, "main.rs")))
    found = {group: [] for group in (*GROUPS, "other")}
    for name in names:
        found[next((group for group in GROUPS if name.startswith(group)), "other")].append(name)
    return found


def cargo_test(names, *arguments):
    """cargo's command for some integration tests."""
    chosen = " ".join(f"--test {name}" for name in names)
    return f"cargo test --quiet --locked --no-fail-fast {chosen}" + (" -- " + " ".join(arguments) if arguments else "")


TESTS = find_tests()


def rust(group, about, minutes, budget):
    """The stage of a group of integration tests; none when there are no such tests."""
    return [Stage(group, about, minutes, cargo_test(TESTS[group]), budget=budget)] if TESTS[group] else []


STAGES = [
    Stage("setup", "the machine is ready", 30, "scripts/setup.sh", lane="setup", budget=10),
    Stage("format", "rustfmt", 2, "cargo fmt --check", budget=5),
    # Without the tests first: only there the compiler sees what nothing but a test uses.
    Stage("clippy", "no warnings, nothing unused", 15,
          "cargo clippy --quiet --locked -- -D warnings && cargo clippy --quiet --locked --all-targets -- -D warnings"),
    Stage("unit", "unit tests and properties", 25, "cargo test --quiet --locked --lib --bins"),
    *rust("brain", "the procedure, walked in a small world", 10, 60),
    *rust("explorer", "every call fails in every way, in samples of all worlds", 25, 120),
    *rust("oms", "OMS seen from outside: seekdb, MariaDB, HTTP, container scripts", 10, 60),
    # The check of one kill test reads two tables in one statement while seekdb still renames them: test-all only.
    # Of MySQL and the newer MariaDB `make test` takes a sample: all of more_engines is test-all only.
    Stage("agent", "backup, proof and restore against seekdb, MariaDB and MySQL", 30,
          cargo_test(TESTS["agent"], "--skip", "kills::swap_on_seekdb_killed_after", "--skip", "more_engines::"),
          cargo_test(TESTS["agent"]), budget=720),
    *rust("other", "other tests of the crate", 10, 60),
    Stage("deny", "licences, banned packages, sources", 5,
          ".cache/cargo-deny/bin/cargo-deny --locked check bans licenses sources"),
    Stage("generated", "what is generated is up to date", 5, "scripts/generate.sh --check"),
    Stage("chart", "lint, schema, rendering, pod security, roles, samples, alerts; documents and their site", 10,
          "tests/chart/run && tests/docs/run", budget=90),
    Stage("gitops", "what Argo CD and Flux make of every state", 10, "tests/gitops/judge", budget=30),
    Stage("demo", "what the demo prints; the demo itself, from begin to end", 10,
          "tests/demo/check", "tests/demo/check && CLUSTER=demo-test make demo && CLUSTER=demo-test make demo-down", lane="cluster", budget=5),
    # A release build in a container: minutes of both cores, so `make test` only looks whether there is something to build.
    Stage("from-source", "both images built from the sources alone, by README's commands", 25,
          "tests/docs/from-source --list", "tests/docs/from-source", budget=5),
    # With everything compiled before the crate's lane is the shorter one, on a fresh machine the other.
    Stage("cluster", "the test cluster; who may approve and operate; what kubectl shows", 40,
          "tests/cluster/test.sh && tests/kubectl/run", lane="any", budget=300),
    # A whole run of the conformance kit takes two minutes, so `make test` only judges what others have seen.
    Stage("standin", "the OMS stand-in: rules, bad days, the right procedure; the conformance kit on it", 40,
          "tests/standin/standinctl build && tests/standin/tests/run && tests/conformance/tests/run",
          "tests/standin/standinctl build && tests/standin/tests/run && tests/conformance/tests/run --all", lane="cluster", budget=300),
    Stage("end-to-end", "upgrades and ways back on a real cluster", 45,
          # In CI the image comes from what the tests compiled; see run-stages.
          "tests/e2e/run ${CI:+--profile dev}", "tests/e2e/run --all && tests/e2e/run --all --engine mariadb",
          lane="cluster", budget=600),
]
