#!/bin/bash
# Takes the node's secrets over from the boot partition, where `pimg seed` put them, and overwrites them there.
#
# The power may go at any instruction: nothing is put in place that is not verified as a whole, the archive goes only
# after the stamp is on the card, and the stamp only after every file is. PIMG_ROOT and PIMG_CONSOLE are for tests.
set -euo pipefail
umask 077

root=${PIMG_ROOT:-}
console=${PIMG_CONSOLE:-/dev/console}
boot=$root/boot/firmware
archive=$boot/pimg-seed.tar
lib=$root/var/lib/pimg
# in memory: what is not verified yet never reaches the card
work=$root/run/pimg-seed
allowed='^(sha256sums|password|etc/ssh/ssh_host_[a-z0-9]+_key|root/\.ssh/id_rsa|var/lib/pimg/secrets/[A-Za-z0-9_][A-Za-z0-9._-]*)$'

# Says how far it is: console, journal, log-in prompt, and the boot partition for a node without a screen.
tell() { # STATE MESSAGE
    local line="pimg: seed: $1${2:+: $2}"
    echo "$line"
    # a board without a console has nobody to read it there
    if [[ -w $console ]]; then echo "$line" >"$console"; fi
    # nothing of this is secret
    umask 022
    mkdir -p "$root/run/issue.d" "$lib/state"
    if [[ $1 == failed ]]; then echo "$line" >"$root/run/issue.d/pimg-seed.issue"; else rm -f "$root/run/issue.d/pimg-seed.issue"; fi
    printf '%s\t%s\t%s\n' "$1" "$(date +%s)" "$2" >"$lib/state/seed"
    echo "$line" >"$boot/pimg-status.txt"
    sync -f "$boot"
}

fail() { # MESSAGE
    rm -rf "$work"
    tell failed "$1"
    exit 1
}

how_to_seed() {
    local profile
    profile=$(sed -n 's/^profile = //p' "$boot/pimg-release.txt")
    echo "put the card into a PC, run \`pimg seed --profile ${profile:-NAME} BOOT-PARTITION\`, and start again"
}

# Unpacks the archive into memory. Fails unless it is whole and holds nothing but secrets in their places.
unpack() {
    local name names
    rm -rf "$work"
    mkdir -p "$work"
    names=$(tar --list --file "$archive" 2>"$work/complaints") || return 1
    [[ -n $names ]] || return 1
    while IFS= read -r name; do
        [[ $name =~ $allowed ]] || return 1
    done <<<"$names"
    tar --extract --file "$archive" --directory "$work" --no-same-owner --no-same-permissions || return 1
    rm "$work/complaints"
    [[ -z $(find "$work" ! -type d ! -type f) && -f $work/sha256sums ]] || return 1
    (cd "$work" && sha256sum --check --strict --status sha256sums) || return 1
    # a file that no digest speaks for
    [[ $(find "$work" -type f | wc -l) -eq $(($(wc -l <"$work/sha256sums") + 1)) ]]
}

# Puts a file in place so that it is there as a whole or not at all.
place() { # PATH, without the leading slash
    local to=$root/$1
    mkdir -p "${to%/*}"
    install -m 0600 "$work/$1" "$to.seed"
    sync "$to.seed"
    mv -f "$to.seed" "$to"
    sync "${to%/*}"
}

# FAT keeps the clusters of a file that is overwritten in place; those of a removed one would keep what they hold.
wipe() {
    dd if=/dev/zero of="$archive" bs=64K count="$(stat -c %s "$archive")" iflag=count_bytes conv=notrunc,fsync status=none
    rm -f "$archive"
    sync -f "$boot"
}

if [[ ! -e $archive ]]; then
    if [[ -e $lib/done/seed ]]; then exit 0; fi
    fail "this image has no secrets of its own: $(how_to_seed)"
fi
if unpack; then
    (cd "$work" && find . -type f ! -name sha256sums ! -path ./password -printf '%P\n') >"$work.list"
    while IFS= read -r path; do place "$path"; done <"$work.list"
    # from standard input: arguments can be seen by everybody
    if [[ -f $work/password ]]; then chpasswd --encrypted ${root:+--root "$root"} <"$work/password"; fi
    sync -f "$root/etc"
    (umask 022 && mkdir -p "$lib/done")
    install -m 0644 /dev/null "$lib/done/seed"
    sync "$lib/done/seed" "$lib/done"
elif [[ ! -e $lib/done/seed ]]; then
    fail "the secrets on the boot partition are damaged or not ours: $(how_to_seed)"
fi
# with a stamp, a damaged archive is one that was being overwritten when the power went
wipe
rm -rf "$work" "$work.list"
tell "done" ""
