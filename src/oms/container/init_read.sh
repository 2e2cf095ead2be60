# Prints one line about an attempt to run docker_init.sh and, while there is no completion text in its log, the last lines
# of it. Changes nothing.
# Arguments: record folder, attempt, OMS's configuration, completion texts.
set -u
dir=$1/$2 logs=${1%/}
logs=${logs%/*}
config=$3
shift 3
now=$(date +%s)
escape=$'\033' wide_space=$'\343\200\200' fixed_space=$'\302\240'
# Without colours.
plain() { LC_ALL=C sed -e "s/$escape\\[[0-9;?]*[ -\\/]*[@-~]//g" -e "s/$escape[()][0-9A-B]//g"; }
# Without what may differ in texts that say the same: colours, width of brackets, spaces.
fold() {
  plain | LC_ALL=C sed -e 's/【/[/g; s/】/]/g; s/［/[/g; s/］/]/g' -e "s/$wide_space//g; s/$fixed_space//g; s/[[:space:]]//g"
}
texts=$(printf '%s\n' "$@" | fold)
tells_completion() { fold < "$1" | LC_ALL=C grep -qaF -- "$texts"; }
# docker_init.sh keeps a log of its own, too; only one that was not there before counts.
list_logs() {
  printf '%s\n' "$dir/log"
  [ -e "$dir/started" ] || return
  for own in "$logs"/docker_init.log.*; do
    [ "$own" -nt "$dir/started" ] || continue
    grep -qxF -- "$own" "$dir/before" 2>/dev/null || printf '%s\n' "$own"
  done
}
# The end of the log, for people. Lines that may hold a password are left out: the passwords of the configuration
# by their value, all others by the words around them.
list_passwords() {
  sed -n 's/^[[:space:]]*[A-Za-z_]*[Pp]assword[A-Za-z_]*[[:space:]]*:[[:space:]]*//p' "$config" 2>/dev/null |
    # With and without what may be a comment after it, and with and without quotes.
    sed -e 's/[[:space:]]*$//' -e 'p; s/[[:space:]][[:space:]]*#.*//' |
    sed -e "s/^[\"']\(.*\)[\"']\$/\1/" | grep .
}
# Of a line that is still being written nobody knows yet whether it holds one.
whole_lines() { while IFS= read -r line; do printf '%s\n' "$line"; done; [ "$1" != exited ] || printf '%s\n' "$line"; }
show_end() {
  list_logs | while read -r log; do
    [ -s "$log" ] || continue
    tail -n 200 "$log" | whole_lines "$1" | plain | tr '\r' '\n' | LC_ALL=C grep -a '[^[:space:]]' |
      LC_ALL=C grep -aviE 'passw|pwd|密码|口令|secret|token|credential|(private|access).?key|authorization|bearer|identified|(^|[[:space:]])-p[^[:space:]]|://[^/[:space:]]*@' |
      LC_ALL=C grep -avF -f <(list_passwords) | tail -n 10 | LC_ALL=C cut -b 1-300
    break
  done
}
# The last headings of its steps, for whoever reads their numbers: [Step 4], 【步骤四】.
list_steps() {
  list_logs | while read -r log; do
    [ -s "$log" ] && fold < "$log" | LC_ALL=C grep -aoE $'(Step|步骤)[0-9\200-\377]{1,9}[]:]?'
  done | tail -n 4 | tr '\n' ,
}
report() {
  local seen=0 lines=0 age=0 quiet=0
  if [ -e "$dir/log" ]; then
    lines=$(wc -l < "$dir/log")
    quiet=$((now - $(stat -c %Y "$dir/log")))
    while read -r log; do
      tells_completion "$log" && seen=1
    done < <(list_logs)
  fi
  [ -e "$dir/started" ] && age=$((now - $(stat -c %Y "$dir/started")))
  echo "init=$1 exit=$2 banner=$seen lines=$lines age=$age quiet=$quiet step=$(list_steps)"
  [ $seen = 1 ] || show_end "$1"
  exit 0
}
[ -d "$dir" ] || { echo "init=absent exit=- banner=0 lines=0 age=0 quiet=0"; exit 0; }
# An empty file is what a full volume leaves: it says nothing.
if [ -s "$dir/exit" ]; then
  read -r code < "$dir/exit"
  report exited "$code"
fi
if [ ! -e "$dir/started" ]; then
  # Claimed, but not begun: normal for a moment, a crash of the starter when it lasts.
  [ $((now - $(stat -c %Y "$dir"))) -lt 30 ] && report starting -
  report vanished -
fi
read -r pid born cradle boot < "$dir/started"
session=$pid
[ -e "$dir/session" ] && read -r session < "$dir/session"
read -r line < /proc/1/stat; fields=(${line##*) }); here=${fields[19]}
read -r boot_here < /proc/sys/kernel/random/boot_id
if [ "$cradle" = "$here" ] && [ "$boot" = "$boot_here" ]; then
  for stat in /proc/[0-9]*/stat; do
    read -r line 2>/dev/null < "$stat" || continue
    fields=(${line##*) })
    # Dead, and not yet taken note of by process 1, is not at work.
    [ "${fields[0]:-}" = Z ] && continue
    # Session of the runner or of docker_init.sh, which may outlive its runner and is then still at work.
    case ${fields[3]:-} in "$pid" | "$session") report running - ;; esac
  done
fi
# It may have ended between the first look and this one; or its runner was killed, and it ended nevertheless.
for end in exit code; do
  [ -s "$dir/$end" ] || continue
  read -r code < "$dir/$end"
  report exited "$code"
done
report vanished -
