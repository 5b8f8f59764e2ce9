#!/bin/sh
# Stands in for update-initramfs while packages are installed: an initramfs takes minutes under an emulator, and a dozen
# packages ask for one. It is noted that somebody asked, and made once at the end. Removing one is done at once.
set -eu
for word; do
  [ "$word" != -d ] || exec "$0.pimg" "$@"
done
echo "$*" >>/run/pimg/state/initramfs
