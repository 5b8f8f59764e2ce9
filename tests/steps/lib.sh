# shellcheck shell=bash
# A throw-away card, and a root on it in which the steps of the overlays run with this machine's programs. Sourced by
# scenarios, which run as root in a mount namespace of their own.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

: "${REPOSITORY:?}" "${WORK:?}"
said=$WORK/said
root=$WORK/root

fail() { printf 'scenario: %s\n' "$*" >&2; if [ -e "$said" ]; then tail -n 30 "$said" >&2; fi; exit 1; }
has() { grep -qF -- "$1" "$said" || fail "nobody said: $1"; }

# make_card LABEL SECTORS START: a partition table with a boot and a root partition in a file of that size
make_card() {
  truncate -s $(($2 * 512)) "$WORK/card"
  sfdisk -q "$WORK/card" <<<"label: $1
start=2048, size=16384
start=20480, size=204800" || fail 'no partition table'
}

# insert_card: the card as the kernel sees it; `disk` and its second partition
insert_card() {
  disk=$(losetup --show -f "$WORK/card")
  trap remove_card EXIT
  # by hand, as a kernel may know no partition tables
  partx --add "$disk"
}
remove_card() {
  if mountpoint -q "$root"; then umount -R "$root"; fi
  partx --delete "$disk"
  losetup -d "$disk"
  trap - EXIT
}

# mount_root: the second partition as `/` of a chroot, with the programs of this machine and the files of ours
mount_root() {
  local dir
  mkdir -p "$root"
  mount "${disk}p2" "$root"
  mkdir -p "$root"/{dev,proc,sys,run,tmp,etc/pimg,usr,var/lib/pimg,boot/firmware} "$root/etc/alternatives"
  for dir in bin sbin lib lib64; do if [ -L "/$dir" ]; then ln -sfn "usr/$dir" "$root/$dir"; fi; done
  mkdir -p "$WORK/ours/lib/pimg/steps"
  cp "$REPOSITORY"/builder/pimg/guest/steps/*.sh "$REPOSITORY"/overlays/*/rootfs/usr/lib/pimg/*.sh "$WORK/ours/lib/pimg/"
  cp "$REPOSITORY"/overlays/*/steps/* "$WORK/ours/lib/pimg/steps/"
  mount -t overlay overlay -o "lowerdir=$WORK/ours:/usr" "$root/usr"
  mount --bind /etc/alternatives "$root/etc/alternatives"
  mount -t tmpfs tmpfs "$root/run"
  for dir in dev proc sys; do mount --rbind "/$dir" "$root/$dir"; done
}

# mount_base PLACE: the root partition of $BASE, whose arm64 programs run here from then on
mount_base() {
  local start
  "$REPOSITORY/scripts/base/binfmt"
  start=$(sfdisk -d "$BASE" | sed -n 's/.*start= *\([0-9]*\),.*type=83.*/\1/p')
  mkdir -p "$1"
  mount -o "loop,ro,noload,offset=$((start * 512))" "$BASE" "$1"
}

# step NAME WANTED [SECONDS]: runs it, and demands that it ends with that status; 137 is that of a plug that is pulled
step() {
  local status=0
  timeout -s KILL "${3:-600}" chroot "$root" "/usr/lib/pimg/steps/$1" </dev/null >"$said" 2>&1 || status=$?
  [ "$status" = "$2" ] || fail "$1 ended with $status, not $2"
}
# fake NAME: what stdin says, found before the root's own program of that name
fake() { { echo '#!/bin/bash'; cat; } >"$root/usr/local/sbin/$1"; chmod +x "$root/usr/local/sbin/$1"; }
inside() { chroot "$root" "$@"; }
state() { cut -f 1,3 "$root/var/lib/pimg/state/$1"; }
again() { rm -f "$root/var/lib/pimg/done/$1"; }
