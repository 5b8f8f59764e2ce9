# shellcheck shell=bash
# How the step zpool comes to its pool. Sourced behind step.sh, disks.sh and zfs.conf.
: "${zfs_disks:=}" "${zfs_wipe:=never}"

pool=${zfs_pool:?}
cache=/etc/zfs/zpool.cache
# Names of disks that were blank, or were to be wiped, when `zpool create` began: what is on them now is its own work.
mark=/var/lib/pimg/zpool.creating
by_id=()
search=(-d /dev/disk/by-id)

pool_ours() { [ -s "$mark" ] && [ "$(cat "$mark")" = "${by_id[*]}" ]; }

# Importing for this node what this node used last loses nothing, whatever number it went by: the card is new. What another
# node used last may still be in use there.
pool_import() {
  local said owner
  said=$(zpool import "${search[@]}" -o "cachefile=$cache" "$pool" 2>&1) && return
  step_say "$said"
  owner=$(sed -n 's/^Last accessed by \([^ ]*\) .*/\1/p' <<<"$said")
  if [ -z "$owner" ]; then
    pool_ours || step_stop "the pool $pool is on the disks and cannot be imported: ${said//$'\n'/ }. Repair it (\`zpool import -F $pool\`), or give other disks in \`zfs.disks\`"
    return 1
  fi
  if [ "${owner%%.*}" = "$(hostname -s)" ]; then
    zpool import -f "${search[@]}" -o "cachefile=$cache" "$pool"
  elif [ "$zfs_wipe" = yes-destroy-data ]; then
    return 1
  else
    step_stop "the pool $pool on these disks belongs to $owner: put its disks back there, or run \`zpool import -f $pool\` here, or set \`zfs.wipe = \"yes-destroy-data\"\`"
  fi
}

pool_create() {
  local disk content use wipe=() layout=("${by_id[@]}")
  for disk in "${zfs_disks[@]}"; do
    content=$(disk_content "$disk") || step_die "$disk cannot be read"
    [ -n "$content" ] || continue
    use=$(disk_use "$disk" | sed -n 1p)
    [ -z "$use" ] || step_stop "$disk is in use at $use: name another disk in \`zfs.disks\`"
    if ! pool_ours && [ "$zfs_wipe" != yes-destroy-data ]; then
      step_stop "$disk is not blank ($content): name another disk in \`zfs.disks\`, or set \`zfs.wipe = \"yes-destroy-data\"\` to lose what is on it"
    fi
    wipe+=("$disk")
  done
  printf '%s' "${by_id[*]}" | step_commit "$mark"
  for disk in "${wipe[@]}"; do step_say "$disk is wiped"; disk_wipe "$disk"; done
  [ "${#by_id[@]}" -lt 2 ] || layout=(mirror "${by_id[@]}")
  zpool create -o ashift=12 -o "cachefile=$cache" "$pool" "${layout[@]}"
}

pool_find_or_make() {
  local disk seen count
  for disk in "${zfs_disks[@]}"; do by_id+=("$(disk_id "$disk")"); done
  # a disk without a serial number has no such name
  for disk in "${by_id[@]}"; do [[ $disk == /dev/disk/by-id/* ]] || search+=(-d /dev); done
  # ends with 1 where there is none
  seen=$(zpool import "${search[@]}" 2>/dev/null) || [ -z "$seen" ] || step_die "zpool import says: $seen"
  count=$(grep -cx " *pool: $pool" <<<"$seen") || [ "$count" = 0 ]
  [ "$count" -lt 2 ] || step_stop "there are $count pools called $pool: import the right one by its number (\`zpool import\`)"
  if [ "$count" = 1 ] && pool_import; then return; fi
  pool_create
}
