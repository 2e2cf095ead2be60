#!/bin/bash
# Makes a fresh Debian 12 machine able to run test clusters: packages, the cluster program with kubectl and Helm in it, and
# the images. Does only what is missing, so a second run takes about a second. Run as root.
#
#   setup.sh [PART...]      packages, modules, programs, base, images; without a word all of them in this order
#
# Everything that is built lies in .cache/ of the project; Go's own caches stay where they are.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=$root/.cache/bin
kubernetes=1.35.4

[ "$(id -u)" = 0 ] || { echo "setup: must run as root" >&2; exit 1; }
command -v go >/dev/null || { echo "setup: Go 1.26 or newer is needed in PATH" >&2; exit 1; }
mkdir -p "$bin"
# Static and without paths: the result depends on the sources alone.
export CGO_ENABLED=0
# The compiler's garbage collector and debugging information cost a third of its time; nobody debugs these programs.
export GOGC=off GOMEMLIMIT=2GiB

# build STAMP SOURCE... -- COMMAND...: runs the command unless the sources are the ones of the last success
build() {
  local name=$1 stamp=$bin/.$1.sources sources=() digest
  shift
  while [ "$1" != -- ]; do sources+=("$1"); shift; done
  shift
  digest=$({ go version; find "${sources[@]}" -type f -print0 | sort -z | xargs -0 sha256sum; echo "$*"; } | sha256sum)
  [ "$(cat "$stamp" 2>/dev/null)" = "$digest" ] && return
  echo "building $name" >&2
  rm -f "$stamp"
  "$@"
  echo "$digest" >"$stamp"
}

build_programs() {
  # Two set-ups at once would build everything twice.
  exec 9>"$bin/.setup.lock"
  flock 9
  local version=k8s.io/component-base/version
  build pause pause -- go build -trimpath -gcflags=all=-dwarf=false -ldflags '-s -w' -o "$bin/pause" ./pause
  build testcluster go.mod go.sum main.go internal -- go build -trimpath -gcflags=all=-dwarf=false -ldflags \
    "-s -w -X $version.gitVersion=v$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=35" -o "$bin/testcluster.new" .
  # Replaced by renaming: clusters that run keep the program they were started with.
  [ ! -e "$bin/testcluster.new" ] || mv "$bin/testcluster.new" "$bin/testcluster"
  ln -sfn testcluster "$bin/kubectl"
  ln -sfn testcluster "$bin/helm"
}

cd "$here"
[ $# -gt 0 ] || set -- packages modules programs base images
for part in "$@"; do
  case $part in
    packages) "$root/scripts/packages.sh" ;;
    modules) go mod download ;;
    programs) build_programs ;;
    base) "$here/build-image.sh" --base ;;
    images)
      "$here/images/build.sh" pause seekdb mariadb >/dev/null ;;
    *) echo "setup: no part $part" >&2; exit 2 ;;
  esac
done
