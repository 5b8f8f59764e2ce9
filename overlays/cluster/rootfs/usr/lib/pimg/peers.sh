# shellcheck shell=bash
# What the step cluster learns from the other members, over ssh with the keys that every image carries. Sourced behind
# step.sh and cluster.conf.
# shellcheck disable=SC2034,SC2154 # cluster_members and own_link are the step's, and it reads what is set here
: "${node_name:?}" "${cluster_name:?}" "${cluster_create:=all-answer}"

# Seconds that two clocks may differ: corosync itself needs none, tickets and certificates of Proxmox VE do.
clock_limit=5
# Set by `look_around`: what to do (join or create), through whom, and why nothing can be done yet.
action='' peer='' peer_name='' reason=''

# ask ADDRESS COMMAND...: fails within seconds when nobody is there.
ask() {
  local address=$1
  shift
  ssh -n -o BatchMode=yes -o ConnectTimeout=5 -o ServerAliveInterval=5 -o ServerAliveCountMax=6 "root@$address" "$@"
}

# The file of corosync says so also while /etc/pve is not there, or has no quorum. Votes and addresses are of those online.
# shellcheck disable=SC2016 # expanded over there
question='for conf in /etc/pve/corosync.conf /etc/corosync/corosync.conf; do
  [ ! -s $conf ] || { sed -n "s/^[[:space:]]*cluster_name: */cluster /p; s/^[[:space:]]*name: */member /p" $conf; break; }
done
[ ! -s $conf ] || timeout 30 pvecm status | sed -n "s/^Quorate: */quorate /p; s/^ *0x[0-9a-f]*  *[0-9][0-9]*  *\([0-9.]*\).*/online \1/p"
echo clock $(date +%s)
echo end'

# examine NAME ADDRESS: what a member says of itself, in the variables said_*. Status 1 if it does not answer to the end.
examine() {
  local answer word value drift=0
  said_cluster='' said_quorate=No said_members=() said_online=()
  answer=$(ask "$2" "$question") && [ "${answer##*$'\n'}" = end ] || return 1
  while read -r word value; do
    case $word in
      clock) drift=$((value - EPOCHSECONDS)) ;;
      cluster) said_cluster=$value ;;
      member) said_members+=("$value") ;;
      quorate) said_quorate=$value ;;
      online) said_online+=("$value") ;;
    esac
  done <<<"$answer"
  said_drift=${drift#-}
}

# among WORD WORDS...
among() {
  local word=$1 other
  shift
  for other; do [ "$other" != "$word" ] || return 0; done
  return 1
}

# Whether the cluster of the member that was examined lets us in. Where only our own vote is missing, since this node was made
# anew or was cut off while it joined, the majority of the others may go on without it: nobody else can be on our side.
lets_in() {
  local others=$((${#said_members[@]} - 1))
  [ "$said_quorate" != Yes ] || return 0
  among "$node_name" "${said_members[@]}" && [ $((2 * ${#said_online[@]})) -gt "$others" ]
}

# Sets action and peer, or reason.
look_around() {
  local member name address silent='' blocked=''
  action='' peer='' reason=''
  for member in "${cluster_members[@]}"; do
    read -r name address _ <<<"$member"
    [ "$name" != "$node_name" ] || continue
    if ! examine "$name" "$address"; then silent+="${silent:+, }$name"; continue; fi
    if [ "$said_drift" -gt "$clock_limit" ]; then
      reason="the clocks of $name and this node to agree: they differ by $said_drift s; see \`timedatectl\` on both"
      return 1
    fi
    [ -z "$said_cluster" ] || [ "$said_cluster" = "$cluster_name" ] ||
      step_stop "$name is in the cluster $said_cluster, and not in $cluster_name: correct \`cluster.name\` or \`cluster.nodes\`"
    [ -n "$said_cluster" ] || continue
    if among "$own_link" "${said_online[@]}"; then
      reason="the cluster to notice that this node was made anew: $name still sees it online"
      return 1
    fi
    if lets_in; then peer=$address peer_name=$name action=join; return; fi
    blocked=$name
  done
  read -r name _ <<<"${cluster_members[0]}"
  if [ -n "$blocked" ]; then
    reason="quorum: $blocked has too few members online; switch the others on${silent:+ ($silent)}, or run \`pvecm expected 1\` there"
  elif [ "$name" != "$node_name" ]; then
    reason="$name to make the cluster${silent:+ (no answer from $silent)}"
  elif [ -n "$silent" ] && [ "$cluster_create" != alone ]; then
    reason="an answer from $silent: there may be a cluster already, and two would fight. Switch on what is off, or build with \`[vars.cluster] create = \"alone\"\`"
  else
    action=create
  fi
  [ -n "$action" ]
}
