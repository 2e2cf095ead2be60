#!/bin/bash
# Builds one container image from a Dockerfile, without a registry and without a daemon.
#
#   build-image.sh --tag localhost/NAME:VERSION --dockerfile FILE [--context DIR] [--out FILE.tar] [-- BUILDAH-OPTION...]
#   build-image.sh --base      only sees to it that the base image is there
#
# Writes an image archive (default .cache/images/NAME_VERSION.tar) that `testcluster load` imports, and prints its path.
# A Dockerfile may start FROM scratch, FROM debian:bookworm-slim (made here from Debian's packages) or from any image
# that was built here before. Layers are cached, so a build in which nothing changed takes about a second.
#
# This file may only touch .cache/images.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
images=${TESTCLUSTER_IMAGES:-$root/.cache/images}

die() { echo "build-image: $*" >&2; exit 1; }

tag='' dockerfile='' context='' out='' base_only=
while [ $# -gt 0 ]; do
  case $1 in
    --tag) tag=$2; shift 2 ;;
    --dockerfile) dockerfile=$2; shift 2 ;;
    --context) context=$2; shift 2 ;;
    --out) out=$2; shift 2 ;;
    --base) base_only=1; shift ;;
    --) shift; break ;;
    *) die "unknown option $1" ;;
  esac
done
if [ -z "$base_only" ]; then
  [ -n "$tag" ] && [ -n "$dockerfile" ] || die "--tag and --dockerfile are needed"
  [ -r "$dockerfile" ] || die "cannot read $dockerfile"
fi
context=${context:-$(dirname "$dockerfile")}
if [ -z "$out" ]; then
  file=${tag##*/}
  out=$images/${file/:/_}.tar
fi
mkdir -p "$images/apt/partial" "$(dirname "$out")"
# Two builds at once would both make the base image; they also share the storage's short-lived working containers.
exec 9>"$images/.lock"
flock 9

# The storage lives in the cache so that nothing of the machine's own buildah or podman is touched.
buildah() { command buildah --root "$images/storage" --runroot "$images/run" --storage-driver overlay "$@"; }

base=docker.io/library/debian:bookworm-slim
if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
  rootfs=$images/debian-bookworm.tar
  if [ ! -s "$rootfs" ]; then
    echo "build-image: making the Debian base image (once, about a minute)" >&2
    mmdebstrap --quiet --format=tar --variant=minbase \
      --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
      --aptopt='Dir::Cache::pkgcache ""' --aptopt='Dir::Cache::srcpkgcache ""' --aptopt='APT::Install-Recommends "false"' \
      --aptopt='Acquire::Languages "none"' bookworm "$rootfs.partial" >&2
    mv "$rootfs.partial" "$rootfs"
  fi
  work=$(buildah from scratch)
  buildah add --quiet "$work" "$rootfs" / >/dev/null
  buildah config --cmd bash --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$work"
  buildah commit --quiet --rm "$work" "$base" >/dev/null
  rm -f "$rootfs"
fi
[ -z "$base_only" ] || exit 0

# --isolation chroot needs no runtime and no network set-up of its own. The downloaded packages lie outside the layers.
# --timestamp would make layers reproducible but costs the cache, so the digest changes whenever a layer is rebuilt.
if ! buildah build --layers --isolation chroot --pull-never --format oci \
  --volume "$images/apt:/var/cache/apt/archives:rw" "$@" --iidfile "$images/.id" --tag "$tag" --file "$dockerfile" "$context" \
  >"$images/.log" 2>&1; then
  tail -n 40 "$images/.log" >&2
  die "building $tag failed; the whole log is in $images/.log"
fi
id=$(cat "$images/.id")
if [ -s "$out" ] && [ "$(cat "$out.id" 2>/dev/null)" = "$id" ]; then
  echo "$out"
  exit 0
fi
rm -f "$out.partial" "$out.id"
# docker-archive, because that writer leaves layers uncompressed, and unpacking is what the start of a cluster waits for.
buildah push --quiet "$id" "docker-archive:$out.partial:$tag"
mv "$out.partial" "$out"
echo "$id" >"$out.id"
echo "$out"
