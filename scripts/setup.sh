#!/bin/bash
# Makes a fresh Debian 12 machine ready for `make demo` and `make test`: packages, tools, cluster, database servers.
#
#   scripts/setup.sh [--demo | --ground]      what the demo needs, with its images; --ground: without the operator
#
# Can be run again at any time; what is there already is not fetched again. Installs Debian packages into the system and
# everything else into .cache/ of this folder. The steps are in setup.py; this file only sees to it that they can start.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "setup: $*" >&2; exit 1; }

# Debian's own Rust and Go are too old for this project, so they are not installed from there.
command -v cargo >/dev/null ||
  die "Rust is missing. Install it with https://rustup.rs; rust-toolchain.toml then picks the version"
# Fetches the toolchain that rust-toolchain.toml names, when rustup manages it.
cargo --version >/dev/null || die "cargo cannot run the toolchain of rust-toolchain.toml; see the message above"
command -v go >/dev/null ||
  die "Go 1.26 or newer is missing; the test cluster and Helm are built with it. Install it from https://go.dev/dl"
command -v python3 >/dev/null || scripts/packages.sh
exec python3 scripts/setup.py "$@"
