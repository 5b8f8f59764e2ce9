//! The VM of Talos Linux.

use crate::node::Node;

/// SHA-256 of `talos\n`.
const DIGEST: &str = "53b6f9a4c2f0a1a2f6f9c2d7ba1c4e2f3f1f2c5e3c2b1a0f9e8d7c6b5a493827";

const QM: &str = r#"
conf=$root/etc/pve/nodes/node-a/qemu-server/150.conf
list() { printf '{"version": 3, "ids": {\n "150": { "node": "%s", "type": "qemu", "version": 2 }}}' $1 >$root/etc/pve/.vmlist; }
case $1 in
  create) [ ! -e $conf ] || { echo 'unable to create VM 150 - VM 150 already exists' >&2; exit 255; }
    mkdir -p ${conf%/*}; list node-a
    [ ! -e $root/cut ] || { rm $root/cut; echo 'lock: create' >$conf; exit 137; }
    echo 'name: talos-cp-node-a' >$conf ;;
  destroy) rm $conf; echo '{}' >$root/etc/pve/.vmlist ;;
  start) [ ! -e $root/broken ] || exit 1; touch $root/started ;;
  status) [ -e $root/started ] && echo 'status: running' || echo 'status: stopped' ;;
  config) cat $conf ;;
esac
"#;

fn node() -> Node {
    let node = Node::new(&["talos-vm"]);
    let pool = node.root().trim_start_matches('/').to_owned() + "/data";
    node.put(
        "etc/pimg/talos-vm.conf",
        &format!("talos_host=node-a talos_network=10.8.0.50/24 talos_bridge=vmbr0 talos_pool={pool} talos_sha256='' talos_cores=4 talos_memory=4294967296 talos_disk=34359738368\n"),
    );
    node.put("var/lib/pimg/talos/talos.iso", "talos\n");
    let iso = node.root() + "/var/lib/pimg/talos/talos.iso";
    node.put("var/lib/pimg/sha256sums", &format!("{DIGEST}  {iso}\n"));
    node.stub(
        "sha256sum",
        &format!("read -r digest file; [ \"$digest\" = {DIGEST} ] && [ \"$(cat $file)\" = talos ]"),
    );
    node.put("etc/pve/.vmlist", "{}");
    node.stub("qm", QM);
    node.stub(
        "genisoimage",
        "out=; while [ $# -gt 1 ]; do [ \"$1\" != -o ] || out=$2; shift; done; cat $1/* >$out",
    );
    node
}

#[test]
fn a_vm_is_made_and_started_once() {
    let node = node();
    node.run("talos-vm").done();
    let calls = node.calls();
    let create = calls.lines().find(|call| call.starts_with("qm create")).unwrap_or_default();
    assert_eq!(
        create,
        "qm create 150 --name talos-cp-node-a --ostype l26 --bios ovmf --machine virt --cpu host --cores 4 --memory 4096 --scsihw virtio-scsi-pci --efidisk0 local-nvme:1,efitype=4m,pre-enrolled-keys=0 --scsi0 local-nvme:32 --scsi2 local-files:iso/talos-53b6f9a4c2f0.iso,media=cdrom --boot order=scsi0;scsi2;net0 --net0 virtio,bridge=vmbr0 --agent 1 --onboot 1"
    );
    assert!(node.has("data/pve-files/template/iso/talos-53b6f9a4c2f0.iso"));
    assert!(!node.has("var/lib/pimg/talos/talos.iso"), "the card has its room back");
    node.remove("var/lib/pimg/done/talos-vm");
    node.forget_calls();
    node.run("talos-vm").done();
    assert!(!node.called("qm create") && !node.called("qm start"));
}

#[test]
fn a_machine_configuration_comes_by_a_volume_of_its_own() {
    use std::os::unix::fs::PermissionsExt as _;
    let node = node();
    node.put("var/lib/pimg/secrets/talos.machine_config", "hush: hush\n");
    let ended = node.run("talos-vm");
    ended.done();
    assert!(
        node.calls().contains("--scsi1 local-files:iso/talos-config-node-a.iso,media=cdrom"),
        "{}",
        node.calls()
    );
    let volume = "data/pve-files/template/iso/talos-config-node-a.iso";
    assert!(
        node.read(volume).contains("hush: hush")
            && node.read(volume).contains("instance-id: talos-cp-node-a")
    );
    let mode = fs_err::metadata(node.path(volume)).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!node.has("var/lib/pimg/secrets/talos.machine_config"));
    assert!(!ended.log.contains("hush") && !node.calls().contains("hush"));
    assert_eq!(
        fs_err::read_dir(node.path("run/pimg"))
            .expect("is there")
            .filter(|entry| entry
                .as_ref()
                .is_ok_and(|entry| entry.path().is_dir() && entry.path().join("user-data").exists()))
            .count(),
        0
    );
}

#[test]
fn a_vm_that_was_half_made_is_made_again_and_nobody_elses_is_touched() {
    let cut = node();
    cut.put("cut", "");
    cut.run("talos-vm").retries(&[]);
    cut.run("talos-vm").done();
    assert!(cut.called("qm destroy 150 --skiplock 1 --purge 1 --destroy-unreferenced-disks 1"));
    for place in ["node-a", "node-b"] {
        let taken = node();
        taken.put(
            "etc/pve/.vmlist",
            &format!("{{\"ids\":{{\"150\":{{\"node\":\"{place}\",\"type\":\"qemu\"}}}}}}"),
        );
        taken.put(&format!("etc/pve/nodes/{place}/qemu-server/150.conf"), "name: else\nlock: create\n");
        taken.run("talos-vm").stopped(&["150 belongs to another guest", place]);
        assert!(!taken.called("qm destroy") && !taken.called("qm create"));
    }
}

#[test]
fn a_vm_that_moved_stays_where_it_is() {
    let node = node();
    node.put("etc/pve/.vmlist", "{\"ids\":{\"150\":{\"node\":\"node-b\",\"type\":\"qemu\"}}}");
    node.put("etc/pve/nodes/node-b/qemu-server/150.conf", "name: talos-cp-node-a\n");
    node.run("talos-vm").done();
    assert!(!node.called("qm create") && !node.called("qm start"));
}

#[test]
fn a_damaged_iso_and_a_vm_that_does_not_start_are_told() {
    let damaged = node();
    damaged.put("var/lib/pimg/talos/talos.iso", "tales\n");
    damaged.run("talos-vm").stopped(&["is not the file that was locked"]);
    let broken = node();
    broken.put("broken", "");
    broken.run("talos-vm").retries(&["VM 150 does not start", "qm destroy 150"]);
}
