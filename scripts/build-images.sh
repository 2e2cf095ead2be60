#!/bin/bash
# Builds the static binary and from it the images localhost/oms-operator:dev and localhost/oms-operator-tools:dev
# into .cache/images, and prints the paths of the archives.
#
#   scripts/build-images.sh [--profile PROFILE | --binary FILE] [--tag TAG]
#
# Does nothing when neither binary nor Dockerfiles changed. May touch target/ and .cache/ only.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

profile=release binary= tag=dev
while [ $# -gt 0 ]; do
  case $1 in
    --profile) profile=$2; shift 2 ;;
    --binary) binary=$2; shift 2 ;;
    --tag) tag=$2; shift 2 ;;
    *) echo "build-images: unknown option $1" >&2; exit 2 ;;
  esac
done

if [ -z "$binary" ]; then
  host=$(rustc -vV | sed -n 's/^host: //p')
  # The target is named even though it is the host's own: the flags then go to the binary only and not to build
  # scripts and macros, which cannot be static.
  RUSTFLAGS="-C target-feature=+crt-static" \
    nice -n 5 cargo build --quiet --locked --profile "$profile" --target "$host" --bin oms-operator >&2
  directory=$profile
  [ "$profile" != dev ] || directory=debug
  binary=${CARGO_TARGET_DIR:-target}/$host/$directory/oms-operator
fi
[ -x "$binary" ] || { echo "build-images: no binary at $binary" >&2; exit 1; }

images=$root/.cache/images
context=$root/.cache/image-context/$tag
mkdir -p "$images" "$context"
exec 8>"$context/.lock"
flock 8
cmp -s "$binary" "$context/oms-operator" || install -m 0755 "$binary" "$context/oms-operator"

build() { # NAME DOCKERFILE
  local archive=$images/$1_$tag.tar stamp=$images/$1_$tag.stamp sum
  sum=$(cat "$context/oms-operator" "$root/deploy/$2" | sha256sum)
  if [ ! -s "$archive" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$sum" ]; then
    rm -f "$stamp"
    tests/cluster/build-image.sh --tag "localhost/$1:$tag" --dockerfile "deploy/$2" --context "$context" \
      --out "$archive" >/dev/null
    echo "$sum" >"$stamp"
  fi
  echo "$archive"
}
build oms-operator Dockerfile
build oms-operator-tools Dockerfile.tools
