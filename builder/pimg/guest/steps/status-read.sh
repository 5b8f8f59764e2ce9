# shellcheck shell=bash
# What the status knows: where each step stands, and what all of them together amount to. Sourced by status.
# shellcheck disable=SC2154,SC2034 # status says where everything is, and reads what is set here

# Where a step stands. A stamp is what counts; the rest is what the step said last, which a power cut may have torn.
read_step() {
  local name=$1 after=$2 file state='' at='' message='' other others left=''
  file=$step_state/state/$name
  [ ! -s "$step_live/state/$name" ] || file=$step_live/state/$name
  # a line without its end is told by the status of `read`, and taken
  [ ! -s "$file" ] || IFS=$'\t' read -r state at message <"$file" || [ -n "$state" ]
  case $at in '' | *[!0-9]*) at='' state='' ;; esac
  if [ -e "$step_state/done/$name" ]; then
    [ "$state" = 'done' ] || { at=$(stat -c %Y "$step_state/done/$name"); message=''; }
    state='done'
  else
    case $state in running | waiting | retrying | failed) ;; *) state=pending at='' message='' ;; esac
  fi
  # ends with 1 where it left out what is not UTF-8
  case $message in *[!\ -~]*) message=$(printf '%s' "$message" | iconv -c -f UTF-8 -t UTF-8) || [ $? = 1 ] ;; esac
  if [ "$state" = pending ] && [ "$after" != - ]; then
    IFS=, read -ra others <<<"$after"
    for other in "${others[@]}"; do [ -e "$step_state/done/$other" ] || left+=", $other"; done
    [ -z "$left" ] || message="after ${left#, }"
  fi
  states+=("$state") since+=("$at") messages+=("$message")
}
read_all() {
  local name description after
  # shellcheck source=/dev/null
  if [ -r "$step_conf/node.conf" ]; then . "$step_conf/node.conf"; fi
  if [ -s "$step_state/boots" ]; then read -r boots _ <"$step_state/boots" || say 'the count of boots is torn'; fi
  case $boots in '' | *[!0-9]*) boots=0 ;; esac
  while IFS=$'\t' read -r name description after _; do
    names+=("$name") descriptions+=("$description")
    read_step "$name" "$after"
  done <"$step_lib/steps.tsv"
  [ -n "$node_address" ] || node_address=$(first_address)
}

# What all steps together amount to: `node_state`, and `sentence` for a person.
overall() {
  local at finished=0 waiting=0 running=0 failed=0 total=${#names[@]}
  for at in "${!names[@]}"; do
    case ${states[at]} in
      'done') finished=$((finished + 1)) ;;
      running) running=$((running + 1)) ;;
      waiting | retrying) waiting=$((waiting + 1)) ;;
      failed) failed=$((failed + 1)) ;;
    esac
  done
  sentence="$finished of $total steps are done"
  if [ "$finished" = "$total" ]; then
    node_state=finished sentence="The node is finished: all $total steps are done."
  elif [ "$failed" != 0 ]; then
    node_state=failed sentence="The node needs you: $failed of its $total steps cannot go on alone; $finished are done."
  elif [ "$running" = 0 ] && [ "$waiting" != 0 ]; then
    node_state=waiting sentence="The node waits for something outside: $sentence."
  else
    node_state=working sentence="The node sets itself up: $sentence."
  fi
  url=''
  for at in "${!names[@]}"; do
    if [ "${names[at]}" = pve-services ] && [ -n "$node_address" ]; then url=https://$node_address:8006; fi
  done
}

first_address() {
  local address
  address=$(ip -o -4 address show up scope global | awk '{ sub("/.*", "", $4); print $4; exit }') || address=''
  printf '%s' "$address"
}
