# shellcheck shell=bash
# Whether the card gives back what was written to it, by the list of digests that came with the image, and how to mend
# what it does not. Sourced by steps, after step.sh. Inside `$(…)` bash forgets `set -e`, hence `|| return`.
# shellcheck disable=SC2154 # step.sh sets where everything is

card_list=$step_state/sha256sums
card_copies=$step_state/copies # named by their digests
card_mended=$step_state/mended # paths that were written anew, one a line

# What was read once is answered from memory; without that the card is asked.
card_forget() { sync; echo 3 >/proc/sys/vm/drop_caches; }

# card_differing LIST: paths in it that are missing, cannot be read or hold something else. All cores read, and what they say
# comes in whole lines.
card_differing() {
  split -e -n "r/$(nproc)" --filter='stdbuf -oL sha256sum --quiet -c || [ $? = 1 ]' "$1" | sed -n 's/: FAILED\( open or read\)\?$//p'
}

# card_changed_here PATH: whether a program on the node changed or removed it, which is its own affair: the inode, or
# the directory that a missing file was in, is younger than the image, and we were not the ones.
card_changed_here() {
  local at=$1
  if [ -e "$card_mended" ] && grep -qxF -- "$1" "$card_mended"; then return 1; fi
  until [ -e "$at" ] || [ -z "$at" ]; do at=${at%/*}; done
  [ "$(stat -c %Z "${at:-/}")" -gt "$(stat -c %Y /usr/lib/clock-epoch)" ]
}

# card_mend DIGEST PATH: from the copy in the image, to blocks that were not in use.
card_mend() {
  local copy=$card_copies/$1 new=$2.pimg-new like=$2
  [ -e "$copy" ] && [ "$(sha256sum <"$copy")" = "$1  -" ] || return 1
  [ -e "$like" ] || like=$copy
  # first of all: after a cut the new inode must not pass for a change by the node
  { if [ -e "$card_mended" ]; then cat "$card_mended"; fi; printf '%s\n' "$2"; } | step_commit "$card_mended"
  mkdir -p "${2%/*}"
  cp "$copy" "$new"
  chown --reference="$like" "$new"
  chmod --reference="$like" "$new"
  touch -r "$like" "$new"
  sync "$new"
  mv -f "$new" "$2"
  sync "${2%/*}"
  step_say "\`$2\` is written anew, from its copy in the image"
}

# card_suspects LIST: those lines of it whose file the card does not give back, and no program has changed.
card_suspects() {
  local found path
  found=$(card_differing "$1") || return
  while read -r path; do
    if [ -z "$path" ]; then continue; fi
    if card_changed_here "$path"; then
      step_say "\`$path\` was changed on this node since, and is left alone" >&2
    else
      printf '%s\n' "$path"
    fi
  done <<<"$found" | awk 'NR == FNR { want[$0]; next } substr($0, 67) in want' - "$1"
}

card_check() {
  local again=$step_live/card first second digest path left
  [ -s "$card_list" ] || step_stop "the list of digests \`$card_list\` is missing: flash the image again"
  if grep -qvE '^[0-9a-f]{64}  /' "$card_list"; then
    step_stop "the card gives back other data than was written, in \`$card_list\`: flash another card"
  fi
  step_say 'reading back from the card what was written to it'
  card_forget
  first=$(card_suspects "$card_list")
  [ -n "$first" ] || { step_say 'everything is as it was written'; return 0; }
  step_say "not as it was written: $(card_names "$first")"
  mkdir -p "$step_live"
  printf '%s\n' "$first" >"$again"
  card_forget
  second=$(card_suspects "$again")
  [ -n "$second" ] || { step_say 'the second time it is: keep an eye on this card'; return 0; }
  while read -r digest path; do
    card_mend "$digest" "$path" || step_say "there is no good copy of \`$path\` in the image"
  done <<<"$second"
  card_forget
  left=$(card_suspects "$again")
  [ -z "$left" ] || step_stop "the card gives back other data than was written, in $(card_names "$left"): flash another card"
}

# card_names LINES: three of them, and how many more there are
card_names() {
  awk 'NR <= 3 { printf "%s`%s`", (NR > 1 ? ", " : ""), substr($0, 67) }
    END { if (NR > 3) printf " and %d more files", NR - 3 }' <<<"$1"
}
