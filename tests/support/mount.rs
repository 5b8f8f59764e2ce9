//! A kernel's view of an ext4 file system inside an image: the last word on what pimg wrote.
#![expect(clippy::disallowed_methods, reason = "the kernel is asked by mount(8)")]
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

/// An ext4 partition mounted read only; unmounted when it is dropped.
pub(crate) struct Mount {
    dir: tempfile::TempDir,
}

impl Mount {
    /// Mounts the file system at `offset` bytes of `image`; `None` where only root may.
    pub(crate) fn read_only(image: &Path, offset: u64) -> Option<Self> {
        if crate::support::run("id", &["-u"]).trim() != "0" {
            crate::support::skip("mounting needs root");
            return None;
        }
        let dir = tempfile::tempdir().expect("a mount point");
        // noload: a journal that wants replaying must show as an error, not be mended
        let options = format!("loop,ro,noload,offset={offset}");
        let (image, target) = (image.to_str().expect("UTF-8"), dir.path().to_str().expect("UTF-8"));
        crate::support::run("mount", &["-t", "ext4", "-o", &options, image, target]);
        Some(Self { dir })
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Everything in the file system, by path from its root.
    pub(crate) fn tree(&self) -> BTreeMap<String, Entry> {
        let mut entries = BTreeMap::new();
        let mut pending = vec![self.dir.path().to_owned()];
        while let Some(path) = pending.pop() {
            let metadata = fs::symlink_metadata(&path).expect("metadata");
            if metadata.is_dir() {
                pending
                    .extend(fs::read_dir(&path).expect("a directory").map(|e| e.expect("an entry").path()));
            }
            entries.insert(self.guest_path(&path), Entry::read(&path, &metadata));
        }
        for (path, attributes) in self.extended_attributes() {
            entries.get_mut(&path).expect("an entry that was walked").xattrs = attributes;
        }
        entries
    }

    fn guest_path(&self, path: &Path) -> String {
        let relative = path.strip_prefix(self.dir.path()).expect("below the mount point");
        format!("/{}", relative.to_string_lossy())
    }

    fn extended_attributes(&self) -> BTreeMap<String, String> {
        let root = self.dir.path().to_str().expect("UTF-8");
        let told = crate::support::run(
            "getfattr",
            &["-R", "-h", "-d", "-m", "-", "-e", "hex", "--absolute-names", root],
        );
        let mut attributes = BTreeMap::new();
        for block in told.split("\n\n").filter(|block| !block.trim().is_empty()) {
            let (name, rest) = block.trim().split_once('\n').expect("a name and its attributes");
            let path = PathBuf::from(name.trim_start_matches("# file: "));
            attributes.insert(self.guest_path(&path), rest.to_owned());
        }
        attributes
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(self.dir.path()).status();
        assert!(status.is_ok_and(|status| status.success()) || std::thread::panicking(), "unmounting");
    }
}

/// What the kernel says of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `f`, `d`, `l`, `c`, `b`, `p` or `s`.
    pub(crate) kind: char,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Owner and group.
    pub(crate) owner: (u32, u32),
    /// Length in bytes of a regular file.
    pub(crate) size: u64,
    /// Digest of a regular file, text of a link, number of a device.
    pub(crate) content: String,
    /// Last modification in nanoseconds since 1970; of a directory it says little.
    pub(crate) modified: i128,
    /// Extended attributes as `getfattr` prints them.
    pub(crate) xattrs: String,
}

impl Entry {
    fn read(path: &Path, metadata: &fs::Metadata) -> Self {
        let kind = metadata.file_type();
        let (letter, content) = if kind.is_file() {
            ('f', sha256_of(path))
        } else if kind.is_dir() {
            ('d', String::new())
        } else if kind.is_symlink() {
            ('l', fs::read_link(path).expect("a link's text").to_string_lossy().into_owned())
        } else if kind.is_char_device() {
            ('c', metadata.rdev().to_string())
        } else if kind.is_block_device() {
            ('b', metadata.rdev().to_string())
        } else {
            (if kind.is_fifo() { 'p' } else { 's' }, String::new())
        };
        Self {
            kind: letter,
            mode: metadata.mode() & 0o7777,
            owner: (metadata.uid(), metadata.gid()),
            size: if letter == 'f' { metadata.size() } else { 0 },
            content,
            modified: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
            xattrs: String::new(),
        }
    }
}

/// Digest of a file, in lower-case hexadecimal.
pub(crate) fn sha256_of(path: &Path) -> String {
    let mut digest = Sha256::new();
    std::io::copy(&mut fs::File::open(path).expect("a file"), &mut HashWriter(&mut digest)).expect("reading");
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
