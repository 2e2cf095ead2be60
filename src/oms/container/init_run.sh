# Runs docker_init.sh and leaves a record. Arguments: folder of the attempt, program.
set -u
umask 077
dir=$1 program=$2
# Process id and start time name this process even after ids are used again; boot id and the start
# time of process 1 tell whether it is still the same container.
read -r line < /proc/$$/stat; fields=(${line##*) }); born=${fields[19]}
read -r line < /proc/1/stat; fields=(${line##*) }); cradle=${fields[19]}
read -r boot < /proc/sys/kernel/random/boot_id
: > "$dir/log"
printf '%s %s %s %s\n' "$$" "$born" "$cradle" "$boot" > "$dir/started.part"
sync "$dir/started.part"
mv -f "$dir/started.part" "$dir/started"
sync "$dir"
bash "$program" >> "$dir/log" 2>&1 < /dev/null
code=$?
printf '%s\n' "$code" > "$dir/exit.part"
sync "$dir/exit.part" "$dir/log"
mv -f "$dir/exit.part" "$dir/exit"
sync "$dir"
