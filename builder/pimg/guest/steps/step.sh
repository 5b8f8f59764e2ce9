# shellcheck shell=bash
# What the steps of the first boot share; a step sources it under `set -euo pipefail` and ends with `step_run`. A
# step may be cut at any instruction, by a mains plug for example, and is then run again from its beginning.
# A command that is handed to `step_retry` or `step_until` runs without `set -e`, as bash tests its status.

# The clock of a node without a battery is wrong until the network tells it, HOME is unset in a system service.
export HOME=/root LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

: "${step_lib:=/usr/lib/pimg}" "${step_state:=/var/lib/pimg}" "${step_logs:=/var/log/pimg}" "${step_live:=/run/pimg}"
: "${step_conf:=/etc/pimg}" "${step_rtc:=/sys/class/rtc/rtc0/since_epoch}" "${step_epoch:=/usr/lib/clock-epoch}"
export step_lib step_state step_logs step_live step_conf
step_name=${0##*/} # `step_run` says it again

# shellcheck source=step-needs.sh
. "${BASH_SOURCE[0]%/*}/step-needs.sh"
# shellcheck source=step-run.sh
. "${BASH_SOURCE[0]%/*}/step-run.sh"

# to stderr, as a function's output may be what its caller asked for
step_say() { printf 'pimg: %s\n' "$*" >&2; }
# step_die TEXT: this attempt failed for the reason TEXT, the next may work. step_stop TEXT: no attempt can work before
# a person does what TEXT says; tried again at the next boot.
step_die() { step_say "$*"; step_set retrying "$*"; exit 1; }
step_stop() { step_say "$*"; step_set failed "$*"; exit 78; }

# step_retry TIMES SECONDS COMMAND...: until it works, with a pause in between; its last status if it never does.
step_retry() {
  local left=$1 pause=$2 status=0
  shift 2
  while status=0; "$@" || status=$?; [ "$status" != 0 ]; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return "$status"
    step_say "\`$1\` ended with status $status, again in $pause s"
    sleep "$pause"
  done
}

# step_until SECONDS TEXT COMMAND...: asks COMMAND again and again, for ever; the status says that the step waits for TEXT.
step_until() {
  local pause=$1 text=$2
  shift 2
  if "$@"; then return; fi
  step_say "waiting: $text"
  step_set waiting "$text"
  until sleep "$pause"; "$@"; do :; done
  step_say "no longer waiting: $text"
  step_set running ''
}

# step_enable UNIT...: at every boot from now on. What is enabled already is left alone: after each change systemd reads all of
# its units again, which takes longer than most of what a step does.
step_enable() {
  local unit off=()
  for unit; do systemctl --quiet is-enabled "$unit" || off+=("$unit"); done
  [ ${#off[@]} = 0 ] || systemctl enable "${off[@]}"
}

# step_commit FILE [MODE]: everything written so far is on the disk before FILE is, and FILE is there whole or not at all.
step_commit() {
  mkdir -p "${1%/*}"
  sync -f "${1%/*}"
  # nobody may read the file before it has its mode
  (umask 077 && cat >"$1.new")
  chmod "${2:-0644}" "$1.new"
  sync "$1.new"
  mv "$1.new" "$1"
  sync "${1%/*}"
}

# step_secret NAME: the path of its file, or status 1 where there is none.
step_secret() { [ -s "$step_state/secrets/$1" ] && printf '%s\n' "$step_state/secrets/$1"; }

# step_forget NAME...: overwritten first, though a card that levels wear may keep the old blocks; gone is gone for `cat`.
step_forget() {
  local name file
  for name; do
    file=$step_state/secrets/$name
    [ -e "$file" ] || continue
    shred -u -n 1 "$file"
  done
  if [ -d "$step_state/secrets" ]; then sync -f "$step_state/secrets"; fi
}

# `set -e` and signals end a step, too: the status has to say so.
trap 'step_ended $?' EXIT
