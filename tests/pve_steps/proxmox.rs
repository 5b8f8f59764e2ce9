//! Services, storages and the administrator of Proxmox VE.

use crate::node::Node;

fn node() -> Node {
    let node = Node::new(&["pve-node"]);
    // `/data` of the node is in its folder
    let pool = node.root().trim_start_matches('/').to_owned() + "/data";
    node.put(
        "etc/pimg/pve-node.conf",
        &format!("pve_host=node-a pve_network=10.8.0.1/24 pve_user=admin pve_pool={pool}\n"),
    );
    node.stub("mountpoint", "true");
    node.stub("curl", "true");
    node.stub("getent", "case $1 in passwd) echo x ;; *) echo \"$(cat $root/address 2>/dev/null || echo 10.8.0.1) STREAM\" ;; esac");
    node.stub("passwd", "case $1 in -S) echo \"root $(cat $root/locked 2>/dev/null || echo P) 2026\" ;; -l) echo L >$root/locked ;; esac");
    node
}

#[test]
fn services_run_and_the_source_of_subscribers_is_off() {
    let node = node();
    node.put(
        "etc/apt/sources.list.d/pve-enterprise.sources",
        "Types: deb\nURIs: https://enterprise.proxmox.com/debian/pve\nEnabled: yes\n",
    );
    node.put(
        "etc/apt/sources.list.d/ceph.list",
        "deb https://enterprise.proxmox.com/debian/ceph-squid trixie enterprise\n",
    );
    node.put("etc/apt/sources.list.d/other.list", "deb https://example.org/ x main\n");
    node.run("pve-services").done();
    let source = node.read("etc/apt/sources.list.d/pve-enterprise.sources");
    assert_eq!(source, "Enabled: no\nTypes: deb\nURIs: https://enterprise.proxmox.com/debian/pve\n");
    assert!(node.read("etc/apt/sources.list.d/ceph.list").starts_with("# deb"));
    assert!(node.read("etc/apt/sources.list.d/other.list").starts_with("deb"));
    assert!(node.called("curl") && node.calls().contains("https://10.8.0.1:8006/"));
}

#[test]
fn a_name_on_the_loopback_a_dead_service_and_a_silent_page_are_told() {
    let looped = node();
    looped.put("address", "127.0.1.1\n");
    looped.run("pve-services").stopped(&["node-a does not resolve to 10.8.0.1", "/etc/hosts"]);
    let dead = node();
    dead.stub(
        "systemctl",
        "case \"$1 $2\" in 'is-active --quiet'|'start pvedaemon') [ \"${@: -1}\" != pvedaemon ] ;; esac",
    );
    dead.run("pve-services").retries(&["pvedaemon does not start", "journalctl -u pvedaemon"]);
    let silent = node();
    silent.stub("curl", "exit 7");
    silent.put("patience", "40\n");
    silent.run("pve-services").retries(&["https://10.8.0.1:8006 does not answer"]);
}

const PVESM: &str = r#"
case $1 in
  status) echo 'Name Type Status Total'; echo "local dir $([ -e $root/off ] && echo disabled || echo active) 1"
    for s in local-nvme local-files; do [ ! -e $root/$s ] || echo "$s x $(cat $root/$s) 1"; done ;;
  add) [ ! -e $root/first ] || { rm $root/first; echo active >$root/$3; }
    [ ! -e $root/$3 ] || { echo "storage ID '$3' already defined" >&2; exit 255; }; echo active >$root/$3 ;;
  set) touch $root/off ;;
esac
"#;

#[test]
fn storages_are_defined_once_whoever_comes_first() {
    let node = node();
    node.stub("pvesm", PVESM);
    // another node defines the first one between the question and the answer
    node.put("first", "");
    node.run("storage").done();
    let calls = node.calls();
    assert!(calls.contains("--content images,rootdir --sparse 1"), "{calls}");
    assert!(calls.contains("--content iso,vztmpl,backup,snippets"), "{calls}");
    assert_eq!(calls.matches("pvesm set local --disable 1").count(), 1, "{calls}");
    assert!(!calls.contains("pvesm set local-lvm"), "{calls}");
    node.remove("var/lib/pimg/done/storage");
    node.forget_calls();
    node.run("storage").done();
    assert!(!node.called("pvesm add") && !node.called("pvesm set"), "{}", node.calls());
}

#[test]
fn a_storage_that_is_not_active_and_a_data_set_that_is_not_mounted_are_told() {
    let inactive = node();
    inactive.stub("pvesm", PVESM);
    inactive.put("local-nvme", "inactive");
    inactive.run("storage").retries(&["local-nvme is inactive"]);
    let unmounted = node();
    unmounted.stub("mountpoint", "false");
    unmounted.run("storage").retries(&["is not mounted"]);
}

#[test]
fn the_user_is_made_once_and_root_is_locked() {
    let node = node();
    node.stub("pveum", r#"
case "$1 $2" in
  'user list') echo '[{"enable":1,"userid":"root@pam"}'"$(cat $root/users 2>/dev/null)"']' ;;
  'user add') [ ! -e $root/users ] || { echo "create user failed: user '$3' already exists" >&2; exit 255; }; echo ',{"userid":"admin@pam"}' >$root/users ;;
  'acl list') cat $root/acl 2>/dev/null || echo '[]' ;;
  'acl modify') echo '[ {"path":"/", "propagate":1, "roleid":"Administrator", "type":"user", "ugid":"admin@pam"} ]' >$root/acl ;;
esac"#);
    node.run("pve-user").done();
    assert!(node.called("pveum acl modify / --users admin@pam --roles Administrator"));
    assert_eq!(node.read("locked"), "L\n");
    node.remove("var/lib/pimg/done/pve-user");
    node.forget_calls();
    node.run("pve-user").done();
    assert!(!node.called("pveum user add") && !node.called("pveum acl modify") && !node.called("passwd -l"));
}
