#!/bin/bash
# Runs on a finished node of the tests' cluster: every effect is there, and there once, and no secret is left.
# `round` says whether the pool has been here before the card. Sets nothing, but for a file on the pool.
set -euo pipefail
: "${round:?}" "${nodes:?}" "${language:=}"
not() { echo "not so: $*"; exit 1; }
same() { [ "$2" = "$3" ] || not "$1: expected \`$2\`, got \`$3\`"; }

name=$(hostname)
members=$(wc -w <<<"$nodes")
address=$(getent ahostsv4 "$name" | awk 'NR == 1 { print $1 }')
number=${address##*.}

while IFS=$'\t' read -r step _; do [ -s "/var/lib/pimg/done/$step" ] || not "$step is stamped"; done </usr/lib/pimg/steps.tsv
same 'the state on the card' finished "$(python3 -c 'import json; print(json.load(open("/boot/firmware/pimg-status.json"))["state"])')"
grep -q 'The node is finished' /boot/firmware/pimg-status.txt || not 'the text on the card says so'
mapfile -t units < <(find /usr/lib/systemd/system /etc/systemd/system -type f \( -name 'pimg-*.*' -o -name 'acme-renew.*' \))
# its status also counts what it says of other packages' units
same 'what systemd says of the units' '' "$(systemd-analyze verify --man=no "${units[@]}" 2>&1 | grep -E 'pimg-|acme-renew' || [ $? = 1 ])"
same 'units that wait for the packages' '' "$(find /etc/systemd/system -name 50-pimg-hold.conf)"
same 'what dpkg has to say' '' "$(dpkg --audit)"
same 'failed units' '' "$(systemctl --failed --plain --no-legend)"

same 'the pool' ONLINE "$(zpool list -H -o health data)"
same 'its disks' 2 "$(zpool status data | grep -c 'nvme-QEMU_NVMe_Ctrl_DATA.*ONLINE')"
zpool status data | grep -q 'mirror-0' || not 'it is a mirror'
same 'its sectors' 12 "$(zpool get -H -o value ashift data)"
same 'the data set' data/pve-files "$(findmnt -nro SOURCE /data/pve-files)"
case $round in
  1) date >"/data/pve-files/kept" ;;
  *) [ -s /data/pve-files/kept ] || not 'what was on the pool is still there' ;;
esac

ip -4 -o address show dev vmbr0 | grep -qF " $address/24 " || not "vmbr0 has $address"
[ -n "$(ip route show default dev vmbr0)" ] || not 'the default route is on vmbr0'
ip -4 -o address | grep -qF " 10.10.99.$number/24 " || not 'the backplane is up'
systemctl --quiet is-active NetworkManager && not 'NetworkManager is off'
ifquery --check -a >/tmp/ifquery 2>&1 || not "ifupdown2 agrees: $(cat /tmp/ifquery)"

pvecm status | grep -q '^Quorate: *Yes' || not 'the cluster has quorum'
same 'members' "$members" "$(grep -c '^ *name: ' /etc/pve/corosync.conf)"
for node in $nodes; do grep -qx " *name: $node" /etc/pve/corosync.conf || not "$node is a member"; done
same 'storages' 'dir: local-files zfspool: local-nvme' "$(grep -hE '^(zfspool|dir): local-' /etc/pve/storage.cfg | sort | tr '\n' ' ' | sed 's/ $//')"
same 'its storages here' 'local-files active local-nvme active' "$(pvesm status | awk '$1 ~ /^local-(files|nvme)$/ { print $1, $3 }' | sort | tr '\n' ' ' | sed 's/ $//')"
same 'its VM' "1$number running" "$(qm list | awk 'NR > 1 { print $1, $3 }')"
same 'VMs' "$members" "$(find /etc/pve/nodes/*/qemu-server -name '*.conf' | wc -l)"
pveum user list --output-format json | grep -q admin@pam || not 'the administrator is known'
curl --silent --insecure --max-time 60 --output /dev/null "https://$address:8006/" || not 'the web page answers'
openssl x509 -in /etc/pve/local/pveproxy-ssl.pem -noout -checkhost "$name.lab.example" | grep -q 'does match' || not 'it has its certificate'
tailscale status --json | grep -q Running || not 'it is in its tailnet'
same 'the login shell' /usr/bin/zsh "$(getent passwd admin | cut -d: -f7)"
# shellcheck source=/dev/null
. /etc/pimg/locale.conf
locale -a | grep -qx "${language%%.*}.utf8" || not 'the language is there'

same 'root' L "$(passwd -S root | cut -d ' ' -f 2)"
[ ! -e /var/lib/pimg/secrets ] || not 'the secrets are gone'
[ ! -e /var/lib/pimg/repo ] || not 'the packages are gone'
# acme.sh keeps the token of the DNS for renewals, for root alone
left=$(grep -rlaE "cf-marker|tskey-marker" /boot/firmware /etc /home /opt /root /run /srv /usr/local /var 2>/dev/null | grep -v '^/root/.acme.sh/') || left=''
same 'secrets left' '' "$left"
same 'what others may do with the token' 600 "$(stat -c %a /root/.acme.sh/account.conf)"
journalctl --no-pager | grep -qE "cf-marker|tskey-marker" && not 'no secret is in the journal'
echo "$name is as it should be"
