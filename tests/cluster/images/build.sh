#!/bin/bash
# Builds the images of this directory: build.sh pause|seekdb|mariadb|probe...
# Prints the paths of the archives. What is not from Debian is fetched or built here and laid into a small context, so
# that nothing else has to be copied.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
cache=$root/.cache
bin=$cache/bin

seekdb_version=1.4.0.post1
# Of the wheel for CPython 3.11, x86-64.
seekdb_sha256=7c1c1e13148189af1332f69b896a818b674db3a4615c7caf1c9db05055738ad6

# context NAME FILE...: a directory with exactly these files
context() {
  local dir=$cache/images/context/$1
  shift
  rm -rf "$dir"
  mkdir -p "$dir"
  cp -p --reflink=auto "$@" "$dir/"
  # The layer cache compares times too.
  find "$dir" -exec touch -d @1767225600 {} +
  echo "$dir"
}

fetch_seekdb() {
  local dir=$cache/seekdb-$seekdb_version partial
  [ -x "$dir/seekdb" ] || {
    partial=$(mktemp -d "$cache/seekdb.XXXXXX")
    python3 -m pip --quiet --disable-pip-version-check download --no-deps --only-binary=:all: --implementation cp \
      --python-version 3.11 --platform manylinux_2_28_x86_64 --dest "$partial" "pylibseekdb==$seekdb_version" >&2
    echo "$seekdb_sha256  $(echo "$partial"/*.whl)" | sha256sum --check --quiet >&2
    python3 -m zipfile -e "$partial"/*.whl "$partial"
    # A wheel carries no execute permission.
    chmod 0755 "$partial/pylibseekdb/seekdb"
    mkdir -p "$partial/out"
    mv "$partial/pylibseekdb/seekdb" "$partial"/pylibseekdb/libaio.so.1 "$partial/out/"
    rm -rf "$dir"
    mv "$partial/out" "$dir"
    rm -rf "$partial"
  }
  echo "$dir"
}

build_server() {
  (cd "$here/.." && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$bin/metadb-server" ./metadb-server)
}

for image in "$@"; do
  case $image in
    pause) tag=pause:1 dir=$(context pause "$bin/pause") ;;
    probe)
      (cd "$here/.." && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$bin/probe" ./suite/probe)
      tag=probe:1 dir=$(context probe "$bin/probe") ;;
    seekdb)
      build_server
      wheel=$(fetch_seekdb)
      tag=seekdb:1.4.0 dir=$(context seekdb "$bin/metadb-server" "$wheel/seekdb" "$wheel/libaio.so.1") ;;
    mariadb)
      build_server
      tag=mariadb:10.11 dir=$(context mariadb "$bin/metadb-server") ;;
    *) echo "build.sh: unknown image $image" >&2; exit 1 ;;
  esac
  "$here/../build-image.sh" --tag "localhost/$tag" --dockerfile "$here/$image/Dockerfile" --context "$dir"
done
