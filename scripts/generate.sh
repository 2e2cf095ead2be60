#!/bin/bash
# Writes everything that is generated and checked in:
#
#   crds/omsupgrades.oms.oceanbase.com.yaml                     from the Rust types (`oms-operator crd`)
#   charts/oms-operator/files/omsupgrades.oms.oceanbase.com.yaml  the chart's copy of it
#   deploy/install.yaml                                         rendered from the chart
#   charts/oms-operator/README.md, values.schema.json           what values.yaml says of each value (scripts/chart_values.py)
#   docs/images                                                 the pictures of the documents (scripts/pictures.py)
#   deploy/argocd                                               Argo CD's ConfigMap, tests and test data (scripts/argocd.py)
#
#   scripts/generate.sh            writes
#   scripts/generate.sh --check    writes nothing; fails and shows the difference when a file is not up to date
#
# OMS_OPERATOR names a binary to be used instead of building one.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
crd=omsupgrades.oms.oceanbase.com.yaml
helm=$root/.cache/bin/helm
[ -x "$helm" ] || { echo "generate: no Helm in .cache/bin; run scripts/setup.sh" >&2; exit 1; }
case ${1:-} in
  '' | --check) ;;
  *) echo "generate: unknown option $1" >&2; exit 2 ;;
esac

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
mkdir -p "$fresh/crds" "$fresh/charts/oms-operator/files" "$fresh/deploy"
if [ -n "${OMS_OPERATOR:-}" ]; then
  "$OMS_OPERATOR" crd >"$fresh/crds/$crd"
else
  cargo run --quiet --locked --bin oms-operator -- crd >"$fresh/crds/$crd"
fi
cp "$fresh/crds/$crd" "$fresh/charts/oms-operator/files/$crd"

# The chart as it is, with the fresh definition in it.
cp -r charts/oms-operator "$fresh/chart"
cp "$fresh/crds/$crd" "$fresh/chart/files/$crd"
{
  cat <<'YAML'
# Rendered from charts/oms-operator by scripts/generate.sh, for those who do without Helm. Serves the namespace `oms`,
# which must exist. The operator lives in a namespace of its own, so that who may start pods in `oms` cannot use its
# account. For other namespaces or images render the chart with other values. The images are in no registry: build them, push
# them to yours, and write its name in the place of registry.example.com (docs/install.md).
apiVersion: v1
kind: Namespace
metadata:
  name: oms-operator
  labels:
    pod-security.kubernetes.io/enforce: restricted
YAML
  "$helm" template oms-operator "$fresh/chart" --namespace oms-operator --skip-tests --set 'watchNamespaces={oms}' \
    --set image.repository=registry.example.com/oms-operator --set toolsImage.repository=registry.example.com/oms-operator-tools |
    sed -e '/^ *helm.sh\/chart: /d' -e '/^ *app.kubernetes.io\/managed-by: Helm$/d'
} >"$fresh/deploy/install.yaml"

status=0
for file in "crds/$crd" "charts/oms-operator/files/$crd" deploy/install.yaml; do
  if [ "${1:-}" = --check ]; then
    diff -u "$file" "$fresh/$file" >"$fresh/diff" 2>&1 || {
      echo "generate: $file is not up to date; run scripts/generate.sh" >&2
      head -n 40 "$fresh/diff" >&2
      status=1
    }
  elif ! cmp -s "$file" "$fresh/$file"; then
    mkdir -p "$(dirname "$file")"
    cp "$fresh/$file" "$file"
    echo "wrote $file"
  fi
done
for script in scripts/chart_values.py scripts/pictures.py scripts/argocd.py; do
  "$script" "$@" || status=1
done
[ "$status" != 0 ] || [ "${1:-}" != --check ] || echo "generate: everything is up to date"
exit "$status"
