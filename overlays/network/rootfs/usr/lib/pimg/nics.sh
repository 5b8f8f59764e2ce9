# shellcheck shell=bash
# Which network card is which. Sourced by steps, after step.sh and network.conf.
# shellcheck disable=SC2154 # network.conf sets the names

: "${nics:=/sys/class/net}"

# Wired cards that are there: no bridge, VLAN, tap, tunnel (they have no device) and nothing wireless.
nics_wired() {
  local card
  for card in "$nics"/*; do
    if [ ! -e "$card/device" ] || [ "$(<"$card/type")" != 1 ]; then continue; fi
    if [ -e "$card/wireless" ] || [ -e "$card/phy80211" ]; then continue; fi
    printf '%s\n' "${card##*/}"
  done
}

# nic_has_address NAME ADDRESS/PREFIX
nic_has_address() { ip -4 -o address show dev "$1" 2>/dev/null | awk -v wanted="$2" '$4 == wanted { found = 1 } END { exit !found }'; }

# Onboard cards, by the driver: Pi 5, Pi 4, and QEMU's.
nics_onboard() {
  local name
  for name in $(nics_wired); do
    case $(readlink "$nics/$name/device/driver") in */macb | */bcmgenet | */virtio_net) printf '%s\n' "$name" ;; esac
  done
}

# Cards that may be the backplane's: any but the onboard one that is in nobody else's use.
nics_spare() {
  local name
  for name in $(nics_wired); do
    [ "$name" = "$interface" ] || [ -e "$nics/$name/master" ] || printf '%s\n' "$name"
  done
}

# The only spare card, or the only one with a link among several; nothing where that is not clear.
nic_of_backplane() {
  local names linked=() name
  mapfile -t names < <(nics_spare)
  if [ ${#names[@]} -gt 1 ]; then
    for name in "${names[@]}"; do
      # a card that is down has no link: reading fails
      if [ "$(cat "$nics/$name/carrier" 2>/dev/null)" = 1 ]; then linked+=("$name"); fi
    done
    names=("${linked[@]}")
  fi
  [ ${#names[@]} != 1 ] || printf '%s\n' "${names[0]}"
}

# What stands in the way; nothing where nothing does.
onboard_obstacle() {
  local found
  [ ! -e "$nics/$interface" ] || return 0
  mapfile -t found < <(nics_onboard)
  if [ ${#found[@]} = 1 ]; then
    printf '%s\n' "there is no network card \`$interface\`, the onboard one is called \`${found[0]}\`: write \`interface = \"${found[0]}\"\` under [network] in the profile, and build again"
  else
    printf '%s\n' "there is no network card \`$interface\`, which is the profile's \`network.interface\`; there are: $(nics_wired | paste -sd ' ')"
  fi
}
backplane_obstacle() {
  local names name
  mapfile -t names < <(nics_spare)
  if [ ${#names[@]} = 0 ]; then
    printf '%s\n' 'no second network card for the backplane: plug one in'
    return
  fi
  for name in "${names[@]}"; do ip link set dev "$name" up || return; done
  [ -z "$(nic_of_backplane)" ] || return 0
  printf '%s\n' "several cards may be the backplane's (${names[*]}), and not exactly one has a link: plug one cable in, or write \`network.backplane.interface\` or \`.mac\` in the profile"
}

# nic_wait OBSTACLE: until that command finds none; the status says the latest.
nic_wait() {
  local why
  while why=$("$1"); [ -n "$why" ]; do step_until 10 "$why" nic_otherwise "$1" "$why"; done
}
nic_otherwise() { [ "$("$1")" != "$2" ]; }
