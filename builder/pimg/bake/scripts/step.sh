# shellcheck shell=bash
# What the step `packages` of the first boot asks of its library, at build time: there is no status to keep, no clock
# and no card, and a step that is cut begins anew with everything else.

export HOME=/root LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

step_say() { printf 'pimg: %s\n' "$*" >&2; }
step_die() { step_say "$*"; exit 1; }
step_commit() { cat >"$1"; }
step_run() {
  "$2"
  "$3"
}
