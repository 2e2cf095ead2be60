#!/bin/bash
# Builds the real controllers into .cache/gitops/bin: `argocd` (application controller and repo server) and `kustomize-controller`,
# at the versions of their go.mod. Does nothing where they are there. Five to ten minutes of two cores the first time.
# May touch: .cache/gitops, Go's caches.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$here/../.." && pwd)/.cache/gitops/bin
mkdir -p "$bin"
exec 9>"$bin/.lock"
flock 9
# Modules come from the proxy, never from a version control system.
export GOVCS='*:off' CGO_ENABLED=0

build() { # NAME FOLDER PACKAGE
  local sum
  # Not each has sources of its own.
  sum=$(cd "$here/controllers/$2" && shopt -s nullglob && cat go.* main*.go | sha256sum)
  if [ ! -x "$bin/$1" ] || [ "$(cat "$bin/.$1.sources" 2>/dev/null)" != "$sum" ]; then
    echo "building $1"
    rm -f "$bin/.$1.sources"
    # The flags of tests/cluster.
    (cd "$here/controllers/$2" && nice -n 5 go build -trimpath -gcflags=all=-dwarf=false -ldflags '-s -w' -o "$bin/$1" "$3")
    echo "$sum" >"$bin/.$1.sources"
  fi
}
# Its definitions are wanted, not its program.
(cd "$here/controllers/flux" && go mod download github.com/fluxcd/source-controller@v1.9.4)
build kustomize-controller flux github.com/fluxcd/kustomize-controller
build argocd argocd .
