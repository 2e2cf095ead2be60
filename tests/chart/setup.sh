#!/bin/bash
# Provides promtool, which judges the alerts: out of Debian's package prometheus, of which nothing is installed.
#
# Can be run again at any time. May touch: .cache/promtool.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
home=$root/.cache/promtool
[ ! -x "$home/promtool" ] || exit 0
partial=$(mktemp -d "$root/.cache/promtool-partial.XXXXXX")
trap 'rm -rf "$partial"' EXIT
# apt's own account for downloads, when root works with one, writes here.
chmod 0755 "$partial"
cd "$partial"
apt-get download -qq prometheus 2>/dev/null || { apt-get update -qq && apt-get download -qq prometheus; }
dpkg-deb --fsys-tarfile ./prometheus_*.deb | tar -x ./usr/bin/promtool
mkdir -p "$home"
mv usr/bin/promtool "$home/promtool"
