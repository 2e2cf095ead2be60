#!/bin/bash
# Installs the Debian packages that the project needs and this machine lacks.
#
#   scripts/packages.sh [--tests | --gitops]      --tests adds what only the tests need, --gitops what `make test-gitops` does
#
# The one place where packages are named. Does nothing when all are there. Installs into the system; root or sudo.
set -euo pipefail

wanted=(
  # gcc for the few C parts (zstd, ring); the client loads dumps.
  ca-certificates curl git gcc libc6-dev python3 python3-pip python3-yaml python3-jsonschema util-linux iproute2 procps
  mariadb-client
  # The test cluster and its images.
  containerd runc containernetworking-plugins nftables mmdebstrap buildah
)
case ${1:-} in
  '') ;;
  # jq: the documents use it, and a test follows them.
  --tests) wanted+=(mariadb-server-core jq) ;;
  # Argo CD keeps what it has rendered in Redis.
  --gitops) wanted+=(redis-server) ;;
  *) echo "packages: unknown option $1" >&2; exit 2 ;;
esac

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
# pip may come from elsewhere than Debian.
if python3 -m pip --version >/dev/null 2>&1; then
  mapfile -t missing < <(printf '%s\n' "${missing[@]}" | grep -vx python3-pip || true)
fi
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sed '/^$/d')
[ ${#missing[@]} -gt 0 ] || exit 0

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
echo "installing ${missing[*]}"
as_root apt-get update -qq
# Services that packages bring must not start: the clusters start their own containerd.
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
  as_root chmod +x /usr/sbin/policy-rc.d
  trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
fi
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
