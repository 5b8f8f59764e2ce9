//! Cards: flashed by pimg and by bmaptool, judged by their bytes, by e2fsck and fsck.fat, and by the kernel.
#![expect(clippy::disallowed_methods, reason = "tests run pimg and its judges")]

#[path = "../support/loops.rs"]
mod loops;
#[path = "../support/mount.rs"]
mod mount;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tiny_base.rs"]
mod tiny_base;

mod bmap;
mod cards;
mod refusals;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use support::{Project, run};
use tiny_base::TinyBase;

/// A project with one small node, and its base.
struct Small {
    project: Project,
}

impl Small {
    /// `None` where the tools that make a base are missing.
    fn new() -> Option<Self> {
        if !["mke2fs", "mkfs.vfat", "mcopy", "sfdisk", "e2fsck", "fsck.fat"]
            .iter()
            .all(|tool| support::have(tool))
        {
            return None;
        }
        let project = Project::without_packages();
        let node = "hostname = \"tiny\"\noverlays = [\"raspios\"]\n\n[image]\nfree = \"64MiB\"\n\n[user]\nname = \"op\"\n\n\
                    [locale]\ndefault = \"en_AU.UTF-8\"\ntimezone = \"Australia/Sydney\"\n\n\
                    [network]\naddress = \"10.0.0.2/24\"\ngateway = \"10.0.0.1\"\ndns = [\"10.0.0.1\"]\n\n\
                    [base]\nsource = \"base.img\"\n";
        fs::write(project.join("profiles/tiny.toml"), node).expect("a profile");
        TinyBase::new().make(project.path(), "base.img");
        Some(Self { project })
    }

    /// A path below the project.
    fn at(&self, name: &str) -> PathBuf {
        self.project.join(name)
    }

    /// Builds the node in this format: the image's path.
    fn build(&self, format: &str) -> PathBuf {
        let arguments =
            ["build", "--profile", "tiny", "--base", "base.img", "--format", format, "--ssh-key", "test.pub"];
        let output = self.pimg(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        self.at(String::from_utf8_lossy(&output.stdout).lines().next().expect("the image's path"))
    }

    /// Runs pimg with a cache of its own.
    fn pimg(&self, arguments: &[&str]) -> Output {
        self.project.pimg(arguments).env("PIMG_CACHE", self.at("cache")).output().expect("running pimg")
    }

    /// Runs `pimg flash` and demands this exit code: stdout, and what a person reads.
    fn flash(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let output = self.pimg(&[&["flash"], arguments].concat());
        let (out, err) = (String::from_utf8_lossy(&output.stdout).into_owned(), told(&output));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}:\n{out}{err}");
        (out, err)
    }

    /// A file of `mib` MiB of 0xff, as an old card.
    fn old_card(&self, name: &str, mib: usize) -> PathBuf {
        let path = self.at(name);
        fs::write(&path, vec![0xff; mib << 20]).expect("a file");
        path
    }
}

/// What a person reads.
fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The partitions of an image or disk: first byte and length.
fn partitions(image: &Path) -> Vec<(u64, u64)> {
    let table = run("sfdisk", &["--json", text(image)]);
    let table: serde_json::Value = serde_json::from_str(&table).expect("JSON");
    let of = |value: &serde_json::Value| value.as_u64().expect("a number") * 512;
    let partitions = table["partitiontable"]["partitions"].as_array().expect("partitions");
    partitions.iter().map(|partition| (of(&partition["start"]), of(&partition["size"]))).collect()
}

/// A card that was full of 0xff holds the image as far as anybody can see: the same partitions, file systems without a
/// complaint, the same files for the kernel; all that has bytes has the same, and what was left alone is free space.
fn expect_same_card(small: &Small, image: &Path, card: &Path) {
    let (expected, got) = (fs::read(image).expect("an image"), fs::read(card).expect("a card"));
    let cut = small.at("cut.img");
    fs::write(&cut, &got[..expected.len()]).expect("a file");
    assert_eq!(partitions(&cut), partitions(image));
    let [(boot, boot_len), (root, root_len)] = partitions(image)[..] else { panic!("two partitions") };
    run("fsck.fat", &["-n", text(&part(small, &cut, boot, boot_len))]);
    run("e2fsck", &["-fn", text(&part(small, &cut, root, root_len))]);
    let (left_alone, in_use) = old_blocks(small, image, &cut);
    assert!(left_alone > 4000, "only {left_alone} blocks of free space were left alone");
    assert_eq!(in_use, [0_u64; 0], "old bytes in what is in use");
    let tree = |image: &Path| mount::Mount::read_only(image, root).map(|mount| mount.tree());
    assert!(tree(&cut) == tree(image), "the kernel sees other files");
}

/// A partition of an image as a file of its own.
fn part(small: &Small, image: &Path, start: u64, len: u64) -> PathBuf {
    let path = small.at("partition");
    let bytes = fs::read(image).expect("a file");
    let range = usize::try_from(start).expect("small")..usize::try_from(start + len).expect("small");
    fs::write(&path, &bytes[range]).expect("a file");
    path
}

/// How many blocks of 4 KiB of a card are still as they were, all 0xff; and where those begin that are not free: outside
/// of partitions, or in use as `dumpe2fs` sees it.
fn old_blocks(small: &Small, image: &Path, card: &Path) -> (usize, Vec<u64>) {
    let [(boot, _), (root, root_len)] = partitions(image)[..] else { panic!("two partitions") };
    let told = run("dumpe2fs", &[text(&part(small, image, root, root_len))]);
    let value = |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok());
    let size =
        told.lines().find(|line| line.starts_with("Block size:")).and_then(value).expect("a block size");
    let mut free = std::collections::BTreeSet::new();
    for ranges in told.lines().filter_map(|line| line.strip_prefix("  Free blocks: ")) {
        for range in ranges.split(", ").filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            free.extend(first.parse::<u64>().expect("a block")..=last.parse().expect("a block"));
        }
    }
    let (expected, got) = (fs::read(image).expect("an image"), fs::read(card).expect("a card"));
    let (mut left_alone, mut in_use) = (0, Vec::new());
    for (at, (expected, got)) in (0..).step_by(4096).zip(expected.chunks(4096).zip(got.chunks(4096))) {
        let is_old = got.iter().all(|byte| *byte == 0xff) && expected.iter().all(|byte| *byte == 0);
        assert!(is_old || expected == got, "the block at byte {at} differs");
        if !is_old {
            continue;
        }
        left_alone += 1;
        let is_free = if at < root {
            at >= boot // the clusters of a FAT have no judge that lists them
        } else {
            ((at - root) / size..(at - root + 4096).div_ceil(size)).all(|block| free.contains(&block))
        };
        if !is_free {
            in_use.push(at);
        }
    }
    (left_alone, in_use)
}
