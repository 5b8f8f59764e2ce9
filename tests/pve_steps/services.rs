//! What is asked of others over the network: a certificate, and a tailnet. Refusals stop, faults of the network do not.

use std::os::unix::fs::PermissionsExt as _;

use crate::node::Node;

/// As acme.sh 3.1 behaves; `$root/fault` has what it says when it fails. The certificate is a real one.
const ACME: &str = r#"
echo "acme $* token=${CF_Token:-none}" >>$root/calls
[ "$1" != --home ] || { home=$2; shift 2; }
case $1 in
  --install) mkdir -p $3; cp $0 $3/acme.sh ;;
  --issue) mkdir -p $home/node-a.lab.example_ecc
    [ ! -e $root/fault ] || { cat $root/fault; exit 1; }
    echo "SAVED_CF_Token='$CF_Token'" >$home/account.conf
    cd $home/node-a.lab.example_ecc && openssl req -batch -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout node-a.lab.example.key -out fullchain.cer -days 90 -subj /CN=x -addext subjectAltName=DNS:node-a.lab.example 2>/dev/null ;;
  --install-cert) cp $home/node-a.lab.example_ecc/fullchain.cer $root/etc/pve/local/pveproxy-ssl.pem; cp $home/node-a.lab.example_ecc/node-a.lab.example.key $root/etc/pve/local/pveproxy-ssl.key ;;
esac
"#;

fn tls() -> Node {
    let node = Node::new(&["tls"]);
    node.put("etc/pimg/tls.conf", "acme_name=node-a.lab.example acme_email=me@lab.example acme_plugin=dns_cf acme_address=10.8.0.1/24\n");
    node.put("etc/pve/local/.keep", "");
    node.put("var/lib/pimg/secrets/acme.env.CF_Token", "hush-hush");
    let script = format!("#!/bin/bash\nroot={}\n{ACME}", node.root());
    node.put("usr/share/acme.sh/acme.sh", &script);
    let mode = std::fs::Permissions::from_mode(0o755);
    fs_err::set_permissions(node.path("usr/share/acme.sh/acme.sh"), mode).expect("is ours");
    // the page shows what is in the file; everything else is the real openssl
    node.stub("openssl", "case $1 in s_client) cat $root/etc/pve/local/pveproxy-ssl.pem ;; *) exec /usr/bin/openssl \"$@\" ;; esac");
    node
}

#[test]
fn a_certificate_is_issued_installed_and_renewed_by_a_timer() {
    let node = tls();
    // what an attempt left that was cut off
    node.put("root/.acme.sh/node-a.lab.example_ecc/node-a.lab.example.conf", "Le_Domain='x'\n");
    let ended = node.run("tls");
    ended.done();
    let calls = node.calls();
    assert!(calls.contains("--issue --dns dns_cf -d node-a.lab.example --keylength ec-256 --server letsencrypt token=hush-hush"), "{calls}");
    assert!(
        calls.contains(
            "--install --home /root/.acme.sh --no-cron --no-profile --accountemail me@lab.example token=none"
        ),
        "{calls}"
    );
    assert!(node.called("systemctl enable --now acme-renew.timer"));
    assert!(!node.has("root/.acme.sh/node-a.lab.example_ecc/node-a.lab.example.conf"));
    assert!(!node.has("var/lib/pimg/secrets/acme.env.CF_Token"));
    assert!(!ended.log.contains("hush") && !node.read("var/lib/pimg/log/tls.log").contains("hush"));
    // again, without the secret: nothing is issued twice
    node.remove("var/lib/pimg/done/tls");
    node.forget_calls();
    node.run("tls").done();
    assert!(!node.calls().contains("--issue"));
}

#[test]
fn a_refusal_stops_and_a_fault_of_the_network_does_not() {
    for (said, is_final) in [
        ("[Sun] invalid domain\n[Sun] Error adding TXT record to domain: _acme-challenge.node-a\n", true),
        ("[Sun] You didn't specify a Cloudflare api token yet.\n", true),
        ("[Sun] Cannot find DNS API hook for: dns_xy\n", true),
        ("[Sun] {\"type\":\"urn:ietf:params:acme:error:rejectedIdentifier\"}\n", true),
        (
            "[Sun] Please refer to https://curl.haxx.se/libcurl/c/libcurl-errors.html for error code: 6\n[Sun] invalid domain\n",
            false,
        ),
        ("[Sun] Could not get nonce, let's try again.\n", false),
        ("[Sun] {\"type\":\"urn:ietf:params:acme:error:rateLimited\"}\n", false),
        ("[Sun] something new\n", false),
    ] {
        let node = tls();
        node.put("fault", said);
        let ended = node.run("tls");
        if is_final {
            ended.stopped(&["refused", "acme."])
        } else {
            ended.retries(&["no certificate yet"])
        }
        assert!(node.has("var/lib/pimg/secrets/acme.env.CF_Token"), "is needed once more");
    }
    let bare = tls();
    bare.remove("var/lib/pimg/secrets/acme.env.CF_Token");
    bare.run("tls").stopped(&["no credentials", "pimg seed"]);
}

fn tailnet(answer: &str) -> Node {
    let node = Node::new(&["tailscale"]);
    node.put("var/lib/pimg/secrets/tailscale.auth_key", "tskey-hush");
    node.stub("tailscale", &format!(
        "case $1 in status) printf '{{\\n  \"Version\": \"1\",\\n  \"BackendState\": \"%s\"\\n}}\\n' $(cat $root/state 2>/dev/null || echo NeedsLogin) ;; up) {answer} ;; esac"
    ));
    node
}

#[test]
fn the_key_of_the_tailnet_is_used_once() {
    let node = tailnet("echo Running >$root/state");
    let ended = node.run("tailscale");
    ended.done();
    assert!(
        node.called("tailscale up --auth-key=file:/var/lib/pimg/secrets/tailscale.auth_key --timeout=60s")
    );
    assert!(!node.has("var/lib/pimg/secrets/tailscale.auth_key"));
    assert!(!node.calls().contains("hush") && !ended.log.contains("hush"));
}

#[test]
fn a_bad_key_and_a_silent_network_are_told_apart() {
    let bad = tailnet("echo 'backend error: invalid key: API key does not exist' >&2; exit 1");
    bad.run("tailscale").stopped(&["refused the auth key", "pimg seed"]);
    let silent = tailnet("echo 'timeout waiting for Tailscale service to enter a Running state' >&2; exit 1");
    silent.run("tailscale").retries(&["tailscale up failed: timeout"]);
    let bare = tailnet("exit 1");
    bare.remove("var/lib/pimg/secrets/tailscale.auth_key");
    bare.run("tailscale").stopped(&["no auth key"]);
}
