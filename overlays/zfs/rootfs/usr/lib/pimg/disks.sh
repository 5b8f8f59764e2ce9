# shellcheck shell=bash
# What the step zpool asks of disks. Sourced behind step.sh.

# disk_id DEVICE: its name by model and serial number, which it keeps when slots change.
disk_id() {
  local real link spare=''
  real=$(realpath -e "$1") || return
  for link in /dev/disk/by-id/*; do
    [ "$(realpath -m "$link")" = "$real" ] || continue
    case ${link##*/} in
      nvme-eui.* | nvme-nvme.* | nvme-uuid.* | wwn-*) [ -n "$spare" ] || spare=$link ;;
      *) printf '%s\n' "$link"; return ;;
    esac
  done
  printf '%s\n' "${spare:-$1}"
}

disk_partitions() { lsblk -nrpo NAME,TYPE "$1" | awk '$2 == "part" { print $1 }'; }

# disk_use DEVICE: who uses it at this moment, or nothing: a mount, LVM and its like, a pool.
disk_use() {
  lsblk -nro TYPE,MOUNTPOINTS "$1" | awk '$2 != "" { print $2 } $1 != "disk" && $1 != "part" { print $1 }'
  zpool status -LP | awk -v disk="$(realpath -e "$1")" '$1 == "pool:" { pool = $2 } index($1, disk) == 1 { print "the pool " pool }'
}

# disk_content DEVICE: what is on it in a few words, or nothing where it is blank. Fails if it cannot be read.
disk_content() {
  local device found status all=''
  local devices=("$1")
  mapfile -t -O 1 devices < <(disk_partitions "$1")
  for device in "${devices[@]}"; do
    found=$(wipefs --no-act --noheadings --output TYPE,LABEL "$device") || return
    if [ -z "$found" ]; then
      # 2 is "nothing found", 8 "several things that contradict each other" (blkid(8))
      status=0
      found=$(blkid -p -o value -s TYPE "$device") || status=$?
      [ "$status" != 8 ] || found='several signatures'
      [ "$device" = "$1" ] || found=${found:-a partition}
    fi
    [ -z "$found" ] || all+="${all:+, }${device##*/}: $(tr -s ' \n' ' ' <<<"$found" | sed 's/ $//')"
  done
  printf '%s' "$all"
}

# disk_wipe DEVICE: takes every signature off it, those of partitions first.
disk_wipe() {
  local part
  while IFS= read -r part; do
    # fails where there is no label of ZFS, which is as good
    zpool labelclear -f "$part" || step_say "$part has no label of ZFS"
    wipefs --all --force "$part"
  done < <(disk_partitions "$1" | tac)
  wipefs --all --force "$1"
  blockdev --rereadpt "$1"
  udevadm settle
}

# disks_missing DEVICE...: those that are not there.
disks_missing() {
  local disk missing=''
  for disk; do [ -e "$disk" ] || missing+=" $disk"; done
  printf '%s' "${missing# }"
}

# disks_there: all that the node has, for a person who looks for one.
disks_there() { lsblk -dnro NAME,SIZE,MODEL -e 1,7 | awk '{ printf "%s%s", (NR > 1 ? "; " : ""), $0 }'; }
