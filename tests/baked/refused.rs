//! Layers that are not what they should be: nothing becomes of them, and a person reads why.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pimg::failure::{Class, Fault};
use pimg::image::baked::LayerFile;
use pimg_fetch::digest::Sha256Digest;
use tar::EntryType;

use crate::layer::{EPOCH, Item, archive_of, bake, write, write_archive};
use crate::support;
use crate::tiny_base::TinyBase;

fn have_tools() -> bool {
    ["mke2fs", "mkfs.vfat", "mcopy", "sfdisk"].iter().all(|tool| support::have(tool))
}

fn base() -> &'static Path {
    static BASE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, image) = BASE.get_or_init(|| {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let image = TinyBase::new().make(dir.path(), "base.img");
        (dir, image)
    });
    image
}

/// What a person reads, and the class.
fn refusal(layer: &LayerFile, work: &Path) -> (String, Class) {
    let error = bake(base(), layer, work).expect_err("it is to be refused");
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    (text, error.class())
}

fn refused(items: &[Item]) -> (String, Class) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    refusal(&write(dir.path(), items), dir.path())
}

#[test]
fn entries_that_no_layer_has() {
    if !have_tools() {
        return;
    }
    let file = |path: &str| Item::file(path, "x");
    let kind = |kind| Item { kind, ..Item::file("x", "") };
    let late = Item { mtime: EPOCH as u64 + 1, ..file("x") };
    let cases: Vec<(Vec<Item>, &str)> = vec![
        (vec![file("../x")], "`../x` leaves the image: `..` is not allowed"),
        (vec![file("usr/../../x")], "leaves the image"),
        (vec![file("/etc/x")], "is not relative to the root of the image"),
        (vec![file("./etc/x")], "is not relative to the root of the image"),
        (vec![file("nowhere/x")], "`/nowhere/x` lies in `/nowhere`, which is not there"),
        (vec![file("lib/x")], "leads through the link `/lib`"),
        (vec![file("etc/hosts/x")], "lies below `/etc/hosts`, which is no directory"),
        (vec![Item::symlink("etc/x", "/tmp"), file("etc/x/y")], "lies below what is no directory"),
        (vec![Item::hard_link("x", "etc/passwd")], "is a link to what did not come before it"),
        (vec![Item::hard_link("x", "../etc/passwd")], "is a link whose target leaves the image"),
        (vec![Item::character("dev/mem", 1, 1)], "is a device (1:1) that no package brings"),
        (vec![Item::character("tmp/null", 1, 3)], "is a device (1:3) that no package brings"),
        (vec![kind(EntryType::Block)], "is a device"),
        (vec![kind(EntryType::GNUSparse)], "which no layer has"),
        (vec![file("x"), file("x")], "`x` is there twice"),
        (vec![file("etc/x"), Item::dir("etc")], "`etc` comes behind what is in it"),
        (vec![file("etc/.wh..wh..opq")], "is named as a deletion, and is something else"),
        (
            vec![Item::file("etc/.wh..wh..opq", "")],
            "hides what is below it, and is no directory of the layer",
        ),
        (vec![file("x").xattr("trusted.overlay.opaque", b"y")], "has the attribute `trusted.overlay.opaque`"),
        (
            vec![file("x").xattr("security.capability", &[0; 24])],
            "has capabilities that are not of version 2",
        ),
        (vec![file("x").owner(u64::from(u32::MAX), 0)], "belongs to nobody that can be"),
        (vec![late], "has a time that is not in 0 to"),
        (vec![Item::symlink("boot/firmware/x", "y")], "the boot partition holds nothing else"),
        (vec![file("boot/firmware/x").xattr("user.x", b"")], "which the boot partition cannot hold"),
    ];
    for (items, expected) in cases {
        let (told, class) = refused(&items);
        assert!(told.contains(expected), "expected `{expected}`, got `{told}`");
        assert_eq!(class, Class::Trust, "{told}");
    }
}

#[test]
fn more_than_the_boot_partition_holds() {
    if !have_tools() {
        return;
    }
    let (told, class) = refused(&[Item::file("boot/firmware/vmlinuz", vec![1; 40 << 20])]);
    assert!(
        told.contains("cannot apply `boot/firmware/vmlinuz` of the layer to the boot partition"),
        "{told}"
    );
    assert_eq!(class, Class::Base);
}

#[test]
fn a_file_that_is_not_what_its_manifest_says() {
    if !have_tools() {
        return;
    }
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let items = [Item::file("srv-a", vec![5; 300_000]), Item::file("srv-b", "x")];
    let layer = write(dir.path(), &items);
    let other = Sha256Digest::of(b"other");
    for (layer, expected) in [
        (LayerFile { sha256: other, ..layer.clone() }, "expected sha256 "),
        (LayerFile { tar_sha256: other, ..layer.clone() }, "expected digest of the archive "),
        (LayerFile { size: layer.size + 1, ..layer.clone() }, "expected length in bytes "),
        (LayerFile { tar_size: layer.tar_size + 512, ..layer.clone() }, "expected bytes of the archive "),
        (LayerFile { entries: 1, ..layer.clone() }, "expected entries 1, got 2"),
        (LayerFile { entries: 3, ..layer.clone() }, "expected entries 3, got 2"),
    ] {
        let (told, class) = refusal(&layer, dir.path());
        assert!(told.contains(expected), "expected `{expected}`, got `{told}`");
        assert_eq!(class, Class::Trust);
    }
    let bytes = fs::read(&layer.path).expect("the layer");
    fs::write(&layer.path, &bytes[..bytes.len() - 20]).expect("the layer");
    let cut = LayerFile { size: bytes.len() as u64 - 20, ..layer.clone() };
    assert!(refusal(&cut, dir.path()).0.contains("cannot read"));
    fs::write(&layer.path, b"no archive at all").expect("the layer");
    assert!(refusal(&LayerFile { size: 17, ..layer }, dir.path()).0.contains("cannot read"));
}

#[test]
fn sizes_that_cannot_be() {
    if !have_tools() {
        return;
    }
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let layer = write(dir.path(), &[Item::file("srv-a", "x")]);
    for (layer, expected) in [
        (LayerFile { content_size: u64::MAX, ..layer.clone() }, "contradicts itself: files of"),
        (LayerFile { tar_size: u64::MAX, ..layer.clone() }, "contradicts itself: an archive of"),
        (
            LayerFile { entries: u64::MAX, ..layer.clone() },
            "contradicts itself: 18446744073709551615 entries",
        ),
    ] {
        let (told, _) = refusal(&layer, dir.path());
        assert!(told.contains(expected), "expected `{expected}`, got `{told}`");
    }
    // a bomb: what it says is little, and what comes out has no end
    let mut tar = archive_of(&[Item::file("srv-a", "x")]);
    let told = tar.len() as u64;
    tar.resize(tar.len() + (200 << 20), 0);
    let bomb = LayerFile { tar_size: told, ..write_archive(dir.path(), &tar, 1, 4096) };
    let (told, class) = refusal(&bomb, dir.path());
    assert!(told.contains("expected bytes of the archive"), "{told}");
    assert_eq!(class, Class::Trust);
    // an entry that says it is longer than all there is
    let mut tar = archive_of(&[Item::file("srv-a", "x")]);
    tar[124..136].copy_from_slice(b"77777777777\0");
    let sum: u32 = tar[..148].iter().chain(&tar[156..512]).map(|byte| u32::from(*byte)).sum::<u32>() + 256;
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let (told, _) = refusal(&write_archive(dir.path(), &tar, 1, 4096), dir.path());
    assert!(told.contains("srv-a") || told.contains("cannot read"), "{told}");
}
