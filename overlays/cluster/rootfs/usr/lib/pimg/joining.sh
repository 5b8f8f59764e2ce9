# shellcheck shell=bash
# How the step cluster joins or makes a cluster: one node at a time, and as if never begun when it was cut off. Sourced
# behind peers.sh.
# shellcheck disable=SC2154 # said_*: what `examine` has set
: "${node_name:?}" "${peer:=}" "${peer_name:=}"

# Disk and memory: a mark on the disk alone says that the node was cut off (corosync.service.d/10-pimg.conf).
mark=/var/lib/pimg/cluster/joining
mark_now=/run/pimg/joining
# Root's keys move into /etc/pve, and would be lost with it.
keys=/var/lib/pimg/cluster/authorized_keys

# begin WHAT, and its end: the services have written without waiting for the disk.
begin() {
  step_commit "$mark" <<<"$1"
  mkdir -p "${mark_now%/*}"
  : >"$mark_now"
}
finish() {
  sync
  rm -f "$mark" "$mark_now"
}

keep_keys() {
  [ ! -s /root/.ssh/authorized_keys ] || step_commit "$keys" 0600 </root/.ssh/authorized_keys
}

# Everything here is from before the join: guests were refused, and the rest is made by steps that come after it.
undo() {
  step_say "the node was cut off at $(cat "$mark"): it begins anew"
  rm -f "$mark_now"
  systemctl stop corosync pve-cluster
  rm -f /etc/corosync/authkey /etc/corosync/corosync.conf
  find /var/lib/pve-cluster -mindepth 1 -maxdepth 1 ! -name backup -exec rm -rf {} +
  if [ -s "$keys" ]; then
    rm -f /root/.ssh/authorized_keys
    step_commit /root/.ssh/authorized_keys 0600 <"$keys"
  fi
  systemctl start pve-cluster
  pvecm updatecerts --silent
  sync
  rm -f "$mark"
  sync -f "${mark%/*}"
}

# One join at a time: a link on the peer names who joins. A new one of the same node replaces its own; one that is older than
# twenty minutes belongs to a node that has lost its power.
lock() {
  ask "$peer" "l=/run/pimg-join; now=\$(date +%s)
    ln -sT $node_name \$l 2>/dev/null || {
      [ \"\$(readlink \$l)\" = $node_name ] || [ \$((now - \$(stat -c %Y \$l))) -gt 1200 ] && ln -sfnT $node_name \$l
    }
    [ \"\$(readlink \$l)\" = $node_name ]"
}
unlock() { ask "$peer" "rm -f /run/pimg-join" || step_say "the lock on $peer_name stays for a while"; }

# A member of our name is our former self. Its folder below /etc/pve/nodes stays: guests are configured there, and their
# disks are on the pool.
forget_former_self() {
  among "$node_name" "${said_members[@]}" || return 0
  step_say "$peer_name has a member of this name: it goes, so that this node can take its place"
  [ "$said_quorate" = Yes ] || ask "$peer" "pvecm expected ${#said_online[@]}"
  ask "$peer" "pvecm delnode $node_name"
}

# join LINKS...: with the options for the links.
join() {
  local status=0
  step_until 10 "another node that joins through $peer_name at this moment" lock
  # it may be another cluster since we asked
  if ! examine "$peer_name" "$peer" || ! lets_in || ! forget_former_self; then
    unlock
    step_die "$peer_name does not let this node in: see its \`pvecm status\`"
  fi
  begin "joining through $peer_name"
  (cd / && pvecm add "$peer" --use_ssh 1 "$@" </dev/null) || status=$?
  unlock
  [ "$status" = 0 ] || step_die "pvecm add $peer ended with $status"
  finish
}
