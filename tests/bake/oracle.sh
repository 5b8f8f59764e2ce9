#!/bin/bash
# Real apt in a chroot of the base: oracle.sh IMAGE OFFSET WORK QEMU DEBS... prints the tree before and after, with a line
# `==` between. Runs as root in a mount namespace of its own: nothing of it stays mounted.
set -euo pipefail
image=$1 offset=$2 work=$3 qemu=$4
shift 4
here=$(dirname "$0")
cd "$work"
mkdir -p base upper scratch root binfmt
mount -t ext4 -o "loop,ro,noload,offset=$offset" "$image" base
hostname "$(cat base/etc/hostname)"   # scripts of packages note it
mount -t binfmt_misc binfmt_misc binfmt
if [ ! -e binfmt/qemu-aarch64 ]; then
  magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
  mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
  printf '%s' ":oracle-aarch64:M::$magic:$mask:$qemu:OPF" >binfmt/register
fi
mount -t overlay -o lowerdir=base,upperdir=upper,workdir=scratch,volatile overlay root
python3 "$here/oracle.py" base
echo "=="
mkdir -p "$work/debs"
cp "$@" "$work/debs"
(cd "$work/debs" && apt-ftparchive packages . >Packages)
printf '#!/bin/sh\nexit 101\n' >root/usr/sbin/policy-rc.d
chmod 755 root/usr/sbin/policy-rc.d
mount -t proc proc root/proc
mount --bind /dev root/dev
mount -t tmpfs tmpfs root/run
mount -t tmpfs -o mode=1777 tmpfs root/tmp
mkdir root/run/debs
mount --bind "$work/debs" root/run/debs
cat >root/run/install <<'I'
set -eu
echo 'deb [trusted=yes] file:/run/debs ./' >/run/sources
set -- -q -y -o Dir::Etc::SourceList=/run/sources -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=/run/lists \
  -o APT::Sandbox::User=root -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::=--force-confold
mkdir -p /run/lists/partial
apt-get "$@" update
apt-get "$@" --no-install-recommends install $NAMES nano-
apt-mark hold linux-image-arm64
I
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive QEMU_CPU=cortex-a72 \
  SYSTEMD_OFFLINE=1 NAMES="$NAMES" DEBCONF_NONINTERACTIVE_SEEN=true chroot root /bin/sh /run/install >&2
rm root/usr/sbin/policy-rc.d
for mount in run/debs tmp run dev proc; do umount "root/$mount"; done
python3 "$here/oracle.py" root
