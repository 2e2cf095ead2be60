# Starts docker_init.sh once per attempt, detached from this exec.
# Arguments: record folder, attempt, program, runner script text, worker script text.
set -u
base=$1 attempt=$2 program=$3 runner=$4 worker=$5
dir=$base/$attempt
mkdir -p -- "$base" || { echo "init=failed"; exit 10; }
# Another attempt that is still at work must not get company. Its process id means something only in
# the same container: same boot, same birth of process 1.
read -r line < /proc/1/stat; line=${line##*) }; stat1=($line); cradle_here=${stat1[19]}
read -r boot_here < /proc/sys/kernel/random/boot_id
for other in "$base"/*/; do
  [ "$other" = "$dir/" ] && continue
  [ -e "$other/started" ] && [ ! -e "$other/exit" ] || continue
  read -r pid _ cradle boot < "$other/started" || continue
  [ "$cradle" = "$cradle_here" ] && [ "$boot" = "$boot_here" ] || continue
  session=$pid
  [ -e "$other/session" ] && read -r session < "$other/session"
  for stat in /proc/[0-9]*/stat; do
    read -r line 2>/dev/null < "$stat" || continue
    fields=(${line##*) })
    # Dead, and not yet taken note of by process 1, is not at work.
    [ "${fields[0]:-}" = Z ] && continue
    case ${fields[3]:-} in "$pid" | "$session") echo "init=busy"; exit 0 ;; esac
  done
done
# mkdir is atomic: of two callers exactly one gets past this line, whatever happens afterwards.
if ! mkdir -- "$dir" 2>/dev/null; then
  [ -d "$dir" ] || { echo "init=failed"; exit 11; }
  echo "init=already"
  exit 0
fi
chmod 0700 -- "$dir"
setsid nohup bash -c "$runner" oms-operator-init "$dir" "$program" "$worker" </dev/null >/dev/null 2>&1 &
for _ in $(seq 100); do
  [ -e "$dir/started" ] && { echo "init=started"; exit 0; }
  sleep 0.05
done
echo "init=slow"
