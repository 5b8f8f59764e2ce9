# shellcheck shell=bash
# How a step runs, once, and what the status is told about it. Sourced by step.sh.
# shellcheck disable=SC2154 # step.sh sets where everything is

# step_set STATE MESSAGE: what the status says of this step from now on. Never a reason to fail: a card may be full.
step_set() {
  local state='' since='' before='' message file=$step_state/state/$step_name spare=$step_live/state/$step_name
  message=$2
  # ends with 1 where it left out what is not UTF-8
  case $message in *[!\ -~]*) message=$(printf '%s' "$2" | iconv -c -f UTF-8 -t UTF-8) || [ $? = 1 ] ;; esac
  message=${message//[[:cntrl:]]/ }
  message=${message:0:300}
  [ ! -e "$spare" ] || file=$spare
  if [ -s "$file" ]; then IFS=$'\t' read -r state since before <"$file" || state=''; fi
  [ "$state" != "$1" ] || [ "$before" != "$message" ] || return 0
  [ "$state" = "$1" ] || since=$EPOCHSECONDS
  step_note "$step_state/state" "$since" "$1" "$message" || step_note "$step_live/state" "$since" "$1" "$message" ||
    step_say "the state \`$1\` could not be written"
  [ ! -x "$step_lib/status" ] || timeout 60 "$step_lib/status" step "$step_name" ||
    step_say 'the status could not be written'
}

# step_note DIRECTORY SINCE STATE MESSAGE: a line that has reached the card is not worth a flush, only being whole.
step_note() {
  [ -d "$1" ] || mkdir -p "$1" || return
  printf '%s\t%s\t%s\n' "$3" "$2" "$4" 2>/dev/null >"$1/$step_name.new" && mv "$1/$step_name.new" "$1/$step_name" || return
  [ "$1" = "$step_live/state" ] || [ ! -e "$step_live/state/$step_name" ] || rm -f "$step_live/state/$step_name"
}

# step_ended STATUS: at the end of the script. Who ends without a reason gets the last line of its output for one.
step_ended() {
  local state='' reason='' room file=$step_state/state/$step_name
  [ "$1" != 0 ] || return 0
  [ ! -e "$step_live/state/$step_name" ] || file=$step_live/state/$step_name
  if [ -s "$file" ]; then IFS=$'\t' read -r state _ <"$file" || state=''; fi
  case $state in retrying | failed) return 0 ;; esac
  room=$(df --output=avail -BM "$step_state" | tail -n 1 | tr -dc 0-9) || room=''
  if [ "${room:-99}" -lt 4 ] || step_had_no_room; then
    reason="the card is full, ${room:-no} MiB are left: make room, or flash a larger one"
  elif [ "$1" -gt 128 ]; then
    reason="was interrupted by signal $(($1 - 128))"
  elif [ -n "$state" ] && [ -s "$step_logs/$step_name.log" ]; then
    reason=$(tail -n 1 "$step_logs/$step_name.log") || reason=''
  fi
  reason=${reason#pimg: }
  if [ "$1" = 78 ]; then state=failed; else state=retrying; fi
  step_set "$state" "${reason:-ended with status $1}"
}

# Whether something said so in this attempt: what dpkg could not unpack it has removed again, so there may be room now.
step_had_no_room() {
  awk '/^pimg: step .* begins$/ { full = 0 } /No space left on device/ { full = 1 } END { exit !full }' "$step_logs/$step_name.log" 2>/dev/null
}

# step_reboot_needed: the node is to be restarted once this step is stamped. Forgotten with /run, if it restarts before.
step_reboot_needed() { mkdir -p "$step_live" && : >"$step_live/reboot.$step_name"; }

# Whether another step is at work: a restart would cut it short, which it survives, but not for nothing.
step_idle() {
  local name state
  while IFS=$'\t' read -r name _; do
    if [ "$name" = "$step_name" ] || [ ! -s "$step_state/state/$name" ]; then continue; fi
    IFS=$'\t' read -r state _ <"$step_state/state/$name" || continue
    [ "$state" != running ] || [ "$(systemctl show -p SubState --value "pimg-$name.service")" != start ] || return 1
  done <"$step_lib/steps.tsv"
}
step_restart() {
  step_set 'done' 'the node restarts as soon as no other step is at work'
  until step_idle; do sleep 5; done
  step_set 'done' 'the node restarts'
  sync
  # what comes after this step must not run before the restart: this never returns
  while :; do systemctl reboot || step_say 'the restart was refused'; sleep 60; done
}

# step_run NAME APPLY VERIFY: once, with its output in the journal and in a file, as the journal may not outlive a boot.
step_run() {
  local log=$step_logs/$1.log row after=- needs=- reboot=no status
  step_name=$1
  [ ! -e "$step_state/done/$1" ] || return 0
  if [ -e "$step_lib/steps.tsv" ] && row=$(grep -m 1 "^$1"$'\t' "$step_lib/steps.tsv"); then
    IFS=$'\t' read -r _ _ after needs reboot <<<"$row"
  fi
  [ -d "$step_logs" ] || mkdir -p "$step_logs"
  # a step that fails for weeks must not fill the card
  if [ -s "$log" ] && [ "$(stat -c %s "$log")" -gt 1048576 ]; then mv "$log" "$log.1"; fi
  step_needs "$after" "$needs"
  step_set running ''
  # a pipeline, so that the last words are in the file before this ends; `set -e` is in force inside, as nothing tests it
  set +e
  (set -e; step_say "step $1 begins"; "$2"; "$3"; step_say "step $1 is done") 2>&1 | tee -a "$log"
  status=${PIPESTATUS[0]}
  set -e
  [ "$status" = 0 ] || exit "$status"
  date -u +%FT%TZ | step_commit "$step_state/done/$1"
  if [ "$reboot" = yes ] || [ -e "$step_live/reboot.$1" ]; then step_restart; fi
  step_set 'done' ''
}
