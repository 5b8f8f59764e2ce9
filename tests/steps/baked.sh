# shellcheck shell=bash
# The root of a node whose packages were installed when its image was built, with scripts as real packages have them. Sourced
# by `baked`.
: "${REPOSITORY:?}" "${WORK:?}" "${root:?}" "${said:?}"

# this machine's own root, with packages of its own, under a layer that is thrown away
mkdir -p "$WORK/layer" "$WORK/prepared" "$WORK/pool" "$root"
mount_over() { # LOWER PLACE
  mount -t tmpfs tmpfs "$2"
  mkdir "$2/upper" "$2/work"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$root"
  for dir in dev proc; do mount --rbind "/$dir" "$root/$dir"; done
  mount -t tmpfs tmpfs "$root/run"
}
# who was killed may take a moment to go
unmount() { umount -R -l "$root"; umount -l "$1"; }

prepare() {
  mount_over / "$WORK/prepared"
  rm -rf "$root/var/lib/dpkg"
  mkdir -p "$root/usr/lib/pimg/steps" "$root"/var/lib/{dpkg/{info,updates,triggers},pimg/packages} "$root"/etc/systemd/system/{named,later}.service.d
  : >"$root/var/lib/dpkg/status"
  cp -r "$WORK/pool" "$root/pool"
  cp "$REPOSITORY"/builder/pimg/guest/steps/*.sh "$root/usr/lib/pimg/"
  install "$REPOSITORY/builder/pimg/guest/packages/step.bash" "$root/usr/lib/pimg/steps/packages"
  printf '#!/bin/sh\necho "$*" >>/run/systemctl\n' >"$root/usr/bin/systemctl"
  # baked: nobody has said which host it is
  inside sh -c 'DEBIAN_FRONTEND=noninteractive dpkg --force-all -i /pool/*.deb' >"$said" 2>&1 || fail 'no packages to begin with'
  inside apt-mark hold plain >/dev/null
  [ "$(cat "$root/etc/asks")" = 'default 1' ] || fail 'the package did not ask'
  cd "$root/var/lib/pimg/packages" || return
  : >baked
  printf '%s\n' asks:all=1.0 keys:all=2:1.0-1 plain:all=1.0 >install
  printf 'old\n' >remove
  printf 'plain\n' >hold
  printf '%s\n' 'keys /etc/keys' 'asks /etc/asks' absent >reconfigure
  printf '%s\n' named.service later.service script.service >held
  cd / || return
  for unit in named later; do printf '[Unit]\nConditionPathExists=/x\n' >"$root/etc/systemd/system/$unit.service.d/50-pimg-hold.conf"; done
  printf '[Unit]\n' >"$root/etc/systemd/system/later.service.d/own.conf"
  umount -R -l "$root"
}
new_root() { # [NAME]
  if mountpoint -q "$root"; then unmount "$WORK/layer"; fi
  mount_over "$WORK/prepared/upper:/" "$WORK/layer"
  printf 'asks asks/name string %s\n' "${1:-node-a}" >"$root/var/lib/pimg/packages/answers"
}
trap 'unmount "$WORK/layer"; umount -l "$WORK/prepared"' EXIT

# package NAME VERSION: with the scripts that lie in $tree/DEBIAN
package() {
  tree=$WORK/tree-$1
  mkdir -p "$tree/DEBIAN" "$tree/opt/$1"
  printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: pimg <pimg@example.org>\nDescription: test\n' "$1" "$2" >"$tree/DEBIAN/control"
}
script() { { printf '#!/bin/sh\nset -e\n'; cat; } >"$tree/DEBIAN/$1"; chmod 755 "$tree/DEBIAN/$1"; }
package plain 1.0
package keys 2:1.0-1
# as scripts of keys do: only where there is none
# the step reads which units a script starts, and is not to take the one that it enables for one of them: nobody runs that line
script postinst <<<'if [ "$1" = never ]; then deb-systemd-helper enable later.service; fi
[ -e /etc/keys ] || cat /proc/sys/kernel/random/uuid >/etc/keys
if [ -d /run/systemd/system ]; then deb-systemd-invoke start named.service; fi
[ ! -x /etc/init.d/script ] || invoke-rc.d --skip-systemd-native script start'
package asks 1.0
printf 'Template: asks/name\nType: string\nDefault: default\nDescription: name?\n\nTemplate: asks/derived\nType: string\nDescription: derived\n' >"$tree/DEBIAN/templates"
# as postfix does: what it derived once it keeps, and a file that is there stays as it is
# debconf says 30 where it does not show a question (debconf-devel(7)), as here, where nobody is there to answer
script config <<<'. /usr/share/debconf/confmodule
db_input high asks/name || [ $? = 30 ]
db_go || [ $? = 30 ]
db_get asks/name; name=$RET
db_fget asks/derived set
[ "$RET" = true ] || { db_set asks/derived "$name"; db_fset asks/derived set true; }'
script postinst <<<'. /usr/share/debconf/confmodule
db_get asks/derived
[ -e /etc/asks ] || { printf "%s" "$RET" >/etc/asks; sync; printf " 1\n" >>/etc/asks; }'
for name in plain keys asks; do dpkg-deb --root-owner-group -b "$WORK/tree-$name" "$WORK/pool/$name.deb" >/dev/null; done
