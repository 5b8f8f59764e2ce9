//! The tree that modules are built in: packages, unpacked and nothing more.

use pimg_deb::package::{Kind, Package};

use super::error::ModuleError;
use crate::host::HostError;
use crate::host::root_tree::RootTree;

/// What a build needs beside compiler and headers: what `zfs-dkms` and Debian's kernel packages ask for, and the programs
/// that every Debian system has, which nothing asks for.
pub const TOOLS: [&str; 16] = [
    "bash",
    "bc",
    "coreutils",
    "dash",
    "diffutils",
    "file",
    "findutils",
    "grep",
    "gzip",
    "kmod",
    "make",
    "mawk",
    "perl",
    "sed",
    "tar",
    "xz-utils",
];

/// Directories of Debian's merged `/usr`, which come with no package that is unpacked here (`base-files`).
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// What only people read.
const LEFT_OUT: [&str; 5] =
    ["usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/info/", "usr/share/lintian/"];

/// Longest file in a package that is unpacked, in bytes: a compiler has 35 MB.
const LONGEST: u64 = 256 << 20;

/// A machine that modules are built on, or for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The name of its architecture at Debian's, such as `amd64`.
    pub architecture: &'static str,
    /// Its name at GNU's, such as `x86_64-linux-gnu`.
    pub gnu: &'static str,
}

impl Machine {
    /// The one of the images.
    pub const TARGET: Self = Self { architecture: "arm64", gnu: "aarch64-linux-gnu" };

    /// This one, where Debian has a compiler for it.
    pub fn host() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self { architecture: "amd64", gnu: "x86_64-linux-gnu" }),
            "aarch64" => Some(Self::TARGET),
            _ => None,
        }
    }

    /// The packages of a compiler such as `gcc-14` that makes code of the images' machine on this one.
    pub fn compiler(&self, compiler: &str) -> [String; 2] {
        if *self == Self::TARGET {
            [compiler.to_owned(), "libc6-dev".to_owned()]
        } else {
            [format!("{compiler}-{}", Self::TARGET.gnu), "libc6-dev-arm64-cross".to_owned()]
        }
    }
}

/// An empty tree in the shape of Debian's.
pub(super) fn lay_out(tree: &RootTree) -> Result<(), HostError> {
    for name in MERGED {
        tree.directory(&format!("usr/{name}"))?;
        tree.symlink(name, &format!("usr/{name}"))?;
    }
    for name in ["build", "dev", "etc", "proc", "tmp"] {
        tree.directory(name)?;
    }
    Ok(())
}

/// The links that maintainer scripts would have made.
pub(super) fn finish(tree: &RootTree) -> Result<(), HostError> {
    tree.symlink("usr/bin/awk", "mawk")?;
    tree.symlink("usr/bin/sh", "dash")
}

/// Unpacks the package `bytes` of the file `name`.
pub(super) fn unpack(tree: &RootTree, name: &str, bytes: &[u8]) -> Result<(), ModuleError> {
    let damaged = |source| ModuleError::Package { name: name.to_owned(), source };
    let mut files = Package::open(bytes).and_then(|package| package.files()).map_err(damaged)?;
    while let Some(file) = files.next().transpose().map_err(damaged)? {
        if file.path.is_empty() || LEFT_OUT.iter().any(|path| file.path.starts_with(path)) {
            continue;
        }
        match (file.kind, &file.link) {
            (Kind::Directory, _) => tree.directory(&file.path)?,
            (Kind::File, _) => {
                let content = files.read_content(&file, LONGEST).map_err(damaged)?;
                tree.file(&file.path, file.mode, file.mtime, &content)?;
            }
            (Kind::Symlink, Some(text)) => tree.symlink(&file.path, text)?,
            (Kind::HardLink, Some(target)) => tree.hard_link(&file.path, target)?,
            // devices and pipes: no compiler has any
            _ => {}
        }
    }
    Ok(())
}
