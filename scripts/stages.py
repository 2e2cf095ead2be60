"""The stages of `make test` and `make test-all`: what runs, in which order, how long it may take."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One stage. `sample` runs in `make test`; `everything`, when given, in `make test-all`."""

    name: str
    about: str
    minutes: int
    sample: str
    everything: str = ""


STAGES = [
    Stage("setup", "the machine is ready", 25, "scripts/setup.sh"),
    Stage("format", "rustfmt", 2, "cargo fmt --check"),
    Stage("clippy", "no warnings", 15, "nice cargo clippy --quiet --locked --all-targets -- -D warnings"),
    Stage("rust", "unit tests, properties, drift of the definition", 20, "nice cargo test --quiet --locked"),
    Stage("deny", "licences, banned packages, sources", 5,
          ".cache/cargo-deny/bin/cargo-deny --offline --locked check bans licenses sources"),
    Stage("images", "the images of operator and tools", 20, "scripts/build-images.sh"),
    Stage("generated", "what is generated is up to date", 5, "scripts/generate.sh --check"),
    Stage("chart", "lint, schema, rendering, pod security, roles, samples", 5, "tests/chart/run"),
]
