#!/bin/bash
# Runs inside a machine of `pimg test`: answers what pimg asks over a virtio-serial port.
# A question is a line `NUMBER VERB`, its answer a line `NUMBER LENGTH` and that many bytes.
set -euo pipefail

port=/dev/virtio-ports/pimg.test
work=/tmp/pimg-test

# Keeps what a command says, or that it failed: what is missing may be the very fault that a person looks for.
gather() {
  local name=$1
  shift
  if ! "$@" >"$into/$name" 2>&1; then echo "'$*' failed: see $name" >>"$into/missing.txt"; fi
}

# What a person wants to see of a node that did not finish, as a tar archive.
report() {
  local into=$work/report
  rm -rf "$into"
  mkdir -p "$into"
  gather status.json cat /var/lib/pimg/status.json
  gather status.txt cat /boot/firmware/pimg-status.txt
  gather steps.txt grep -rs . /var/lib/pimg/state /var/lib/pimg/done
  gather units.txt systemctl --failed --no-pager --full
  gather jobs.txt systemctl list-jobs --no-pager --full
  gather journal.txt journalctl --no-pager --lines 3000 --output short-precise
  gather addresses.txt ip address
  gather routes.txt ip route
  gather disks.txt lsblk --fs
  if [ -d /var/log/pimg ]; then cp -r /var/log/pimg "$into/log"; fi
  tar -C "$into" -cf - .
}

# Runs the operator's script. Its shebang decides what it is; /run may forbid to execute, /tmp does not.
check() {
  local status=0
  cat /dev/disk/by-id/virtio-pimg-check >"$work/check"
  chmod 0700 "$work/check"
  "$work/check" >"$work/check.out" 2>&1 </dev/null || status=$?
  echo "$status"
  tail -c 4194304 "$work/check.out"
}

answer() {
  case $2 in
    status) if [ -e /var/lib/pimg/status.json ]; then cat /var/lib/pimg/status.json; fi ;;
    report) report ;;
    check) check ;;
    poweroff) systemctl --no-block poweroff ;;
    *) echo "unknown verb" ;;
  esac >"$work/answer" 2>"$work/answer.err" || cat "$work/answer.err" >>"$work/answer"
  printf '%s %s\n' "$1" "$(stat -c %s "$work/answer")" >&3
  cat "$work/answer" >&3
}

mkdir -p "$work"
echo 'pimg-test: up' >/dev/console
until [ -e $port ]; do sleep 1; done
exec 3<>$port
# the port is at its end as long as nobody listens on the other side
while :; do
  while read -r number verb <&3; do answer "$number" "$verb"; done
  sleep 1
done
