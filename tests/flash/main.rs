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
    let mut kept = 0;
    for (at, (expected, got)) in expected.chunks(4096).zip(got.chunks(4096)).enumerate() {
        let is_free = got.iter().all(|byte| *byte == 0xff) && expected.iter().all(|byte| *byte == 0);
        kept += usize::from(is_free);
        assert!(is_free || expected == &got[..expected.len()], "block {at} differs");
    }
    assert!(kept > 4000, "only {kept} blocks of free space were left alone");
    let [(boot, boot_len), (root, root_len)] = partitions(image)[..] else { panic!("two partitions") };
    let part = |from: &Path, name: &str, start: u64, len: u64| {
        let path = small.at(name);
        let bytes = fs::read(from).expect("a file");
        let range = usize::try_from(start).expect("small")..usize::try_from(start + len).expect("small");
        fs::write(&path, &bytes[range]).expect("a file");
        path
    };
    run("fsck.fat", &["-n", text(&part(&cut, "card.fat", boot, boot_len))]);
    run("e2fsck", &["-fn", text(&part(&cut, "card.ext4", root, root_len))]);
    let tree = |image: &Path| mount::Mount::read_only(image, root).map(|mount| mount.tree());
    assert!(tree(&cut) == tree(image), "the kernel sees other files");
}
