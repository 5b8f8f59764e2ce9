//! What the kernel and the checkers of others see of a layer that was applied.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::{Digest, Sha256};
use tar::EntryType;

use crate::judges;
use crate::layer::{EPOCH, Item, bake, write};
use crate::mount::{Entry, Mount};
use crate::support;
use crate::tiny_base::{Node, TinyBase};

/// Effective `cap_net_raw`, version 2.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Group 10 may read: the number of that group is a line break.
fn acl() -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] =
        [(1, 7, u32::MAX), (4, 5, u32::MAX), (8, 5, 10), (0x10, 5, u32::MAX), (0x20, 5, u32::MAX)];
    let bytes = entries.iter().flat_map(|(tag, permissions, id)| {
        [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
    });
    2_u32.to_le_bytes().into_iter().chain(bytes).collect()
}

fn base() -> TinyBase {
    TinyBase::new()
        .with("opt/replaced", "old")
        .with("opt/becomes-dir", "old")
        .with("opt/gone/deep/file", "old")
        .with("opt/hidden/old", "old")
        .with("opt/hidden/sub/old", "old")
        .with("opt/dir-to-file/old", "old")
        .with("opt/dir-to-link/old", "old")
        .with("opt/kept/old", "old")
        .with_link("opt/link", "old")
}

/// Every kind of entry, and every kind of thing that it can take the place of.
fn items() -> Vec<Item> {
    let long = format!("opt/{}/{}", "n".repeat(120), "m".repeat(200));
    let mut items = vec![
        Item::file("boot/firmware/config.txt", "arm_64bit=1\n"),
        Item::file("boot/firmware/.wh.kernel8.img", ""),
        Item::dir("boot/firmware/overlays"),
        Item::file("boot/firmware/overlays/x.dtbo", vec![7; 70_000]),
        Item::file("boot/firmware/initramfs8", vec![9; 3_000_000]),
        Item::dir("dev"),
        Item::character("dev/null", 1, 3),
        Item::dir("opt").mode(0o751).owner(3, 4),
        Item::file("opt/.wh.gone", ""),
        Item::dir("opt/acl")
            .xattr("system.posix_acl_default", &acl())
            .xattr("system.posix_acl_access", &acl()),
        Item::dir("opt/becomes-dir").mode(0o2775).owner(0, 50),
        Item::file("opt/becomes-dir/new", "new"),
        Item::file("opt/dir-to-file", "new").mode(0o600),
        Item::symlink("opt/dir-to-link", "/etc/hosts"),
        Item::file("opt/empty", ""),
        Item::fifo("opt/fifo").owner(107, 108),
        Item::dir("opt/hidden"),
        Item::file("opt/hidden/.wh..wh..opq", ""),
        Item::file("opt/hidden/new", "new"),
        Item::file("opt/large", (0..5_000_000_u32).map(|at| (at % 251) as u8).collect::<Vec<_>>()),
        Item::symlink("opt/link", "new target"),
        Item::dir(&long[..long.rfind('/').expect("a slash")]),
        Item::file(&long, "long"),
        Item::file("opt/ping", "ping").mode(0o755).xattr("security.capability", &CAPABILITY),
        Item::hard_link("opt/ping-too", "opt/ping"),
        Item::file("opt/replaced", "new and longer"),
        Item::file("opt/setuid", "su").mode(0o4755).owner(3_000_000, 70_000),
        Item::file("opt/user", "u").xattr("user.note", b"a\nb"),
        Item::file("opt/with-\u{e9}", "utf-8"),
    ];
    items[1].mtime = 0;
    items.iter_mut().skip(20).step_by(3).for_each(|item| item.mtime = 1_650_000_001);
    items
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What the kernel is to say of an item, but for attributes.
fn expected(item: &Item) -> Entry {
    let (kind, content) = match item.kind {
        EntryType::Directory => ('d', String::new()),
        EntryType::Symlink => ('l', item.link.clone()),
        EntryType::Fifo => ('p', String::new()),
        EntryType::Char => ('c', (1_u64 << 8 | 3).to_string()),
        _ => ('f', sha256(&item.content)),
    };
    let owner = |id: u64| u32::try_from(id).expect("a number");
    Entry {
        kind,
        mode: item.mode,
        owner: (owner(item.owner.0), owner(item.owner.1)),
        size: item.content.len() as u64,
        content,
        modified: i128::from(item.mtime) * 1_000_000_000,
        xattrs: String::new(),
    }
}

/// The tree as it was, with the items applied as `cp` and `rm` would.
fn model(before: &BTreeMap<String, Entry>, items: &[Item]) -> BTreeMap<String, Entry> {
    let mut tree = before.clone();
    let remove_below = |tree: &mut BTreeMap<String, Entry>, path: &str| {
        let below = format!("{path}/");
        tree.retain(|name, _| !name.starts_with(&below));
    };
    for item in items.iter().filter(|item| !item.path.starts_with("boot/")) {
        let path = format!("/{}", item.path);
        if let Some((directory, name)) = path.rsplit_once("/.wh.") {
            if name == ".wh..opq" {
                remove_below(&mut tree, directory);
            } else {
                let gone = format!("{directory}/{name}");
                remove_below(&mut tree, &gone);
                tree.remove(&gone);
            }
            continue;
        }
        if !item.kind.is_dir() {
            remove_below(&mut tree, &path);
        }
        let entry = match item.kind {
            EntryType::Link => tree[&format!("/{}", item.link)].clone(),
            _ => expected(item),
        };
        tree.insert(path, entry);
    }
    tree
}

/// Directories whose entries changed, and that the layer does not name, have the time of the layer.
fn without_times_of_others(tree: &mut BTreeMap<String, Entry>, items: &[Item]) {
    for (path, entry) in tree.iter_mut() {
        if entry.kind == 'd' && items.iter().all(|item| format!("/{}", item.path) != *path) {
            entry.modified = 0;
        }
    }
}

#[test]
fn the_kernel_sees_the_tree_of_the_archive() {
    let tools = ["mke2fs", "mkfs.vfat", "mcopy", "sfdisk", "e2fsck", "fsck.fat", "getfattr"];
    if !tools.iter().all(|tool| support::have(tool)) {
        return;
    }
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let plain = base().make(dir.path(), "base.img");
    let layer = write(dir.path(), &items());
    let baked = bake(&plain, &layer, dir.path()).expect("a sound layer");
    judges::expect_no_complaint(&baked);

    let (boot, root) = judges::partitions(&baked);
    see_boot(&baked, boot.start);
    let Some(before) = Mount::read_only(&plain, judges::partitions(&plain).1.start) else { return };
    let Some(after) = Mount::read_only(&baked, root.start) else { return };
    let (mut seen, mut wanted) = (after.tree(), model(&before.tree(), &items()));
    without_times_of_others(&mut seen, &items());
    without_times_of_others(&mut wanted, &items());
    let xattrs: BTreeMap<String, String> = seen
        .iter_mut()
        .map(|(path, entry)| (path.clone(), std::mem::take(&mut entry.xattrs)))
        .filter(|(_, xattrs)| !xattrs.is_empty())
        .collect();
    for (path, entry) in &wanted {
        assert_eq!(seen.get(path), Some(entry), "{path}");
    }
    let more: Vec<_> = seen.keys().filter(|path| !wanted.contains_key(*path)).collect();
    assert_eq!(more, [""; 0]);
    see_attributes(&xattrs);
    let inode = |name: &str| fs::metadata(after.path().join(name)).expect("a file").ino();
    assert_eq!(inode("opt/ping"), inode("opt/ping-too"));
    let time = |mount: &Mount| fs::metadata(mount.path().join("opt/kept")).expect("a directory").mtime();
    assert_eq!(time(&after), time(&before), "what was not touched is as it was");
    let etc = fs::metadata(after.path().join("etc")).expect("a directory");
    assert_ne!(etc.mtime(), EPOCH, "nor was this");
}

fn see_attributes(xattrs: &BTreeMap<String, String>) {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold("0x".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let ping = format!("security.capability={}", hex(&CAPABILITY));
    let list = hex(&acl());
    let expected = [
        ("/opt/acl", format!("system.posix_acl_access={list}\nsystem.posix_acl_default={list}")),
        ("/opt/ping", ping.clone()),
        ("/opt/ping-too", ping),
        ("/opt/user", format!("user.note={}", hex(b"a\nb"))),
    ];
    let expected: BTreeMap<_, _> = expected.map(|(path, text)| (path.to_owned(), text)).into();
    assert_eq!(*xattrs, expected);
}

/// What mtools find on the boot partition.
fn see_boot(image: &Path, start: u64) {
    let volume = format!("{}@@{start}", image.to_str().expect("UTF-8"));
    let read = |name: &str| support::run("mtype", &["-i", &volume, &format!("::{name}")]);
    assert_eq!(read("config.txt"), "arm_64bit=1\n");
    assert_eq!(read("overlays/x.dtbo").len(), 70_000);
    assert_eq!(read("initramfs8").len(), 3_000_000);
    let names = support::run("mdir", &["-b", "-i", &volume, "::"]);
    assert!(!names.contains("kernel8.img") && names.contains("cmdline.txt"), "{names}");
}

#[test]
fn a_layer_of_many_files_brings_room_and_inodes() {
    if !["mke2fs", "mkfs.vfat", "mcopy", "sfdisk", "e2fsck", "fsck.fat"]
        .iter()
        .all(|tool| support::have(tool))
    {
        return;
    }
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let plain = base().make(dir.path(), "base.img");
    // more inodes than the file system of 32 MiB has, and more bytes
    let mut items = vec![Item::dir("srv"), Item::file("srv/a", vec![1; 40 << 20])];
    items.extend((0..9000).map(|number| Item::file(&format!("srv/b{number:05}"), format!("{number}"))));
    let layer = write(dir.path(), &items);
    let baked = bake(&plain, &layer, dir.path()).expect("a sound layer");
    judges::expect_no_complaint(&baked);
}

#[test]
fn the_same_layer_makes_the_same_blocks() {
    if !["mke2fs", "mkfs.vfat", "mcopy", "sfdisk"].iter().all(|tool| support::have(tool)) {
        return;
    }
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let tree = base();
    assert!(tree.root.values().any(|node| matches!(node, Node::Link(_))));
    let plain = tree.make(dir.path(), "base.img");
    let layer = write(dir.path(), &items());
    let digest = || {
        let work = tempfile::tempdir_in(dir.path()).expect("a directory");
        sha256(&fs::read(bake(&plain, &layer, work.path()).expect("a sound layer")).expect("an image"))
    };
    assert_eq!(digest(), digest());
}
