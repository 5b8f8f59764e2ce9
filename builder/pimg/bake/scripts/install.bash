#!/bin/bash
# Installs the packages of a bake, as root of the image's own tree: the step of the first boot, then the initramfs.
set -euo pipefail
kit=/run/pimg
export step_lib=$kit/lib step_state=$kit/state step_source=$kit/embedded.sources APT_CONFIG=$kit/apt.conf
export PYTHONHASHSEED=0 SYSTEMD_OFFLINE=1
say() { printf 'pimg: %s\n' "$*"; }

# a diversion, as dpkg itself keeps it through an upgrade of initramfs-tools
update=/usr/sbin/update-initramfs
divert() { dpkg-divert --quiet --local --rename --divert "$update.pimg" "$1" "$update"; }
divert --add
install -m 755 "$kit/update-initramfs" "$update"
bash "$kit/step.bash"
rm "$update"
divert --remove

# dpkg's own word on what it installed: a conffile may differ, nothing else
say 'checking packages'
mapfile -t installed < <(sed 's/=.*//; s/:all$//' "$kit/state/packages/install" 2>/dev/null)
if [ ${#installed[@]} -gt 0 ]; then
  differs=$(dpkg --verify "${installed[@]}" | grep -v '^[^ ]* c ' || [ $? = 1 ])
  if [ -n "$differs" ]; then
    say 'files are not as their packages have them:'
    printf '%s\n' "$differs"
    exit 1
  fi
fi

: >"$kit/state/kernels"
if [ ! -e "$kit/state/initramfs" ] || [ ! -x "$update" ]; then exit 0; fi
for modules in /usr/lib/modules/*/; do
  kernel=$(basename "$modules")
  [ -e "/boot/vmlinuz-$kernel" ] || continue
  say "initramfs $kernel"
  how=-c
  [ ! -e "/boot/initrd.img-$kernel" ] || how=-u
  # files in it have the time of the image, and are in the same order every time
  SOURCE_DATE_EPOCH=$pimg_epoch "$update" "$how" -k "$kernel"
  printf '%s\n' "$kernel" >>"$kit/state/kernels"
done
