# shellcheck shell=bash
# What the status says, in words and in JSON. Sourced by status, which fills the arrays.
# shellcheck disable=SC2154 # names, descriptions, states, since, messages, node_name, node_address, node_user, boots

# member NAME TEXT: to `object`, as JSON has it.
member() {
  local text=${2//\\/\\\\}
  text=${text//\"/\\\"}
  object+="\"$1\":\"${text//[[:cntrl:]]/ }\","
}
# json: into `object`
json() {
  local at
  object='{'
  member node "$node_name"
  member address "$node_address"
  member state "$node_state"
  [ -z "$url" ] || member url "$url"
  object+="\"updated\":$EPOCHSECONDS,\"boots\":$boots,\"steps\":["
  for at in "${!names[@]}"; do
    object+=$'\n{'
    member name "${names[at]}"
    member description "${descriptions[at]}"
    member state "${states[at]}"
    member message "${messages[at]}"
    object+="\"since\":${since[at]:-null}},"
  done
  object=${object%,}$'\n]}'
}

# The steps that are neither done nor still to come: what a person at the console wants to know.
current() {
  local at
  for at in "${!names[@]}"; do
    case ${states[at]} in pending | 'done') continue ;; esac
    printf '  %s: %s%s\n' "${names[at]}" "${states[at]}" "${messages[at]:+: ${messages[at]}}"
  done
}
greeting() {
  printf '%s\n' "$sentence"
  current
  if [ "$node_state" = finished ] && [ -n "$url" ]; then printf '%s\n' "$url"; fi
}

advice() {
  case $node_state in
    failed) printf '  %s\n' 'Do what the lines marked "failed" say, then switch the node off and on again, or run' \
      '`sudo systemctl start pimg-finished.target` on it. Steps that do not depend on it go on meanwhile.' ;;
    finished) printf '  %s\n' "Nothing. ${url:+Open $url , or }log in: ssh ${node_user:+$node_user@}${node_address:-$node_name}" ;;
    waiting) printf '  %s\n' 'See to it that it gets what the lines marked "waiting" or "retrying" name; it goes on by itself.' ;;
    *) printf '  %s\n' 'Leave it switched on. It restarts by itself if it has to, and goes on after a power cut.' ;;
  esac
  [ "$node_state" = finished ] || printf '  %s\n' 'What a step did is on the node, in /var/log/pimg/STEP.log.'
}

text() {
  local at last='' when
  printf 'Node      %s\nAddress   %s\nWritten   %(%F %H:%M)T UTC, boot %s\n' \
    "$node_name" "${node_address:-none yet}" -1 "$boots"
  printf 'State     %s: %s\n\nWhat to do next\n' "$node_state" "$sentence"
  advice
  printf '\n%-9s %-17s %s\n' STATE 'SINCE (UTC)' STEP
  for at in "${!names[@]}"; do
    when=''
    [ -z "${since[at]}" ] || printf -v when '%(%F %H:%M)T' "${since[at]}"
    printf '%-9s %-17s %s (%s)\n' "${states[at]}" "$when" "${descriptions[at]}" "${names[at]}"
    [ -z "${messages[at]}" ] || printf '%27s %s\n' '' "${messages[at]}"
    if [ -n "${since[at]}" ] && [ -n "${messages[at]}" ] && [ "${since[at]}" -ge "${since[${last:-at}]}" ]; then last=$at; fi
  done
  [ -z "$last" ] || printf '\nLast word: %s: %s: %s\n' "${names[last]}" "${states[last]}" "${messages[last]}"
}

# announce_step NAME: one line for each change; one that only a person can undo is not to be overlooked.
announce_step() {
  local at
  for at in "${!names[@]}"; do
    [ "${names[at]}" = "$1" ] || continue
    announce "pimg: $1: ${states[at]}${messages[at]:+: ${messages[at]}}"
    [ "${states[at]}" = failed ] || continue
    announce "******** THE SET-UP OF \`$node_name\` HAS STOPPED, AND NEEDS YOU ********" "${messages[at]}" \
      'Then switch it off and on, or run: sudo systemctl start pimg-finished.target'
  done
}
