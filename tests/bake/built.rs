//! `pimg build` with a bake of a package that asks for an initramfs, and `pimg verify --rebuild`, which bakes once more.

use std::fs;
use std::path::Path;

use crate::debian;
use crate::support::{self, Project};

/// It puts itself into the initramfs.
const PACKAGE: &str = "btrfs-progs";
const PROFILE: &str = "extends = \"raspios\"\nhostname = \"baked\"\noverlays = []\nbake = true\n\
                       [user]\nname = \"admin\"\n[network]\naddress = \"10.10.80.60/24\"\n\
                       gateway = \"10.10.80.1\"\ndns = [\"10.10.80.1\"]\n\
                       [packages]\nupgrade = \"none\"\ninstall = [\"btrfs-progs\"]\n";

#[test]
fn an_initramfs_of_the_bake_is_for_the_node_and_the_same_every_time() {
    let Some(base) = support::base_image("pios") else { return };
    let tools = ["qemu-aarch64-static", "zstd", "cpio"];
    if !tools.iter().all(|tool| support::have(tool)) || !debian::archive_answers() {
        return;
    }
    let project = Project::new();
    fs::write(project.join("profiles/baked.toml"), PROFILE).expect("a profile");
    let image = project.build_raw("baked", &base);
    let image = image.to_str().expect("UTF-8");
    let inside = |path: &str| project.pimg_ok(&["inspect", image, path]).stdout;
    let boot = String::from_utf8(inside("/boot")).expect("names");
    let initramfs =
        boot.split_whitespace().find(|word| word.starts_with("initrd.img-")).expect("an initramfs");

    let has = listing(&project.join("initramfs"), &inside(&format!("/boot/{initramfs}")));
    let has_file = |end: &str| has.lines().any(|path| path.ends_with(end));
    assert!(has_file("bin/btrfs"), "made after {PACKAGE} was there:\n{has}");
    // of no machine but the node: not this one's disks, nor its swap
    assert!(has_file("/nvme.ko.xz") || has_file("/nvme.ko"), "modules of all disks:\n{has}");
    assert!(has_file("bin/fsck.ext4"), "the root file system can be checked:\n{has}");
    assert!(!has_file("zz-resume-auto"), "{has}");
    let update = inside("/usr/sbin/update-initramfs");
    assert!(
        !update.windows(4).any(|window| window == b"pimg"),
        "the image has its own update-initramfs again"
    );

    let told = project.pimg_ok(&[
        "verify",
        "--rebuild",
        image,
        "--base",
        base.to_str().expect("UTF-8"),
        "--ssh-key",
        "test.pub",
    ]);
    let told = String::from_utf8(told.stdout).expect("UTF-8");
    assert!(told.contains(": identical\n"), "{told}");
}

/// Paths in an initramfs: of an archive as it is, for what is compressed already, and of a compressed one behind it.
fn listing(place: &Path, bytes: &[u8]) -> String {
    let find = |what: &[u8], from: usize| {
        let found = bytes[from..].windows(what.len()).position(|window| window == what);
        found.map(|at| from + at)
    };
    let plain_end = find(b"TRAILER!!!", 0).unwrap_or(0);
    let compressed = find(&[0x28, 0xb5, 0x2f, 0xfd], plain_end).expect("what zstd has compressed");
    fs::create_dir(place).expect("a directory");
    fs::write(place.join("plain"), &bytes[..compressed]).expect("an archive");
    fs::write(place.join("compressed"), &bytes[compressed..]).expect("an archive");
    let script = "set -euo pipefail; cd \"$1\"; [ ! -s plain ] || cpio --quiet -t <plain; zstd -dcq compressed | cpio --quiet -t";
    support::run("bash", &["-c", script, "bash", place.to_str().expect("UTF-8")])
}
