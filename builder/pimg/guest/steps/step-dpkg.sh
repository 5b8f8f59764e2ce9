# shellcheck shell=bash
# What dpkg says of the packages on the node, and what a cut leaves of it and of debconf that neither mends by itself. Sourced
# by the step that installs packages.

# is_line TEXT LINES: without a program, as it is asked for each of some hundred packages.
is_line() { case $'\n'$2$'\n' in *$'\n'"$1"$'\n'*) ;; *) return 1 ;; esac; }

# Every package that is wholly installed, and every one whose files are there, as `name:architecture=version`.
installed() { package_versions installed; }
unpacked() { package_versions 'installed|triggers-pending|triggers-awaited|half-configured|unpacked'; }
package_versions() {
  dpkg-query -W -f '${db:Status-Status} ${Package}:${Architecture}=${Version}\n' | sed -nE "s/^($1) //p" | LC_ALL=C sort
}
# Every package that is not wholly gone, by all the names that it can be called by.
present() {
  dpkg-query -W -f '${db:Status-Status} ${Package} ${Architecture}\n' | awk -v native="$(dpkg --print-architecture)" '
    $1 == "not-installed" || $1 == "config-files" { next }
    { print $2 ":" $3 } $3 == native || $3 == "all" { print $2 }' | LC_ALL=C sort
}

# debconf puts a new database in place with two renames (Debconf::DbDriver::File): a cut between them leaves none, and
# the new one, whole and on the card, beside it. Without it answers are refused, as no question is known.
debconf_after_cut() {
  local database
  for database in /var/cache/debconf/{config,templates,passwords}.dat; do
    if [ -e "$database" ] || [ ! -e "$database-new" ]; then continue; fi
    step_say "debconf was cut while it wrote $database"
    mv "$database-new" "$database"
  done
}

# dpkg_after_cut POOL: unpacks again what dpkg has marked for that, out of the packages that stdin lists as
# `name:architecture=version`, and configures what is unpacked. dpkg says "unpacked" before it takes the mark away: a cut
# in between leaves a package that apt wants to configure and dpkg wants to have unpacked first, for ever.
dpkg_after_cut() {
  local pool=$1 marked name architecture version files=() keep=(--force-confold --force-confdef)
  marked=$(dpkg-query -W -f '${db:Status-Eflag} ${Package}\n' | sed -n 's/^reinstreq //p')
  while IFS=: read -r name version; do
    architecture=${version%%=*} version=${version#*=}
    # a file's name has no epoch
    if is_line "$name" "$marked"; then files+=("$pool/${name}_${version#*:}_$architecture.deb"); fi
  done
  if [ ${#files[@]} -gt 0 ]; then
    step_say "dpkg was cut while it unpacked: ${files[*]##*/}"
    # what they have to be unpacked after was there when that began
    dpkg --auto-deconfigure "${keep[@]}" --unpack "${files[@]}" || return
  fi
  dpkg "${keep[@]}" --configure -a
}
