#!/bin/bash
# Provides the database servers for the tests: MariaDB from Debian, seekdb (OceanBase's engine) from its Python wheel.
#
# Can be run again at any time. seekdb goes to .cache/ of this project; only its program and the library beside it are
# needed, Python packages are not installed.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
readonly seekdb_version=1.4.0.post1
readonly wheel_sha256=7c1c1e13148189af1332f69b896a818b674db3a4615c7caf1c9db05055738ad6

"$root/scripts/packages.sh" --tests

seekdb=$root/.cache/seekdb-$seekdb_version
if [ ! -x "$seekdb/seekdb" ]; then
  partial=$(mktemp -d "$root/.cache/seekdb-partial.XXXXXX" 2>/dev/null || { mkdir -p "$root/.cache"; mktemp -d "$root/.cache/seekdb-partial.XXXXXX"; })
  trap 'rm -rf "$partial"' EXIT
  python3 -m pip -q download --disable-pip-version-check --no-deps --only-binary=:all: --implementation cp \
    --python-version 3.11 --platform manylinux_2_28_x86_64 -d "$partial" "pylibseekdb==$seekdb_version"
  echo "$wheel_sha256  $(ls "$partial"/*.whl)" | sha256sum --check --quiet
  python3 -m zipfile -e "$partial"/*.whl "$partial/wheel"
  # Files from a zip archive lack their x bit.
  chmod 0755 "$partial/wheel/pylibseekdb/seekdb"
  mkdir "$partial/out"
  mv "$partial/wheel/pylibseekdb/seekdb" "$partial/wheel/pylibseekdb/libaio.so.1" "$partial/out/"
  mv -T "$partial/out" "$seekdb" 2>/dev/null || [ -x "$seekdb/seekdb" ]
fi
