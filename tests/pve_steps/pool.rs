//! The pool of ZFS. Disks are files, which the real wipefs and blkid read; `zpool` and `zfs` keep a state of their own.

use crate::node::Node;

/// `exported` holds the name of the host that used the pool last, `pool` says that it is imported.
const ZPOOL: &str = r#"
case $1 in
  list) [ -e $root/pool ] || exit 1; [ "$4" = name ] && echo data || cat $root/health ;;
  import)
    [ "${@: -1}" = data ] || { [ -e $root/exported ] || exit 1; for pool in $(cat $root/names); do printf '   pool: %s\n     id: 1\n  state: ONLINE\n' $pool; done; exit; }
    owner=$(cat $root/exported)
    if [ "$owner" = broken ]; then echo "cannot import 'data': I/O error" >&2; exit 1; fi
    if [ "$owner" != me ] && [ "$2" != -f ]; then
      printf "cannot import 'data': pool was previously in use from another system.\nLast accessed by %s (hostid=1) at Thu Jan  1\n" "$owner" >&2; exit 1
    fi
    mv $root/exported $root/pool ;;
  create)
    [ ! -e $root/cut ] || { echo gpt | dd of=$root/dev/nvme0n1 bs=1 seek=510 conv=notrunc status=none; mkswap -q $root/dev/nvme0n1; rm $root/cut; exit 137; }
    echo me >$root/pool ;;
  set) mkdir -p $root/etc/zfs; echo cache >$root/etc/zfs/zpool.cache ;;
  status) [ -e $root/pool ] || exit 0; printf '  pool: data\n\tdata\n\t  mirror-0\n\t    %s/dev/nvme0n1p1  ONLINE\n\t    %s/dev/%sp1  ONLINE\n' $root $root $(cat $root/second) ;;
esac
"#;

const ZFS: &str = r#"
case "$1 $5" in
  "list "*) [ -e $root/sets ] ;;
  "create "*) touch $root/sets ;;
  "get mountpoint") echo /data/pve-files ;;
  "get mounted") echo yes ;;
esac
"#;

fn node(wipe: &str) -> Node {
    let node = Node::new(&["zfs"]);
    let root = node.root();
    node.put(
        "etc/pimg/zfs.conf",
        &format!("zfs_pool=data zfs_disks=({root}/dev/nvme0n1 {root}/dev/nvme1n1) zfs_wipe={wipe} zfs_arc_max=1073741824 zfs_datasets=(pve-files)\n"),
    );
    for (disk, id) in [("nvme0n1", "nvme-A_1"), ("nvme1n1", "nvme-B_2")] {
        blank(&node, disk);
        std::os::unix::fs::symlink(format!("{root}/dev/{disk}"), link(&node, id)).expect("links");
        std::os::unix::fs::symlink(format!("{root}/dev/{disk}"), link(&node, &format!("nvme-eui.{disk}")))
            .expect("links");
    }
    node.put("sys/module/zfs/parameters/zfs_arc_max", "0\n");
    for (file, text) in [("health", "ONLINE\n"), ("second", "nvme1n1\n"), ("names", "data\n")] {
        node.put(file, text);
    }
    node.stub("zpool", ZPOOL);
    node.stub("zfs", ZFS);
    node.stub("lsblk", r#"case $1 in -nrpo) cat $root/parts-${3##*/} 2>/dev/null ;; -dnro) echo 'nvme0n1 1T MODEL' ;; *) cat $root/use 2>/dev/null ;; esac; true"#);
    node.stub("findmnt", "echo data/pve-files");
    node.stub("hostname", "echo node-a");
    for name in ["modprobe", "blockdev", "udevadm"] {
        node.stub(name, "");
    }
    node
}

fn link(node: &Node, id: &str) -> std::path::PathBuf {
    fs_err::create_dir_all(node.path("dev/disk/by-id")).expect("a folder");
    node.path("dev/disk/by-id").join(id)
}

fn blank(node: &Node, disk: &str) {
    node.put(&format!("dev/{disk}"), "");
    let file = fs_err::OpenOptions::new().write(true).open(node.path("dev").join(disk)).expect("opens");
    file.set_len(16 << 20).expect("grows");
}

/// Makes a disk look like a swap partition: a signature that every wipefs knows.
fn foreign(node: &Node, disk: &str) {
    let mut bytes = vec![0; 16 << 20];
    bytes[4086..4096].copy_from_slice(b"SWAPSPACE2");
    bytes[1024] = 1;
    bytes[1028..1032].copy_from_slice(&4095_u32.to_le_bytes());
    fs_err::write(node.path("dev").join(disk), bytes).expect("writes");
}

const CREATE: &str = "zpool create -o ashift=12 -o cachefile=/etc/zfs/zpool.cache data mirror /dev/disk/by-id/nvme-A_1 /dev/disk/by-id/nvme-B_2";

#[test]
fn blank_disks_become_a_mirror_by_their_serial_numbers() {
    let node = node("never");
    node.run("zpool").done();
    assert!(node.called(CREATE), "{}", node.calls());
    assert!(!node.calls().contains("create -f") && !node.called("wipefs"), "{}", node.calls());
    assert!(node.called("systemctl enable --now zfs-scrub-monthly@data.timer"));
    assert_eq!(node.read("sys/module/zfs/parameters/zfs_arc_max"), "1073741824\n");
    assert!(!node.has("var/lib/pimg/zpool.creating"));
}

#[test]
fn what_is_on_a_disk_stays_unless_the_profile_gives_it_up() {
    let node = node("never");
    foreign(&node, "nvme1n1");
    node.run("zpool").stopped(&[
        "/dev/nvme1n1 is not blank",
        "nvme1n1: swap",
        "zfs.wipe = \"yes-destroy-data\"",
    ]);
    assert!(!node.called("zpool create") && !node.has("var/lib/pimg/zpool.creating"));
    // a table of partitions with nothing in them is something, too
    blank(&node, "nvme1n1");
    node.put("parts-nvme1n1", &format!("{}/dev/nvme1n1p1 part\n", node.root()));
    blank(&node, "nvme1n1p1");
    node.run("zpool").stopped(&["nvme1n1p1: a partition"]);
}

#[test]
fn disks_that_the_profile_gives_up_are_wiped() {
    let node = node("yes-destroy-data");
    foreign(&node, "nvme0n1");
    node.run("zpool").done();
    let first = fs_err::read(node.path("dev/nvme0n1")).expect("is there");
    assert!(first.get(4086..4096).is_some_and(|place| place != b"SWAPSPACE2"), "is wiped");
    assert!(node.called(CREATE), "{}", node.calls());
}

#[test]
fn a_disk_in_use_is_never_wiped() {
    let node = node("yes-destroy-data");
    foreign(&node, "nvme0n1");
    node.put("use", "part /\n");
    node.run("zpool").stopped(&["/dev/nvme0n1 is in use at /", "zfs.disks"]);
    node.put("use", "disk\nlvm\n");
    node.run("zpool").stopped(&["in use at lvm"]);
    assert!(!node.called("zpool create"));
}

#[test]
fn a_rebuilt_node_takes_its_pool_back_even_where_disks_may_be_wiped() {
    for owner in ["me", "node-a", "node-a.lab.example"] {
        let node = node("yes-destroy-data");
        node.put("exported", owner);
        node.run("zpool").done();
        assert!(!node.called("zpool create") && !node.called("wipefs"), "{}", node.calls());
        assert_eq!(node.called("zpool import -f"), owner != "me");
    }
}

#[test]
fn a_pool_of_another_node_is_left_alone() {
    let foreigner = node("never");
    foreigner.put("exported", "node-b");
    foreigner.run("zpool").stopped(&["belongs to node-b", "zpool import -f data"]);
    assert!(!foreigner.called("zpool import -f") && !foreigner.called("zpool create"));
    let given_up = node("yes-destroy-data");
    given_up.put("exported", "node-b");
    foreign(&given_up, "nvme0n1");
    given_up.run("zpool").done();
    assert!(given_up.called(CREATE) && !given_up.called("zpool import -f"));
}

#[test]
fn a_pool_that_cannot_be_imported_or_told_apart_is_left_alone() {
    let node = node("yes-destroy-data");
    node.put("exported", "broken");
    node.run("zpool").stopped(&["cannot be imported", "I/O error", "zpool import -F data"]);
    node.put("names", "data\ndata\n");
    node.run("zpool").stopped(&["2 pools called data"]);
    assert!(!node.called("zpool create"));
}

#[test]
fn a_pool_that_was_half_made_is_made_again() {
    let node = node("never");
    node.put("cut", "");
    node.run("zpool").retries(&[]);
    assert!(node.has("var/lib/pimg/zpool.creating"));
    node.forget_calls();
    node.run("zpool").done();
    assert!(node.called(CREATE) && !node.has("var/lib/pimg/zpool.creating"), "{}", node.calls());
}

#[test]
fn the_mark_of_a_half_made_pool_holds_for_its_own_disks_only() {
    let node = node("never");
    node.put("var/lib/pimg/zpool.creating", "/dev/disk/by-id/nvme-A_1 /dev/disk/by-id/nvme-C_3");
    foreign(&node, "nvme1n1");
    node.run("zpool").stopped(&["is not blank"]);
}

#[test]
fn a_missing_disk_is_waited_for_and_named() {
    let node = node("never");
    node.remove("dev/nvme1n1");
    let ended = node.run("zpool");
    ended.retries(&[]);
    ended.waited(&["/dev/nvme1n1, which is not there (there is: nvme0n1 1T MODEL)", "zfs.disks"]);
    node.put("on-sleep", "truncate -s 16M $root/dev/nvme1n1");
    node.run("zpool").done();
}

#[test]
fn a_pool_that_is_not_whole_or_not_these_disks_stops() {
    let node = node("never");
    node.put("pool", "me");
    node.put("health", "DEGRADED\n");
    node.run("zpool").stopped(&["data is DEGRADED", "zpool replace data OLD NEW"]);
    node.put("health", "ONLINE\n");
    node.put("second", "sda\n");
    node.run("zpool").stopped(&["does not use /dev/nvme1n1", "zpool attach"]);
}
