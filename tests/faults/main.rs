//! Faults of the machine under a build: a disk that fills up, and a system call that fails, one at a time. Whatever
//! fails, the exit code is 9 and the message names a file, `out/` is as it was, and the next build without faults makes
//! the image of a clean one from the cache that is left. A fault in what a build can do without may go unnoticed, if
//! the image is the same.
//!
//! `PIMG_FAULTS_EVERY=1 cargo test --test faults` lets each call of a build fail once; a plain run takes a part of them.
#![expect(clippy::disallowed_methods, reason = "tests run pimg and its judges")]
#![expect(clippy::print_stdout, reason = "how many calls failed, and how the builds ended, with --nocapture")]

mod full_disk;
mod injected;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tiny_base.rs"]
mod tiny_base;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::tiny_base::TinyBase;

const NODE: &str = r#"hostname = "tiny"
overlays = ["one"]

[base]
source = "base.img"

[image]
free = "4MiB"

[user]
name = "op"
ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f test"]

[locale]
default = "en_AU.UTF-8"
timezone = "Australia/Sydney"

[network]
address = "10.0.0.2/24"
gateway = "10.0.0.1"
"#;

/// What every build here is.
const BUILD: [&str; 7] = ["--progress", "none", "build", "--profile", "tiny", "--format", "zst"];

/// Paths below a directory, and a digest of what is there.
type Tree = BTreeMap<String, String>;

/// A project of one node, with an earlier result in `out/`, without lock and cache.
struct Site {
    dir: TempDir,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let site = Self { dir };
        for (name, content) in [
            ("profiles/tiny.toml", NODE),
            ("overlays/one/rootfs/etc/motd", "hello\n"),
            ("out/tiny/tiny-0.img", "an earlier image\n"),
            ("secrets/tiny.seed", &("0f".repeat(32) + "\n")),
        ] {
            let path = site.join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, content).expect("a file");
        }
        support::run("chmod", &["600", site.join("secrets/tiny.seed").to_str().expect("UTF-8")]);
        symlink(base(), site.join("base.img")).expect("a link");
        site
    }

    fn join(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A command in this project; `pimg build` is to be its last words.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir.path()).env("NO_COLOR", "1").env("HOME", self.dir.path());
        command.env("PIMG_CACHE", self.join("cache")).env_remove("SOURCE_DATE_EPOCH");
        command
    }

    fn build(&self) -> Output {
        self.command(env!("CARGO_BIN_EXE_pimg")).args(BUILD).output().expect("running pimg")
    }

    fn out(&self) -> Tree {
        self.tree("out")
    }

    /// What is below a directory of it.
    fn tree(&self, top: &str) -> Tree {
        tree(&self.join(top), self.dir.path().to_str().expect("UTF-8"))
    }
}

/// What is below a directory. Files for Raspberry Pi Imager name the place of the project, so that is taken out.
fn tree(top: &Path, project: &str) -> Tree {
    let mut found = Tree::new();
    let mut pending = vec![top.to_owned()];
    while let Some(path) = pending.pop() {
        let name = path.strip_prefix(top).expect("below").display().to_string();
        if path.is_dir() {
            pending.extend(
                fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()),
            );
            found.insert(name, "a directory".to_owned());
        } else if let Ok(bytes) = fs::read(&path) {
            let bytes = String::from_utf8(bytes).map_or_else(
                |error| error.into_bytes(),
                |text| text.replace(project, "[PROJECT]").into_bytes(),
            );
            let digest = Sha256::digest(bytes);
            found.insert(name, digest.iter().map(|byte| format!("{byte:02x}")).collect());
        }
    }
    found
}

fn base() -> &'static Path {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    BASE.get_or_init(|| {
        let name = format!("faults-{}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&directory).expect("a directory");
        TinyBase::new().make(&directory, "base.img")
    })
}

/// `out/` after a build that nothing disturbs.
fn expected() -> &'static Tree {
    static EXPECTED: OnceLock<Tree> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let site = Site::new();
        let output = site.build();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        site.out()
    })
}

fn have_tools() -> bool {
    ["mke2fs", "mkfs.vfat", "mcopy", "sfdisk", "strace"].iter().all(|tool| support::have(tool))
}

/// What the operator reads has to name what failed: a path of the project.
fn names_a_file(told: &str) -> bool {
    ["out", "cache", "pimg.lock", "secrets", "base.img", "profiles", "overlays"].iter().any(|name| {
        told.split(['`', '"']).any(|quoted| quoted == *name || quoted.contains(&format!("{name}/")))
            || told.contains(&format!("/{name}"))
    })
}
