# Runs docker_init.sh itself, once per attempt, in whatever session it was started.
# Arguments: folder of the attempt, program, process id of the runner, umask of the program.
set -u
umask 077
dir=$1 program=$2 runner=$3 mask=$4
unset OMS_OPERATOR_WORKER OMS_OPERATOR_DIR OMS_OPERATOR_PROGRAM OMS_OPERATOR_RUNNER OMS_OPERATOR_MASK
mkdir -- "$dir/work" 2>/dev/null || exit 0
# A terminal is a session of its own: whoever asks whether something is at work looks for that one, too.
read -r line < /proc/$$/stat; fields=(${line##*) })
printf '%s\n' "${fields[3]}" > "$dir/session.part"
sync "$dir/session.part"
mv -f "$dir/session.part" "$dir/session"
# Without its runner the attempt may have been called vanished before the session was written.
kill -0 "$runner" 2>/dev/null || exit 0
(umask "$mask" && exec bash "$program") < /dev/null
code=$?
# A full volume takes no number: better none than an empty one.
printf '%s\n' "$code" > "$dir/code.part" && sync "$dir/code.part" && mv -f "$dir/code.part" "$dir/code"
