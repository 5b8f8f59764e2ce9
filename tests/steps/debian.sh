# shellcheck shell=bash
# Machines with real packages on one base, each in a layer of its own, and how two of them differ. Sourced by `debian`, which says
# where packages (`debs`) and lists (`lists`) are.
: "${REPOSITORY:?}" "${WORK:?}" "${root:?}" "${said:?}" "${debs:?}" "${lists:?}"

# new_root NAME LOWER HOST: the root of a machine of that name; what is written goes to the layer NAME
new_root() {
  local dir
  root=$WORK/root-$1 layer=$WORK/layers/$1
  mkdir -p "$root" "$layer" "$layer.work"
  mount -t overlay overlay -o "lowerdir=$2,upperdir=$layer,workdir=$layer.work" "$root"
  for dir in dev proc; do mount --rbind "/$dir" "$root/$dir"; done
  mount -t tmpfs tmpfs "$root/run"
  # maintainer scripts take this for a running systemd
  rm -f "$root/usr/sbin/policy-rc.d"
  mkdir -p "$root/run/systemd/system" "$root/debs" "$root/usr/lib/pimg/steps" "$root/var/lib/pimg/packages"
  mount --bind "$debs" "$root/debs"
  printf '#!/bin/sh\necho "$*" >>/run/systemctl\n' >"$root/usr/local/sbin/systemctl"
  # an initramfs takes minutes, and is no matter of this
  printf '#!/bin/sh\n' >"$root/usr/local/sbin/update-initramfs"
  chmod +x "$root"/usr/local/sbin/{systemctl,update-initramfs}
  hostname "$3"
  printf '%s\n' "$3" >"$root/etc/hostname"
  printf '127.0.0.1 localhost\n10.0.0.5 %s.lab.example %s\n' "$3" "$3" >"$root/etc/hosts"
}
answers() {
  printf 'postfix postfix/main_mailer_type select Local only\n'
  [ "$1" = localhost ] || printf 'postfix postfix/mailname string %s.lab.example\n' "$1"
}
install_all() { # HOST
  answers "$1" | inside debconf-set-selections
  # a mail server takes the certificate of the machine where there is one
  inside sh -c 'dpkg -i /debs/ssl-cert_*.deb && dpkg -i $(ls /debs/*.deb | grep -v ssl-cert_)' >"$said" 2>&1 || fail "the packages cannot be installed on $1"
}
# own LAYER: files in it that are one node's by the list
own() {
  local path text place
  while IFS=$'\t' read -r path text; do
    place=$1${path%/\*\*}
    # shellcheck disable=SC2231 # the list has patterns
    for place in $place; do if [ -e "$place" ]; then find "$place" -type f -printf "%p\t$text\n"; fi; done
  done <"$lists/per-host"
}
# differing A B: what is not the same in two layers, without what says when and how often something was done
differing() {
  { diff -rq --no-dereference "$1" "$2" || [ $? = 1 ]; } | sed -E "s|^Files? ($1[^ ]*) (and\|is) .*|\1|; s|^Only in ([^:]*): |\1/|" |
    sed -E "s|^($1\|$2)||" | grep -vE '^/(var/(lib/(dpkg|pimg|ucf)|cache|log)|usr/lib/pimg|run|etc/[a-z]*-$|etc/(hosts|hostname)$|etc/ld.so.cache|usr/sbin/policy-rc.d)' | sort -u
}
