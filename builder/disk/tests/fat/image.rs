//! Making and judging images.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use pimg_disk::block::{BlockRead, MemoryDevice};
use tempfile::NamedTempFile;

use crate::support::{Judge, judges};

/// What makes and judges volumes.
pub(crate) struct Tools {
    mkfs: Judge,
    fsck: Judge,
    mcopy: Judge,
    mdir: Judge,
}

/// The tools, or `None` where the test is to be skipped.
pub(crate) fn tools() -> Option<Tools> {
    let [mkfs, fsck, mcopy, mdir] = judges(["mkfs.fat", "fsck.fat", "mcopy", "mdir"])?;
    Some(Tools { mkfs, fsck, mcopy, mdir })
}

fn argument(path: &Path) -> String {
    path.to_str().expect("temporary paths are ASCII").to_owned()
}

impl Tools {
    /// A fresh volume of `kib` KiB.
    pub(crate) fn make(&self, kib: u64, options: &[&str]) -> MemoryDevice {
        let file = NamedTempFile::new().expect("a temporary file");
        file.as_file().set_len(kib << 10).expect("a sparse file");
        let path = argument(file.path());
        let mut arguments = vec!["--invariant"];
        arguments.extend_from_slice(options);
        arguments.push(&path);
        let verdict = self.mkfs.run(arguments);
        assert!(verdict.success, "{}", verdict.text);
        MemoryDevice::new(std::fs::read(file.path()).expect("what mkfs.fat wrote"))
    }

    /// Writes a device to a sparse file.
    fn file(device: &dyn BlockRead) -> NamedTempFile {
        let mut file = NamedTempFile::new().expect("a temporary file");
        file.as_file().set_len(device.len()).expect("a sparse file");
        let mut chunk = vec![0; 64 << 10];
        for at in (0..device.len()).step_by(64 << 10) {
            let length = usize::try_from(device.len() - at).expect("64 bit").min(64 << 10);
            let chunk = &mut chunk[..length];
            device.read_at(at, chunk).expect("inside the device");
            if chunk.iter().any(|byte| *byte != 0) {
                file.seek(SeekFrom::Start(at)).expect("a file");
                file.write_all(chunk).expect("a file");
            }
        }
        file
    }

    /// Panics where fsck.fat has anything to say.
    pub(crate) fn judge(&self, device: &dyn BlockRead) {
        let file = Self::file(device);
        let verdict = self.fsck.run(["-n", &argument(file.path())]);
        assert!(verdict.success, "{}", verdict.text);
        // its own version and the summary; that a volume is small for FAT32 goes to stderr
        assert_eq!(String::from_utf8_lossy(&verdict.stdout).lines().count(), 2, "{}", verdict.text);
    }

    /// The content of a file as mtools sees it.
    pub(crate) fn content(&self, device: &dyn BlockRead, path: &str) -> Vec<u8> {
        let file = Self::file(device);
        let verdict = self.mcopy.run(["-i", &argument(file.path()), &format!("::{path}"), "-"]);
        assert!(verdict.success, "{}", verdict.text);
        verdict.stdout
    }

    /// The listing of a directory as mtools sees it.
    pub(crate) fn listing(&self, device: &dyn BlockRead, path: &str) -> String {
        let file = Self::file(device);
        let verdict = self.mdir.run(["-i", &argument(file.path()), &format!("::{path}")]);
        assert!(verdict.success, "{}", verdict.text);
        verdict.text
    }
}

/// Bytes that differ with `seed`.
pub(crate) fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}
