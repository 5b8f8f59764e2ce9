#!/usr/bin/env sh
# Stands in for acme.sh 3.1: its options, its files, its exit codes. What it issues is signed by itself, and a token
# with `bad` in it is refused as Cloudflare refuses it.
set -u
root=${STANDIN_ROOT:-}
home=${LE_WORKING_DIR:-$root/root/.acme.sh}
command='' domain='' key_file='' fullchain_file='' cert_file='' ca_file='' reload='' force='' email='' dns='' server='' cron=yes
length=ec-256
[ -d "$root/var/log" ] && printf '%s acme.sh %s\n' "$(date -Is)" "$*" >>"$root/var/log/stand-in.log"

say() { printf '[%s] %s\n' "$(date)" "$*"; }
err() { say "$@" >&2; }

while [ $# -gt 0 ]; do
  case $1 in
    --install | --issue | --install-cert | --installcert | --cron | --renew | --remove | --list | --version | \
      --set-default-ca | --register-account | --uninstall-cronjob | --info) command=${1#--} ;;
    --no-cron | --nocron) cron=no ;;
    --force | -f) force=yes ;;
    --no-profile | --noprofile | --ecc | --log | --debug | --staging | --test) ;;
    --home | --config-home | --cert-home) home=$2; shift ;;
    -d | --domain) [ -n "$domain" ] || domain=$2; shift ;;
    -m | --email | --accountemail) email=$2; shift ;;
    --key-file) key_file=$2; shift ;;
    --fullchain-file) fullchain_file=$2; shift ;;
    --cert-file) cert_file=$2; shift ;;
    --ca-file) ca_file=$2; shift ;;
    --reloadcmd) reload=$2; shift ;;
    --dns) case ${2:-} in dns_*) dns=$2; shift ;; *) dns=manual ;; esac ;;
    --keylength | -k) length=$2; shift ;;
    --server) server=$2; shift ;;
    --dnssleep | --days | --log-level | --cert-profile | --preferred-chain) shift ;;
    *) err "Unknown parameter: $1"; exit 1 ;;
  esac
  shift
done
if [ -z "$email" ] && [ -e "$home/account.conf" ]; then email=$(sed -n "s/^ACCOUNT_EMAIL='\(.*\)'/\1/p" "$home/account.conf"); fi
case $length in ec-*) folder=$home/${domain}_ecc ;; *) folder=$home/$domain ;; esac
conf=$folder/$domain.conf

# set_conf FILE NAME VALUE: one line NAME='VALUE', whatever was there before
set_conf() {
  mkdir -p "$(dirname "$1")"
  touch "$1"
  chmod 600 "$1"
  { grep -v "^$2=" "$1"; printf "%s='%s'\n" "$2" "$3"; } >"$1.new"
  mv "$1.new" "$1"
}
get_conf() { sed -n "s/^$2='\(.*\)'/\1/p" "$1" 2>/dev/null; }

install() {
  if [ "$cron" = yes ] && ! command -v crontab >/dev/null; then
    err 'It is recommended to install crontab first. Try to install '"'cron', 'crontab', 'crontabs' or 'vixie-cron'."
    err 'Pre-check failed, cannot install.'
    return 1
  fi
  say "Installing to $home"
  mkdir -p "$home" && cp -R acme.sh dnsapi deploy notify "$home/" || return 1
  [ -z "$email" ] || set_conf "$home/account.conf" ACCOUNT_EMAIL "$email"
  say 'OK'
}

dns_record() {
  token=${CF_Token:-$(get_conf "$home/account.conf" SAVED_CF_Token)}
  if [ -z "$token" ]; then
    err "You didn't specify a Cloudflare api key and email yet."
    err 'You can get yours from here https://dash.cloudflare.com/profile.'
    err "Error adding TXT record to domain: _acme-challenge.$domain"
    return 1
  fi
  set_conf "$home/account.conf" SAVED_CF_Token "$token"
  say "Adding TXT value: stand-in for domain: _acme-challenge.$domain"
  case $token in
    *bad*)
      err 'invalid domain'
      err "Error adding TXT record to domain: _acme-challenge.$domain"
      return 1 ;;
  esac
  say 'Adding record' && say 'Added, OK'
}

sign() {
  openssl req -batch -x509 -new -key "$folder/$domain.key" -days 90 -subj "/CN=$domain" \
    -addext "subjectAltName=DNS:$domain" -out "$folder/$domain.cer.new" 2>/dev/null || return 1
  cp "$folder/$domain.cer.new" "$folder/ca.cer"
  cp "$folder/$domain.cer.new" "$folder/fullchain.cer"
  mv "$folder/$domain.cer.new" "$folder/$domain.cer"
  set_conf "$conf" Le_NextRenewTime "$(($(date +%s) + 60 * 86400))"
  say 'Cert success.'
}

issue() {
  [ -n "$domain" ] || { err 'Please specify at least one domain.'; return 1; }
  case $dns in
    dns_cf) ;;
    '') err 'Please specify at least one validation method: --webroot, --standalone, --apache, --nginx or --dns etc.'; return 1 ;;
    *) err "Cannot find DNS API hook for: $dns"; return 1 ;;
  esac
  next=$(get_conf "$conf" Le_NextRenewTime)
  if [ -z "$force" ] && [ -n "$next" ] && [ -s "$folder/$domain.cer" ] && [ "$(date +%s)" -lt "$next" ]; then
    say 'Domains not changed.'
    say "Skipping. Next renewal time is: $(date -ud "@$next" +%FT%TZ)"
    say "Add '--force' to force renewal."
    return 2
  fi
  if [ -z "$server" ] && [ -z "$email" ]; then
    err "No EAB credentials found for ZeroSSL, and no email: please run acme.sh --register-account -m my@example.com"
    return 1
  fi
  say "Using CA: https://acme-v02.api.letsencrypt.org/directory"
  mkdir -p "$folder"
  set_conf "$conf" Le_Domain "$domain"
  set_conf "$conf" Le_Webroot "$dns"
  set_conf "$conf" Le_Keylength "$length"
  case $length in ec-*) how='EC -pkeyopt ec_paramgen_curve:P-256' ;; *) how="RSA -pkeyopt rsa_keygen_bits:$length" ;; esac
  # shellcheck disable=SC2086  # words
  [ -s "$folder/$domain.key" ] || (umask 077 && openssl genpkey -algorithm $how -out "$folder/$domain.key" 2>/dev/null) || return 1
  openssl req -batch -new -key "$folder/$domain.key" -subj "/CN=$domain" -out "$folder/$domain.csr" || return 1
  # where it ends here the folder stays behind without a certificate, as with the real one
  dns_record || { err "Please check log file for more details: $home/acme.sh.log"; return 1; }
  sign
}

# put FROM TO: over what is there, so that its owner and mode stay
put() { [ -z "$2" ] || { say "Installing to: $2" && cat "$1" >"$2"; }; }

put_all() {
  put "$folder/$domain.cer" "$cert_file" && put "$folder/ca.cer" "$ca_file" && put "$folder/$domain.key" "$key_file" &&
    put "$folder/fullchain.cer" "$fullchain_file" || return 1
  [ -n "$reload" ] || return 0
  say "Running reload cmd: $reload"
  if (cd "$folder" && eval "$reload"); then say 'Reload successful'; else err "Reload error for: $domain"; return 1; fi
}

install_cert() {
  if [ ! -s "$folder/$domain.cer" ]; then
    err "The domain '$domain' is not a cert name. You must use the cert name to specify the cert to install."
    return 1
  fi
  set_conf "$conf" Le_RealCertPath "$cert_file"
  set_conf "$conf" Le_RealCACertPath "$ca_file"
  set_conf "$conf" Le_RealKeyPath "$key_file"
  set_conf "$conf" Le_RealFullChainPath "$fullchain_file"
  # in base64, between marks
  set_conf "$conf" Le_ReloadCmd "__ACME_BASE64__START_$(printf %s "$reload" | base64 -w 0)__ACME_BASE64__END_"
  put_all
}

# renew: the domain's certificate again, if it is due or --force was given, and to where it was put before
renew() {
  [ -s "$conf" ] || { err "'$domain' is not an issued domain, skipping."; return 1; }
  dns=$(get_conf "$conf" Le_Webroot) length=$(get_conf "$conf" Le_Keylength) server=kept
  say "Renewing: '$domain'"
  issue || return
  cert_file=$(get_conf "$conf" Le_RealCertPath) ca_file=$(get_conf "$conf" Le_RealCACertPath)
  key_file=$(get_conf "$conf" Le_RealKeyPath) fullchain_file=$(get_conf "$conf" Le_RealFullChainPath)
  reload=$(get_conf "$conf" Le_ReloadCmd | sed 's/^__ACME_BASE64__START_//; s/__ACME_BASE64__END_$//' | base64 -d)
  put_all
}

renew_all() {
  say '===Starting cron==='
  result=0
  for conf in "$home"/*/*.conf; do
    [ -e "$conf" ] || continue
    folder=${conf%/*} domain=$(get_conf "$conf" Le_Domain)
    renew
    case $? in 0 | 2) ;; *) err "Error renewing $domain."; result=1 ;; esac
  done
  say '===End cron==='
  return "$result"
}

case $command in
  install) install ;;
  issue) issue ;;
  install-cert | installcert) install_cert ;;
  cron) renew_all ;;
  renew) renew ;;
  remove) set_conf "$conf" Le_Domain "$domain"; mv "$conf" "$conf.removed"; say "$domain has been removed." ;;
  list) printf 'Main_Domain\n'; for conf in "$home"/*/*.conf; do [ ! -e "$conf" ] || get_conf "$conf" Le_Domain; done ;;
  version) printf 'https://github.com/acmesh-official/acme.sh\nv3.1.3\n' ;;
  set-default-ca | register-account | uninstall-cronjob | info) ;;
  *) err 'acme.sh: what is to be done?'; exit 1 ;;
esac
