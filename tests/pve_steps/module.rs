//! The kernel module of ZFS.

use crate::node::Node;

const RUNNING: &str = "6.12.47+rpt-rpi-v8";

/// A node with the kernels of two boards, and the sources of the module.
fn node(module: &str) -> Node {
    let node = Node::new(&["zfs"]);
    node.put("etc/pimg/zfs.conf", &format!("zfs_module={module}\n"));
    node.put("etc/machine-id", "0123abcd89abcdef0123456789abcdef\n");
    node.put("etc/dkms/no-autoinstall", "");
    for kernel in [RUNNING, "6.12.47+rpt-rpi-2712"] {
        node.put(&format!("lib/modules/{kernel}/build/include/.keep"), "");
    }
    node.put("var/lib/dkms/zfs/2.4.4/half", "of a build");
    node.put("sys/module/zfs/version", "2.4.4-1\n");
    node.stub("uname", &format!("echo {RUNNING}"));
    node.stub("hostid", "cat $root/hostid 2>/dev/null || echo 0");
    node.stub("zgenhostid", "echo $2 >$root/hostid; touch $root/etc/hostid");
    node.stub("dpkg", "printf '/usr/src\\n/usr/src/zfs-2.4.4\\n/usr/src/zfs-2.4.4/META\\n'");
    node.stub("dpkg-query", "cat $root/tools 2>/dev/null || echo '2.4.4-1~bpo13+1'");
    node.stub("dkms", "[ ! -e $root/bad ] || { echo 'Error! Bad return status' >&2; exit 10; }; [ $1 != install ] || echo $4 >$root/module");
    node.stub("modinfo", "[ \"$(cat $root/module 2>/dev/null)\" = $2 ] && echo 2.4.4-1");
    node.stub("modprobe", "[ -e $root/module ] && [ ! -e $root/damaged ]");
    node.stub("depmod", "");
    node
}

/// A node whose image has brought the package of the module for these kernels; `loading` is the one that it loads on.
fn prebuilt(packages: &[&str], loading: Option<&str>) -> Node {
    let node = node("prebuilt");
    let names: Vec<_> = packages.iter().map(|kernel| format!("installed zfs-modules-{kernel}\\n")).collect();
    let listed = names.concat();
    node.stub(
        "dpkg-query",
        &format!("case $* in *zfs-modules*) printf '{listed}' ;; *) echo '2.4.4-1~bpo13+1' ;; esac"),
    );
    if let Some(kernel) = loading {
        node.put("module", kernel);
    }
    node
}

#[test]
fn a_module_that_came_with_the_image_is_only_verified() {
    let node = prebuilt(&[RUNNING], Some(RUNNING));
    node.run("zfs-module").done();
    let calls = node.calls();
    assert!(
        node.called("modprobe zfs") && node.called("systemctl restart zfs-load-module.service"),
        "{calls}"
    );
    assert!(
        !node.called("dkms") && !node.called("depmod"),
        "nothing is made, and nothing is searched: {calls}"
    );
    assert_eq!(node.read("hostid"), "0123abcd\n");
    assert!(!node.has("etc/dkms/no-autoinstall"), "a later kernel may get its module by zfs-dkms");
}

#[test]
fn a_kernel_without_its_package_of_modules_stops_with_the_mend() {
    let node = prebuilt(&["6.12.47+rpt-rpi-2712"], None);
    node.stub("dpkg", "exit 1");
    node.run("zfs-module").stopped(&[
        &format!("there is no zfs module for the kernel {RUNNING} (there is one for: 6.12.47+rpt-rpi-2712)"),
        "build the image again",
        "module = \"dkms\"",
    ]);
    assert!(!node.called("dkms "), "{}", node.calls());
    let none = prebuilt(&[], None);
    none.stub("dpkg", "exit 1");
    none.run("zfs-module").stopped(&["there is one for: none"]);
    let damaged = prebuilt(&[RUNNING], Some(RUNNING));
    damaged.put("damaged", "");
    damaged.run("zfs-module").retries(&["zfs-modules-6.12.47", "does not load", "dmesg"]);
    assert!(!damaged.called("dkms "), "zfs-dkms is for later kernels: {}", damaged.calls());
    let other_tools = prebuilt(&[RUNNING], Some(RUNNING));
    other_tools.stub("dpkg-query", "echo 2.3.4-pve1");
    other_tools.run("zfs-module").stopped(&["the module of ZFS is 2.4.4-1 and its tools are 2.3.4-pve1"]);
}

#[test]
fn the_module_is_built_for_the_running_kernel_and_for_no_other() {
    let node = node("dkms");
    node.run("zfs-module").done();
    let calls = node.calls();
    assert!(calls.contains(&format!("dkms build zfs/2.4.4 -k {RUNNING}")), "{calls}");
    assert!(calls.contains(&format!("dkms install zfs/2.4.4 -k {RUNNING} --force")), "{calls}");
    assert!(!calls.contains("2712"), "{calls}");
    assert!(!node.has("var/lib/dkms/zfs/2.4.4/half"), "nothing of an earlier attempt is built upon");
    assert!(!node.has("etc/dkms/no-autoinstall"));
    assert_eq!(node.read("hostid"), "0123abcd\n");
    node.remove("var/lib/pimg/done/zfs-module");
    node.forget_calls();
    node.run("zfs-module").done();
    assert!(!node.called("dkms"), "{}", node.calls());
}

#[test]
fn a_newer_kernel_of_the_flavour_gets_it_before_it_starts() {
    let node = node("dkms");
    node.put("lib/modules/6.18.39+rpt-rpi-v8/build/include/.keep", "");
    node.run("zfs-module").done();
    assert!(node.called("dkms build zfs/2.4.4 -k 6.18.39+rpt-rpi-v8"), "{}", node.calls());
    assert!(!node.called("modprobe"), "the running kernel has none");
}

#[test]
fn what_cannot_be_built_stops_with_the_mend() {
    let bad = node("dkms");
    bad.put("bad", "");
    bad.run("zfs-module").stopped(&["does not build for the kernel 6.12.47", "make.log", "zfs-dkms"]);
    assert!(bad.has("etc/dkms/no-autoinstall"));
    let bare = node("dkms");
    fs_err::remove_dir_all(bare.path(&format!("lib/modules/{RUNNING}/build"))).expect("is there");
    bare.run("zfs-module").stopped(&["headers of the kernel", "packages.install"]);
    let given = node("given");
    given.run("zfs-module").stopped(&["no zfs module that loads", "module = \"dkms\""]);
    assert!(!given.called("dkms"));
}

#[test]
fn a_module_that_does_not_load_or_does_not_fit_the_tools_is_told() {
    let damaged = node("dkms");
    damaged.put("module", RUNNING);
    damaged.put("damaged", "");
    damaged.run("zfs-module").retries(&["does not load", "dmesg"]);
    assert!(damaged.called("dkms build"), "what does not load is built anew");
    let given = node("given");
    given.put("module", RUNNING);
    given.put("tools", "2.3.4-pve1");
    given.run("zfs-module").stopped(&["the module of ZFS is 2.4.4-1 and its tools are 2.3.4-pve1"]);
}

#[test]
fn a_module_that_was_built_ahead_is_verified_and_nothing_is_compiled() {
    let node = node("prebuilt");
    node.put("module", RUNNING);
    node.put(&format!("lib/modules/{RUNNING}/updates/pimg/zfs.ko"), "");
    node.stub("dpkg", "[ $1 = --verify ] && cat $root/changed 2>/dev/null; [ ! -e $root/changed ]");
    node.run("zfs-module").done();
    assert!(node.called(&format!("dpkg --verify zfs-modules-{RUNNING}")), "{}", node.calls());
    assert!(!node.called("dkms"), "{}", node.calls());
    assert!(!node.has("etc/dkms/no-autoinstall"), "later kernels may get theirs");
    node.remove("var/lib/pimg/done/zfs-module");
    node.put("changed", "??5?????? /usr/lib/modules/6.12.47+rpt-rpi-v8/updates/pimg/zfs.ko\n");
    node.run("zfs-module").retries(&["are not what they were", "updates/pimg/zfs.ko"]);
}

#[test]
fn a_later_kernel_is_compiled_for_where_the_sources_came_along() {
    let bare = node("prebuilt");
    bare.stub("dpkg", "exit 1");
    bare.run("zfs-module").stopped(&["there is no zfs module for the kernel", "module = \"dkms\""]);
    assert!(!bare.called("dkms"));
    let with_sources = node("prebuilt");
    with_sources.put("lib/modules/6.18.39+rpt-rpi-v8/build/include/.keep", "");
    with_sources.run("zfs-module").done();
    assert!(with_sources.called("dkms build zfs/2.4.4 -k 6.18.39+rpt-rpi-v8"), "{}", with_sources.calls());
}
