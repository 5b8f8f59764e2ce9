#!/usr/bin/env bash
# Small disks for the fuzzer, by the programs that make real ones: images.sh DIRECTORY
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
cd "$1"

rm -rf tree && mkdir -p tree/etc tree/many tree/usr/bin
echo raspberrypi >tree/etc/hostname
ln -s hostname tree/etc/short
ln -s "$(printf 'long/%.0s' {1..20})" tree/etc/long
ln tree/etc/hostname tree/etc/hard
seq 15000 >tree/usr/bin/hello
for n in {1..60}; do echo "$n" >"tree/many/a name that is as long as names of packages are, number $n"; done

# ext4: without checksums, so that a changed byte is looked at; with them; as Raspberry Pi OS is; with a hashed directory
ext4() { # ext4 NUMBER SIZE OPTIONS...
  local image=ext4-$1.img
  rm -f "$image"
  truncate -s "$2" "$image"
  mke2fs -q -F -t ext4 -U 5d5a7b1e-6f9c-4f0a-9b1e-0123456789ab -E hash_seed=5d5a7b1e-6f9c-4f0a-9b1e-0123456789ab \
    -d tree "${@:3}" "$image"
  printf 'ea_set /etc/hostname user.note value\nea_set /etc/hard security.x %s\n' "$(printf 'y%.0s' {1..300})" |
    debugfs -w -f /dev/stdin "$image" >/dev/null 2>&1
  e2fsck -fyD "$image" >/dev/null 2>&1 || [ $? -le 1 ]
}
ext4 0 1M -b 1024 -N 128 -O ^metadata_csum,^has_journal,^resize_inode
ext4 1 1M -b 1024 -N 128 -O ^has_journal
ext4 2 8M -b 4096 -N 128 -O ^64bit,^huge_file,^orphan_file,^metadata_csum
ext4 3 8M -b 1024 -N 128 -O ^metadata_csum,^flex_bg

# FAT32 as mkfs.vfat makes the smallest one that counts as such
rm -f fat-0.img && truncate -s 34M fat-0.img
mkfs.vfat -F 32 -s 1 -i 8a676486 -n bootfs --invariant fat-0.img >/dev/null
printf 'arm_64bit=1\n' >config.txt
mmd -i fat-0.img ::overlays ::overlays/deep
mcopy -i fat-0.img config.txt ::config.txt
mcopy -i fat-0.img tree/usr/bin/hello '::overlays/deep/a long name of a file.dtbo'

# partition tables: MBR, with a logical partition, GPT
table() { # table NUMBER: the script of sfdisk on standard input
  rm -f "table-$1.img"
  truncate -s 4M "table-$1.img"
  sfdisk --quiet "table-$1.img"
}
table 0 <<<$'label: dos\nlabel-id: 0x8a676486\nstart=64, size=512, type=c\nstart=1024, size=2048, type=83'
table 1 <<<$'label: dos\nstart=64, size=512, type=c\nstart=1024, size=4096, type=5\nstart=1088, size=512, type=83'
table 2 <<<$'label: gpt\nstart=64, size=512\nstart=1024, size=2048, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4'
