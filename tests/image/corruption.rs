//! A base that is not what its publisher made is refused, and the message names what is wrong with it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::judges::partitions;
use crate::support::{self, Project, have};

/// A packaged file that every Debian has, larger than a block.
const VICTIM: &str = "/usr/bin/dpkg";

fn build_fails(project: &Project, base: &Path, code: i32) -> String {
    let base = base.to_str().expect("UTF-8");
    let arguments = ["build", "--profile", "k8sctl-pi5l", "--base", base, "--ssh-key", "test.pub"];
    let output = project.pimg(&arguments).output().expect("running pimg");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(!told.contains("panicked") && !told.contains("internal error"), "{told}");
    assert!(told.contains("hint: "), "an error ends with what to do: {told}");
    let left = fs::read_dir(project.join("out")).map_or(0, |entries| entries.count());
    assert_eq!(left, 0, "a build that fails leaves nothing in out/");
    told
}

fn private_copy(project: &Project, base: &Path) -> PathBuf {
    let decoded = project.decoded_base(base);
    let copy = project.join("base.img");
    support::run("cp", &["--sparse=always", decoded.to_str().expect("UTF-8"), copy.to_str().expect("UTF-8")]);
    copy
}

fn overwrite(image: &Path, offset: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(image).expect("the copy");
    file.seek(SeekFrom::Start(offset)).expect("seeking");
    file.write_all(bytes).expect("writing");
}

#[test]
fn one_block_of_garbage_in_a_packaged_file_is_named_with_its_package() {
    let Some(base) = support::base_image("pios") else { return };
    if !have("debugfs") {
        return;
    }
    let project = Project::without_packages();
    let image = private_copy(&project, &base);
    let (_, root) = partitions(&image);
    let device = format!("{}?offset={}", image.display(), root.start);
    let blocks = support::run("debugfs", &["-R", &format!("blocks {VICTIM}"), &device]);
    let block: u64 = blocks.split_whitespace().nth(1).and_then(|block| block.parse().ok()).expect("a block");
    overwrite(&image, root.start + block * 4096, &[0xdd; 4096]);
    let told = build_fails(&project, &image, 7);
    assert!(told.contains(VICTIM), "the file is named: {told}");
    assert!(told.contains("package `dpkg`"), "the package is named: {told}");
}

#[test]
fn a_flipped_bit_in_the_file_systems_structures_is_corrupt() {
    let Some(base) = support::base_image("pios") else { return };
    let project = Project::without_packages();
    let image = private_copy(&project, &base);
    let (_, root) = partitions(&image);
    // byte 0x100 of group descriptor block 1: a checksum covers it
    let offset = root.start + 4096 + 0x40;
    let mut byte = [0];
    let mut file = File::open(&image).expect("the copy");
    file.seek(SeekFrom::Start(offset)).expect("seeking");
    file.read_exact(&mut byte).expect("reading");
    overwrite(&image, offset, &[byte[0] ^ 1]);
    let told = build_fails(&project, &image, 7);
    assert!(told.contains("corrupt ext4 file system"), "{told}");
}

#[test]
fn an_unknown_feature_and_a_dirty_journal_are_unsupported_and_not_called_corrupt() {
    let Some(base) = support::base_image("pios") else { return };
    if !have("debugfs") {
        return;
    }
    let project = Project::without_packages();
    for (feature, word) in [("needs_recovery", "journal"), ("FEATURE_I31", "incompat 0x80000000")] {
        let image = private_copy(&project, &base);
        let (_, root) = partitions(&image);
        let device = format!("{}?offset={}", image.display(), root.start);
        support::run("debugfs", &["-w", "-R", &format!("feature {feature}"), &device]);
        let told = build_fails(&project, &image, 7);
        assert!(!told.contains("corrupt"), "{feature}: {told}");
        assert!(told.contains(word), "{feature}: {told}");
    }
}

#[test]
fn a_truncated_base_is_refused_wherever_it_ends() {
    let Some(base) = support::base_image("pios") else { return };
    let project = Project::without_packages();
    let whole = fs::metadata(&base).expect("the base").len();
    for keep in [0, 1, 511, 4096, whole / 2, whole - 1] {
        let cut = project.join("cut.img.xz");
        let mut from = File::open(&base).expect("the base").take(keep);
        std::io::copy(&mut from, &mut File::create(&cut).expect("a file")).expect("copying");
        build_fails(&project, &cut, 7);
    }
    let decoded = project.decoded_base(&base);
    let (_, root) = partitions(&decoded);
    for keep in [512, root.start - 1, root.start + 4096, root.start + root.length / 2] {
        let cut = project.join("cut.img");
        let mut from = File::open(&decoded).expect("the base").take(keep);
        std::io::copy(&mut from, &mut File::create(&cut).expect("a file")).expect("copying");
        build_fails(&project, &cut, 7);
    }
}
