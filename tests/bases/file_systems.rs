//! Other file systems and partition tables than those of Raspberry Pi OS.

use crate::tiny_base::TinyBase;
use crate::{expect_image, expect_refusal, have_tools, project};

#[test]
fn every_usual_set_of_features_builds() {
    if !have_tools() {
        return;
    }
    let new = TinyBase::new;
    let boot = |sectors: &'static str, boot_mib| TinyBase {
        fat: vec!["-s", sectors, "-n", "OTHER"],
        boot_mib,
        ..new()
    };
    let bases = [
        ("mke2fs' own choice", new().ext4(&[])),
        ("another label", new().ext4(&["-L", "ROOT-OTHER"])),
        ("no checksums", new().ext4(&["-O", "^metadata_csum"])),
        ("a seed of checksums", new().ext4(&["-O", "metadata_csum_seed,orphan_file"])),
        ("no orphan file", new().ext4(&["-O", "^orphan_file"])),
        ("32 bits with checksums", new().ext4(&["-O", "^64bit,metadata_csum"])),
        ("no flexible groups", new().ext4(&["-O", "^flex_bg"])),
        ("no room to grow", new().ext4(&["-O", "^resize_inode"])),
        ("no hashed directories", new().ext4(&["-O", "^dir_index"])),
        ("no journal", new().ext4(&["-O", "^has_journal"])),
        ("blocks of 1 KiB", new().ext4(&["-b", "1024"])),
        ("blocks of 2 KiB", new().ext4(&["-b", "2048"])),
        ("inodes of 128 bytes", new().ext4(&["-I", "128"])),
        ("inodes of 512 bytes", new().ext4(&["-I", "512"])),
        ("few inodes", new().ext4(&["-N", "256"])),
        ("4 sectors a cluster", boot("4", 140)),
        ("a root of 200 MiB", TinyBase { root_mib: 200, ..new() }),
        ("a root of 300 MiB in blocks of 1 KiB", TinyBase { root_mib: 300, ..new().ext4(&["-b", "1024"]) }),
    ];
    for (what, base) in bases {
        let project = project();
        let image = base.make(project.path(), "base.img");
        expect_image(&project, &image, what);
    }
}

#[test]
fn other_features_are_refused_by_name() {
    if !have_tools() {
        return;
    }
    let features = [
        ("`uninit_bg`", "^metadata_csum,uninit_bg"),
        ("no `extent`", "^extent,^64bit"),
        ("`sparse_super2`", "sparse_super2"),
        ("`inline_data`", "inline_data"),
        ("`large_dir`", "large_dir"),
        ("`quota`", "quota"),
        ("`encrypt`", "encrypt"),
        ("`verity`", "verity"),
        ("`casefold`", "casefold"),
        ("`meta_bg`", "meta_bg,^resize_inode"),
        ("`bigalloc`", "bigalloc"),
        ("`mmp`", "mmp"),
    ];
    for (words, features) in features {
        let project = project();
        let image = TinyBase::new().ext4(&["-O", features]).make(project.path(), "base.img");
        expect_refusal(&project, &image, words);
    }
}

#[test]
fn partitions_that_cannot_grow_are_refused() {
    if !have_tools() {
        return;
    }
    let gpt = TinyBase { table: "gpt", ..TinyBase::new() };
    let third = TinyBase { has_third: true, ..TinyBase::new() };
    for (words, base) in [("GUID partition table", gpt), ("partition 3 stands behind", third)] {
        let project = project();
        let image = base.make(project.path(), "base.img");
        expect_refusal(&project, &image, words);
    }
}
