#!/bin/bash
# Makes a fresh Debian 12 machine able to run test clusters: packages, the cluster program, kubectl, Helm and the images.
# Does only what is missing, so a second run takes about a second. Run as root.
#
#   setup.sh [--no-metadb-images]
#
# Everything that is built lies in .cache/ of the project; Go's own caches stay where they are.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=$root/.cache/bin
kubernetes=1.35.4
helm=4.3.1

[ "$(id -u)" = 0 ] || { echo "setup: must run as root" >&2; exit 1; }
command -v go >/dev/null || { echo "setup: Go 1.26 or newer is needed in PATH" >&2; exit 1; }
mkdir -p "$bin"
# Two set-ups at once would build everything twice.
exec 9>"$bin/.setup.lock"
flock 9

# command (or file) that proves a package is installed, and the package
need=(
  containerd:containerd runc:runc /usr/lib/cni/ptp:containernetworking-plugins nft:nftables ip:iproute2
  mmdebstrap:mmdebstrap buildah:buildah flock:util-linux
)
missing=()
for pair in "${need[@]}"; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
python3 -c 'import pip' 2>/dev/null || missing+=(python3 python3-pip)
if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: installing ${missing[*]}" >&2
  apt-get update -qq
  # Services that packages bring must not start: the clusters start their own containerd.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

# build STAMP SOURCE... -- COMMAND...: runs the command unless the sources are the ones of the last success
build() {
  local name=$1 stamp=$bin/.$1.sources sources=() digest
  shift
  while [ "$1" != -- ]; do sources+=("$1"); shift; done
  shift
  digest=$({ go version; find "${sources[@]}" -type f -print0 | sort -z | xargs -0 sha256sum; echo "$*"; } | sha256sum)
  [ "$(cat "$stamp" 2>/dev/null)" = "$digest" ] && return
  echo "setup: building $name" >&2
  rm -f "$stamp"
  "$@"
  echo "$digest" >"$stamp"
}

# Static and without paths: the result depends on the sources alone.
export CGO_ENABLED=0
version=k8s.io/component-base/version
cd "$here"
build pause pause -- go build -trimpath -ldflags '-s -w' -o "$bin/pause" ./pause
build testcluster go.mod go.sum main.go internal -- go build -trimpath -ldflags \
  "-s -w -X $version.gitVersion=v$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=35" -o "$bin/testcluster.new" .
# Replaced by renaming: clusters that run keep the program they were started with.
[ ! -e "$bin/testcluster.new" ] || mv "$bin/testcluster.new" "$bin/testcluster"
ln -sfn testcluster "$bin/kubectl"
if [ ! -x "$bin/helm" ] || [ "$(cat "$bin/.helm.version" 2>/dev/null)" != "$helm" ]; then
  echo "setup: building helm" >&2
  GOBIN=$bin GOFLAGS=-trimpath go install -ldflags '-s -w' "helm.sh/helm/v4/cmd/helm@v$helm"
  echo "$helm" >"$bin/.helm.version"
fi

"$here/images/build.sh" pause >/dev/null
[ "${1:-}" = --no-metadb-images ] || "$here/images/build.sh" seekdb mariadb >/dev/null
