#!/bin/sh
# Builds the modules of ZFS in the tree that pimg has laid out, as the only thing that runs there, without a network:
#   build.sh HOST TARGET COMPILER HEADERS COMMON JOBS
# HOST and TARGET are names of machines as in `x86_64-linux-gnu`; HEADERS and COMMON are the directories of the kernel's
# headers. Leaves /build/{spl,zfs}.ko and /build/Module.symvers.
set -eu
host=$1 target=$2 compiler=$3 headers=$4 common=$5 jobs=$6
# the compiler that made the kernel, by its full name: a native one has no prefix
prefix=$target-
[ "$host" != "$target" ] || prefix=
# make asks for these whenever it is called, configure only once (module/Makefile.in of OpenZFS)
export ARCH=arm64 CROSS_COMPILE="$prefix" CC="$prefix$compiler" KERNEL_ARCH=arm64 KERNEL_CROSS_COMPILE="$prefix" \
  KERNEL_CC="$prefix$compiler" TEST_JOBS="$jobs"
# Debian's headers bring the kernel's types (BTF) along. Without them modules get none, which only tracers ask for: pahole makes
# them on several processors, in whatever order, and takes its time for each question of configure.
rm -f "$headers/vmlinux"
# Nothing for a debugger either, as it would be stripped again, unless the checksums of symbols are made out of that.
grep -q '^CONFIG_GENDWARFKSYMS=y' "$headers/.config" || export KCFLAGS=-g0
cd /usr/src/zfs-*/
sh ./configure --build="$host" --host="$target" --disable-dependency-tracking --prefix=/usr --with-config=kernel \
  --with-linux="$common" --with-linux-obj="$headers"
make -j"$jobs"
# without debugging information: 7 MB instead of 100
for module in spl zfs; do "${prefix}strip" -g -o "/build/$module.ko" "module/$module.ko"; done
cp module/Module.symvers /build/
