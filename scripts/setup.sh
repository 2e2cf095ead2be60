#!/bin/bash
# Makes a fresh Debian 12 machine ready for `make demo` and `make test`: packages, tools, cluster, database servers.
#
#   scripts/setup.sh [--demo]      --demo leaves out what only the tests need
#
# Can be run again at any time; what is there already is not fetched again. Installs Debian packages into the system and
# everything else into .cache/ of this folder.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

for_tests=1
case ${1:-} in
  '') ;;
  --demo) for_tests= ;;
  *) echo "setup: unknown option $1" >&2; exit 2 ;;
esac

say() { echo "setup: $*"; }
die() { echo "setup: $*" >&2; exit 1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_packages() {
  # gcc for the few C parts (zstd, ring); what only the cluster needs is installed by tests/cluster/setup.sh.
  local wanted=(ca-certificates curl git gcc libc6-dev python3 python3-pip python3-yaml python3-jsonschema util-linux iproute2 procps mariadb-client)
  [ -z "$for_tests" ] || wanted+=(mariadb-server-core)
  local missing=() package
  for package in "${wanted[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Debian's own Rust and Go are too old for this project, so they are not installed from there.
require_languages() {
  if ! command -v cargo >/dev/null; then
    die "Rust is missing. Install it with https://rustup.rs; rust-toolchain.toml then picks the version"
  fi
  # Fetches the toolchain that rust-toolchain.toml names, when rustup manages it.
  cargo --version >/dev/null || die "cargo cannot run the toolchain of rust-toolchain.toml; see the message above"
  if ! command -v go >/dev/null; then
    die "Go 1.24 or newer is missing; the test cluster and Helm are built with it. Install it from https://go.dev/dl"
  fi
}

readonly CARGO_DENY_VERSION=0.20.2
install_cargo_deny() {
  local home=$root/.cache/cargo-deny
  if [ -x "$home/bin/cargo-deny" ] && [ "$("$home/bin/cargo-deny" --version)" = "cargo-deny $CARGO_DENY_VERSION" ]; then
    return 0
  fi
  say "building cargo-deny $CARGO_DENY_VERSION (once, some minutes)"
  CARGO_TARGET_DIR=$root/.cache/cargo-deny-target nice -n 5 cargo install --quiet --locked --root "$home" \
    --version "$CARGO_DENY_VERSION" --no-default-features cargo-deny
  rm -rf "$root/.cache/cargo-deny-target"
}

mkdir -p .cache/bin
install_packages
require_languages
tests/cluster/setup.sh
if [ -n "$for_tests" ]; then
  tests/engines/setup.sh
  install_cargo_deny
fi
say "ready"
