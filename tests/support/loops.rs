//! Loop devices and small file systems, where root may make them.
#![expect(clippy::disallowed_methods, reason = "tests run losetup and mount")]
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{have, run, skip};

/// Whether this is root, where only root may.
fn is_root(what: &str) -> bool {
    let is_root = run("id", &["-u"]).trim() == "0";
    if !is_root {
        skip(&format!("{what} needs root"));
    }
    is_root
}

/// A loop device over a file; detached when it is dropped.
pub(crate) struct Loop {
    path: String,
}

impl Loop {
    /// `None` where the test is to be skipped.
    pub(crate) fn attach(file: &Path) -> Option<Self> {
        Self::with(file, &[])
    }

    /// With its partitions: the kernel looks for them, or is told of them where it was built without such tables.
    pub(crate) fn attach_with_partitions(file: &Path) -> Option<Self> {
        let device = Self::with(file, &["--partscan"])?;
        if !Path::new(&format!("{}p1", device.path)).exists() {
            run("partx", &["--add", &device.path]);
        }
        Some(device)
    }

    /// The kernel looks for partitions whenever it is asked to.
    pub(crate) fn attach_for_partitions(file: &Path) -> Option<Self> {
        Self::with(file, &["--partscan"])
    }

    fn with(file: &Path, options: &[&str]) -> Option<Self> {
        if !have("losetup") || !is_root("a loop device") {
            return None;
        }
        let arguments = [options, &["--find", "--show", file.to_str().expect("UTF-8")]].concat();
        let output = Command::new("losetup").args(&arguments).output().expect("losetup is there");
        if !output.status.success() {
            skip("this machine has no loop devices");
            return None;
        }
        let path = String::from_utf8(output.stdout).expect("a path").trim().to_owned();
        Some(Self { path })
    }

    /// `/dev/loop0`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Takes it away, with everything written to the file.
    pub(crate) fn detach(self) {
        run("sync", &[&self.path]);
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // a test that failed may have left something mounted
        let _ = Command::new("partx").args(["--delete", &self.path]).output();
        let _ = Command::new("losetup").args(["--detach", &self.path]).status();
    }
}

/// A file system that is full soon.
pub(crate) struct Tmpfs {
    path: PathBuf,
}

impl Tmpfs {
    /// Mounts one of this size; `None` where the test is to be skipped.
    pub(crate) fn mount(path: &Path, size: &str) -> Option<Self> {
        if !is_root("mounting") {
            return None;
        }
        std::fs::create_dir(path).expect("a mount point");
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", path.to_str().expect("UTF-8")]);
        Some(Self { path: path.to_path_buf() })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.path).status();
    }
}
