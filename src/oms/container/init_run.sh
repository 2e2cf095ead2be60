# Has docker_init.sh run and leaves a record. Arguments: folder of the attempt, program, worker script text.
set -u
mask=$(umask)
umask 077
dir=$1 program=$2 worker=$3
# Process id and start time name this process even after ids are used again; boot id and the start
# time of process 1 tell whether it is still the same container.
read -r line < /proc/$$/stat; fields=(${line##*) }); born=${fields[19]}
read -r line < /proc/1/stat; fields=(${line##*) }); cradle=${fields[19]}
read -r boot < /proc/sys/kernel/random/boot_id
printf '%s\n' "${dir%/*/*}"/docker_init.log.* > "$dir/before"
: > "$dir/log"
printf '%s %s %s %s\n' "$$" "$born" "$cradle" "$boot" > "$dir/started.part"
sync "$dir/started.part"
mv -f "$dir/started.part" "$dir/started"
sync "$dir"
# The documented text is Chinese: a Python that takes its output for ASCII would fail on it, and one that
# keeps it back loses it when it is killed.
export PYTHONIOENCODING=utf-8 PYTHONUNBUFFERED=1
# The guide has a person run it at a terminal; so it gets one where the image can give it. The command is fixed,
# what varies goes through the environment.
if command -v script >/dev/null 2>&1; then
  # Its input never ends: at an end some versions of script(1) type ^D into the log, and others do not wait for their
  # child. Nor may it have any other child, of which some versions wait for ever.
  exec {endless}<> <(:)
  OMS_OPERATOR_WORKER=$worker OMS_OPERATOR_DIR=$dir OMS_OPERATOR_PROGRAM=$program \
    OMS_OPERATOR_RUNNER=$$ OMS_OPERATOR_MASK=$mask script -qfc \
    'exec bash -c "$OMS_OPERATOR_WORKER" oms-operator-work "$OMS_OPERATOR_DIR" "$OMS_OPERATOR_PROGRAM" "$OMS_OPERATOR_RUNNER" "$OMS_OPERATOR_MASK"' \
    /dev/null <&"$endless" >> "$dir/log" 2>&1 {endless}<&- &
  terminal=$!
  looks=0
  until [ -e "$dir/code" ] || ! kill -0 "$terminal" 2>/dev/null; do
    sleep 0.2
    # One that has brought nothing to work in half a minute never will.
    [ $((looks += 1)) = 150 ] && [ ! -e "$dir/work" ] && kill -9 "$terminal"
  done
  # The last lines are on their way from the terminal to the log; some versions of script(1) never end.
  for _ in $(seq 50); do kill -0 "$terminal" 2>/dev/null || break; sleep 0.1; done
fi
# The worker works once: this one leaves again when the one at the terminal has begun.
bash -c "$worker" oms-operator-work "$dir" "$program" $$ "$mask" >> "$dir/log" 2>&1 < /dev/null
[ -s "$dir/code" ] || exit 1
cp -- "$dir/code" "$dir/exit.part" && sync "$dir/exit.part" "$dir/log" && mv -f "$dir/exit.part" "$dir/exit"
sync "$dir"
