#!/bin/bash
# Installs exactly the packages of the lock, from the repository inside the image: no network is asked for anything. In a
# baked image they are installed already.
set -euo pipefail
# shellcheck source=step.sh
. "${step_lib:=/usr/lib/pimg}/step.sh"
# shellcheck source=step-dpkg.sh
. "$step_lib/step-dpkg.sh"
# shellcheck source=step-baked.sh
. "$step_lib/step-baked.sh"

state=$step_state/packages    # install, remove, hold, manual: one name a line; answers, keep; baked, reconfigure, held
repository=$step_state/repo
source=${step_source:-/etc/apt/sources.list.d/pimg-embedded.sources}
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true APT_LISTCHANGES_FRONTEND=none
export NEEDRESTART_SUSPEND=1

# apt with a world of its own: this source alone, its own lists, no cache on disk, no pins. What the other sources
# name may be out of reach, or newer than the lock. The repository is trusted because it came with the image, so
# no signature is held against a clock that may stand at any time (`Check-Date: no` in the source).
embedded=(-q -o "Dir::Etc::SourceList=$source" -o Dir::Etc::SourceParts=/dev/null
  -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
  -o "Dir::State::Lists=$state/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
  -o Acquire::Languages=none -o APT::Update::Error-Mode=any -o APT::Get::AutomaticRemove=false
  -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0
  -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-confdef)

lines() { if [ -e "$state/$1" ]; then LC_ALL=C sort -u "$state/$1"; fi; }
# those_of LIST COMMAND: the lines of LIST that COMMAND prints too; `without LIST COMMAND`: those that it does not
those_of() { local out; out=$($2); LC_ALL=C comm -12 <(lines "$1") <(printf '%s\n' "$out"); }
without() { local out; out=$($2); LC_ALL=C comm -23 <(lines "$1") <(printf '%s\n' "$out"); }

check() {
  local missing left audit
  missing=$(without install installed)
  left=$(those_of remove present)
  audit=$(dpkg --audit)
  [ -n "$missing$left$audit" ] || return 0
  printf '%s\n' "${missing:+not installed:}" "$missing" "${left:+not removed:}" "$left" "$audit" | sed '/^$/d'
  step_die 'the packages are not as the lock wants them'
}

# What apt is to take for installed automatically: new packages nobody asked for, and what it held for that before.
# Made out once, before the first change: apt marks whatever is named to it as installed by hand.
remember_marks() {
  local before new
  [ ! -e "$state/auto" ] || return 0
  before=$(apt-mark "${embedded[@]}" showauto)
  new=$(LC_ALL=C comm -23 <(lines install | sed 's/=.*//') <(present) | sed 's/:all$//')
  printf '%s\n' "$before" "$new" | sed '/^$/d' | LC_ALL=C sort -u | step_commit "$state/auto"
}

# mark auto|manual|hold: those of the list of that name
mark() {
  local names
  names=$(those_of "$1" present)
  [ -z "$names" ] || xargs -d '\n' apt-mark "${embedded[@]}" "$1" <<<"$names" >/dev/null
}

apply() {
  local wanted gone list
  # a mark of its own, so that a cut while the repository is removed does not ask for the repository again
  [ ! -e "$state/verified" ] || return 0
  debconf_after_cut
  lines install | dpkg_after_cut "$repository/pool" || step_say 'dpkg cannot go on alone, apt is asked'
  if [ -e "$state/baked" ]; then
    baked_complete
    baked_configure
    return
  fi
  if [ -e "$state/answers" ]; then debconf-set-selections "$state/answers"; fi
  mkdir -p "$state/lists/partial"
  # a set that only removes or holds comes without a repository
  if [ -e "$source" ]; then apt-get "${embedded[@]}" update; fi
  remember_marks
  # one call, as packages of one set need each other: an array, as a thousand of them are 50 KB and Linux takes 2 MB
  mapfile -t wanted < <(lines install)
  mapfile -t gone < <(those_of remove present)
  if [ $((${#wanted[@]} + ${#gone[@]})) -gt 0 ]; then
    apt-get "${embedded[@]}" -y --no-install-recommends --allow-downgrades --allow-change-held-packages install \
      "${wanted[@]}" "${gone[@]/%/-}"
  fi
  for list in auto manual hold; do mark "$list"; done
}

verify() {
  if [ ! -e "$state/verified" ]; then
    check
    date -u +%FT%TZ | step_commit "$state/verified"
  fi
  baked_release
  rm -rf "$state/lists" "$state/answers"
  [ -e "$state/keep" ] || rm -rf "$source" "$repository"
}

step_run packages apply verify
