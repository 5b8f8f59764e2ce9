# shellcheck shell=bash
# What is left to do where the packages were installed when the image was built, for all nodes at once: what no two nodes may
# share is made here, and services start that waited for it. Sourced by the step that installs packages.
: "${state:=/var/lib/pimg/packages}" "${units_dir:=/etc/systemd/system}" "${dpkg_info:=/var/lib/dpkg/info}"

hold=50-pimg-hold.conf

# In the order of the list: what one package makes, another one may look for.
baked_to_configure() {
  local name there
  [ -e "$state/reconfigure" ] || return 0
  there=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
  while read -r name _; do
    if is_line "$name" "$there"; then printf '%s\n' "$name"; fi
  done <"$state/reconfigure"
}

# Nothing can be fetched here: what is not there was lost, or never was.
baked_complete() {
  local missing left some
  missing=$(without install unpacked)
  left=$(those_of remove present)
  [ -n "$missing$left" ] || return 0
  printf '%s\n' "${missing:+not installed:}" "$missing" "${left:+not removed:}" "$left" | sed '/^$/d'
  some=$(printf '%s\n' "$missing" "$left" | sed '/^$/d; s/=.*//' | awk 'NR <= 3 { printf "%s%s", (NR > 1 ? ", " : ""), $0 } END { if (NR > 3) printf " and %d more", NR - 3 }')
  step_stop "the packages are not as they were when the image was built ($some), and this image has none to install: flash it again, and if it says so again, build it again"
}

# Each attempt from the beginning, as what was left by one that was cut is nobody's answer. A package that is asked again
# keeps what it finds: its files and its answers go first, and those of this host are given as before an installation.
baked_configure() {
  local name made packages
  mapfile -t packages < <(baked_to_configure)
  [ ${#packages[@]} -gt 0 ] || return 0
  for name in "${packages[@]}"; do
    made=$(sed -n "s/^$name //p" "$state/reconfigure")
    # shellcheck disable=SC2086 # several paths, without blanks
    if [ -n "$made" ]; then rm -f -- $made; fi
    printf 'PURGE\n' | debconf-communicate "$name" >/dev/null
  done
  if [ -e "$state/answers" ]; then debconf-set-selections "$state/answers"; fi
  step_say "configured for this host: ${packages[*]}"
  dpkg-reconfigure -f noninteractive "${packages[@]}" </dev/null ||
    step_die "not configured for this host: ${packages[*]}; see /var/log/pimg/packages.log"
}

# Units that a script of their package would have started, had it run here: it names them elsewhere than where it enables them.
baked_started() {
  local scripts
  mapfile -t scripts < <(find "$dpkg_info" -maxdepth 1 -name '*.postinst')
  { sed '/deb-systemd-helper/d' "${scripts[@]}" /dev/null | grep -oE '[[:alnum:]_@.:-]+\.(service|socket|timer|path|target|mount)' || [ $? = 1 ]; }
  sed -n 's/.*invoke-rc\.d \(--[a-z-]* \)*\([[:alnum:]._-]*\) .*/\2.service/p' "${scripts[@]}" /dev/null
}

# From here on nothing waits, at the next boot neither: what a cut leaves to be started starts then.
baked_release() {
  local units now unit
  [ -e "$state/held" ] || return 0
  mapfile -t units <"$state/held"
  for unit in "${units[@]}"; do
    rm -f "$units_dir/$unit.d/$hold"
    if [ -d "$units_dir/$unit.d" ]; then rmdir --ignore-fail-on-non-empty "$units_dir/$unit.d"; fi
  done
  mapfile -t now < <(LC_ALL=C comm -12 <(LC_ALL=C sort -u "$state/held") <(baked_started | LC_ALL=C sort -u))
  systemctl daemon-reload
  # a service that fails is told by its own unit, or by the step that needs it
  if [ ${#now[@]} -gt 0 ]; then systemctl start --no-block "${now[@]}" || step_say 'not every service could be started'; fi
  rm -f "$state/held"
}
