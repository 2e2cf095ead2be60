#!/bin/bash
# Tests the test clusters, then what the chart makes a real API server ask people for: sets the machine up where needed, then
# runs both, one after the other, because the suite looks at the whole machine. Arguments go to `go test`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
"$here/setup.sh"
"$here/images/build.sh" probe >/dev/null
cd "$here"
# The flags of setup.sh, so that the compiled packages are shared. Vet would analyse all of Kubernetes first.
CGO_ENABLED=0 GOGC=off GOMEMLIMIT=2GiB exec go test -trimpath -gcflags=all=-dwarf=false -count=1 -v -vet=off -timeout 60m -p 1 "$@" ./internal/cluster ./suite ./policies
