# shellcheck shell=bash
# What a step may need before it can begin: its predecessors, the network, the time. Sourced by step.sh.
# shellcheck disable=SC2154 # step.sh sets where everything is

# step_network: an interface with a link has the node's address, and the gateway answers.
step_network() {
  local node_address='' node_gateway='' address name carrier
  # shellcheck source=/dev/null
  . "$step_conf/node.conf"
  # `2: eth0    inet 192.0.2.7/24 …`; without a fixed address any that is more than link-local will do
  while read -r _ name _ address _; do
    [ -z "$node_address" ] || [ "${address%/*}" = "$node_address" ] || continue
    # reading fails while an interface is down
    carrier=$(cat "/sys/class/net/${name%@*}/carrier" 2>/dev/null) || continue
    [ "$carrier" != 1 ] || { step_answers "$node_gateway"; return; }
  done < <(ip -o -4 address show up scope global)
  return 1
}

# step_answers ADDRESS: whether ARP finds it. A datagram to the port of `discard` makes the kernel ask; no program is
# needed, and no firewall that drops pings is in the way. What it knew from earlier is confirmed within six seconds.
step_answers() {
  local left=10 seen
  [ -n "$1" ] || return 0
  while [ "$left" -gt 0 ]; do
    # fails without a route
    (printf . >"/dev/udp/$1/9") 2>/dev/null || return 1
    seen=$(ip -4 neighbour show to "$1")
    case $seen in *REACHABLE* | *PERMANENT* | *NOARP*) return 0 ;; *FAILED*) return 1 ;; esac
    left=$((left - 1))
    sleep 1
  done
  return 1
}

# step_clock: the network has told the time, or a clock with a battery stands behind the build of the image.
step_clock() {
  local told rtc built
  # timedated may be busy at boot: no answer is no
  told=$(timedatectl show -p NTPSynchronized --value 2>/dev/null) || told=no
  [ "$told" != yes ] || return 0
  rtc=$(cat "$step_rtc" 2>/dev/null) || return 1
  built=$(stat -c %Y "$step_epoch") || return 1
  [ "$rtc" -gt "$built" ]
}

# step_needs AFTER NEEDS: the columns of steps.tsv.
step_needs() {
  local name names
  IFS=, read -ra names <<<"$1"
  for name in "${names[@]}"; do
    [ "$name" = - ] || [ -e "$step_state/done/$name" ] || step_die "step \`$name\` comes first, and is not done"
  done
  case ,$2, in *,network,*) step_until 10 'the network: a cable, the address and an answer of the gateway' step_network ;; esac
  case ,$2, in *,time,*) step_until 10 'the time, from the network' step_clock ;; esac
}
