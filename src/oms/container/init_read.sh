# Prints one line about an attempt to run docker_init.sh. Changes nothing.
# Arguments: record folder, attempt, completion text.
set -u
dir=$1/$2 banner=$3
now=$(date +%s)
report() {
  local seen=0 lines=0 age=0 quiet=0 since
  if [ -e "$dir/log" ]; then
    grep -qF -- "$banner" "$dir/log" && seen=1
    lines=$(wc -l < "$dir/log")
    quiet=$((now - $(stat -c %Y "$dir/log")))
  fi
  # docker_init.sh keeps a log of its own, too; only one younger than the start counts.
  if [ -e "$dir/started" ]; then
    since=$(stat -c %Y "$dir/started")
    age=$((now - since))
    for own in "${1%/}"/docker_init.log.*; do
      [ "$own" -nt "$dir/started" ] && grep -qF -- "$banner" "$own" && seen=1
    done
  fi
  echo "init=$2 exit=$3 banner=$seen lines=$lines age=$age quiet=$quiet"
  exit 0
}
logs=${1%/*}
[ -d "$dir" ] || { echo "init=absent exit=- banner=0 lines=0 age=0 quiet=0"; exit 0; }
if [ -e "$dir/exit" ]; then
  read -r code < "$dir/exit"
  report "$logs" exited "$code"
fi
if [ ! -e "$dir/started" ]; then
  # Claimed, but not begun: normal for a moment, a crash of the starter when it lasts.
  [ $((now - $(stat -c %Y "$dir"))) -lt 30 ] && report "$logs" starting -
  report "$logs" vanished -
fi
read -r pid born cradle boot < "$dir/started"
read -r line < /proc/1/stat; fields=(${line##*) }); here=${fields[19]}
read -r boot_here < /proc/sys/kernel/random/boot_id
if [ "$cradle" = "$here" ] && [ "$boot" = "$boot_here" ]; then
  for stat in /proc/[0-9]*/stat; do
    read -r line 2>/dev/null < "$stat" || continue
    fields=(${line##*) })
    # Session of the runner: docker_init.sh may outlive its runner, and is then still at work.
    [ "${fields[3]:-}" = "$pid" ] && report "$logs" running -
  done
fi
# It may have ended between the first look and this one.
if [ -e "$dir/exit" ]; then
  read -r code < "$dir/exit"
  report "$logs" exited "$code"
fi
report "$logs" vanished -
