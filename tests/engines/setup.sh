#!/bin/bash
# Provides the database servers for the tests: MariaDB from Debian, seekdb (OceanBase's engine) from its Python wheel,
# MySQL and a newer MariaDB from other releases of Debian, beside the system.
#
#   setup.sh [PART...]      mariadb, seekdb, mysql, mariadb-11; without a word the first two
#
# Can be run again at any time; what is there is not fetched again. Everything but Debian's own MariaDB goes to .cache/ of
# this project: nothing of another release gets into the system.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cache=$root/.cache
readonly seekdb_version=1.4.0.post1
readonly wheel_sha256=7c1c1e13148189af1332f69b896a818b674db3a4615c7caf1c9db05055738ad6
# The series is pinned, not the build: mirrors keep one build of a series and drop the one before.
readonly mysql_series=9.7 mysql_release=sid
readonly mariadb_series=11.8 mariadb_release=trixie

mkdir -p "$cache"
partial=$(mktemp -d "$cache/engine-partial.XXXXXX")
trap 'rm -rf "$partial"' EXIT

provide_seekdb() {
  local seekdb=$cache/seekdb-$seekdb_version
  [ ! -x "$seekdb/seekdb" ] || return 0
  python3 -m pip -q download --disable-pip-version-check --no-deps --only-binary=:all: --implementation cp \
    --python-version 3.11 --platform manylinux_2_28_x86_64 -d "$partial" "pylibseekdb==$seekdb_version"
  echo "$wheel_sha256  $(ls "$partial"/*.whl)" | sha256sum --check --quiet
  # Only the program and the library beside it are needed; Python packages are not installed.
  python3 -m zipfile -e "$partial"/*.whl "$partial/wheel"
  # Files from a zip archive lack their x bit.
  chmod 0755 "$partial/wheel/pylibseekdb/seekdb"
  mkdir "$partial/seekdb"
  mv "$partial/wheel/pylibseekdb/seekdb" "$partial/wheel/pylibseekdb/libaio.so.1" "$partial/seekdb/"
  mv -T "$partial/seekdb" "$seekdb" 2>/dev/null || [ -x "$seekdb/seekdb" ]
}

# provide_foreign NAME RELEASE PACKAGES PROGRAM...: programs of another release of Debian, with that release's libraries
#
# Packages are unpacked, not installed: none of their scripts runs. Each program becomes a few lines of shell that start it with
# the loader and the libraries beside it, so it needs no chroot and no root, and sees the files of this machine. The function
# init_NAME makes an empty data directory, of which each server gets a copy.
provide_foreign() {
  local name=$1 release=$2 packages=$3 tree=$partial/$1 home=$cache/$1 program
  shift 3
  [ ! -e "$home/complete" ] || return 0
  # Two set-ups at once would download everything twice.
  exec 9>"$cache/.$name.lock"
  flock 9
  [ ! -e "$home/complete" ] || return 0
  # Signatures are checked. Their date is not: a mirror may keep a release longer than it says.
  mmdebstrap --quiet --variant=extract --format=directory --include="$packages" \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
    --aptopt='Acquire::Languages "none"' "$release" "$tree" >"$cache/$name.log" 2>&1 || {
    tail -n 20 "$cache/$name.log" >&2
    echo "engines: $packages of $release cannot be had; the whole log is in $cache/$name.log" >&2
    return 1
  }
  mkdir "$partial/kept"
  local kept=$partial/kept libraries=usr/lib/x86_64-linux-gnu
  mkdir -p "$kept/usr/bin" "$kept/usr/sbin" "$kept/usr/share"
  mv "$tree/usr/lib" "$kept/usr/lib"
  rm -rf "$kept/$libraries/perl"* "$kept/usr/lib/gcc" "$kept/usr/lib/systemd"
  find "$tree/usr/share" -maxdepth 1 \( -name 'mysql*' -o -name mariadb \) -exec mv -t "$kept/usr/share" {} +
  for program; do
    mv "$tree/usr/$program" "$kept/usr/$program"
    if [ "$(head -c 4 "$kept/usr/$program")" = $'\x7fELF' ]; then
      mv "$kept/usr/$program" "$kept/usr/$program.elf"
      printf '#!/bin/sh\nhere=${0%%/usr/*}\nexec "$here/%s/ld-linux-x86-64.so.2" --library-path "$here/%s:$here/%s" "$0.elf" "$@"\n' \
        $libraries $libraries usr/lib/mysql/private >"$kept/usr/$program"
      chmod 0755 "$kept/usr/$program"
    fi
  done
  "init_${name%-*}" "$kept" >>"$cache/$name.log" 2>&1 || {
    tail -n 20 "$cache/$name.log" >&2
    echo "engines: no data directory of $name; the whole log is in $cache/$name.log" >&2
    return 1
  }
  "$kept/usr/$1" --version >"$kept/complete"
  rm -rf "$home"
  mv -T "$kept" "$home"
}

init_mysql() {
  # Reached by TCP, where names are not resolved.
  echo "CREATE USER 'root'@'127.0.0.1'; GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;" >"$1/accounts.sql"
  "$1/usr/sbin/mysqld" --no-defaults --user=root --initialize-insecure --init-file="$1/accounts.sql" --datadir="$1/data" \
    --basedir="$1/usr" --lc-messages-dir="$1/usr/share/mysql" --secure-file-priv=NULL
}

init_mariadb() {
  "$1/usr/bin/mariadb-install-db" --no-defaults --user=root --auth-root-authentication-method=normal --skip-test-db \
    --basedir="$1/usr" --datadir="$1/data" --innodb-log-file-size=8M
}

[ $# -gt 0 ] || set -- mariadb seekdb
for part; do
  case $part in
    mariadb) "$root/scripts/packages.sh" --tests ;;
    seekdb) provide_seekdb ;;
    mysql)
      provide_foreign "mysql-$mysql_series" $mysql_release \
        "mysql-server-core=$mysql_series.*,mysql-client-core=$mysql_series.*" sbin/mysqld bin/mysqldump ;;
    mariadb-11)
      provide_foreign "mariadb-$mariadb_series" $mariadb_release \
        "mariadb-server-core=1:$mariadb_series.*,mariadb-client=1:$mariadb_series.*" \
        sbin/mariadbd bin/mariadb-dump bin/my_print_defaults bin/resolveip bin/mariadb-install-db ;;
    *) echo "engines: no part $part" >&2; exit 2 ;;
  esac
done
