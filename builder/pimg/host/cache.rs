//! The cache directory as the host sees it: who uses it, and how it goes. What is in it, `pimg-fetch` knows.

use std::io;
use std::path::{Path, PathBuf};

use super::error::HostError;
use super::files::{FileLock, remove_tree, write_atomic};

/// The file that tells backup programs to skip a directory (<https://bford.info/cachedir/>).
const TAG: &str = "CACHEDIR.TAG";

/// Its first line by that specification, and a word of ours: only what has both is ever removed.
const TAG_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# This is the cache of pimg.\n";

/// A cache directory in use: it cannot be removed by `pimg clean` meanwhile.
#[derive(Debug)]
pub struct CacheDir {
    path: PathBuf,
    _lock: FileLock,
}

impl CacheDir {
    /// Makes the directory where it is missing, and says that it is in use.
    ///
    /// # Errors
    /// It cannot be made, holds files that are not ours, or is just being removed.
    pub fn open(path: &Path) -> Result<Self, HostError> {
        std::fs::create_dir_all(path).map_err(HostError::file("create", path))?;
        // once tagged it may be removed as a whole, so never tag what somebody keeps files in
        if !path.join(TAG).exists() && has_foreign_files(path)? {
            return Err(HostError::ForeignFiles(path.to_path_buf()));
        }
        let lock = FileLock::shared(&path.join(".lock"))?;
        if !path.join(TAG).exists() {
            write_atomic(&path.join(TAG), TAG_TEXT.as_bytes())?;
        }
        Ok(Self { path: path.to_path_buf(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the directory with all that is in it: bytes given back. Nothing happens where it is missing.
    ///
    /// # Errors
    /// It is in use, or not a cache of pimg, or the system reports an error.
    pub fn remove(path: &Path) -> Result<u64, HostError> {
        if !path.exists() {
            return Ok(0);
        }
        let tag = match std::fs::read(path.join(TAG)) {
            Ok(tag) => tag,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(HostError::file("read", path)(error)),
        };
        if tag != TAG_TEXT.as_bytes() {
            return Err(HostError::NotOurCache(path.to_path_buf()));
        }
        let _lock = match FileLock::exclusive(&path.join(".lock")) {
            Err(HostError::InUse(_)) => return Err(HostError::InUse(path.to_path_buf())),
            other => other?,
        };
        remove_tree(path)
    }
}

/// Whether there is anything but what another pimg makes on its way to a cache.
fn has_foreign_files(path: &Path) -> Result<bool, HostError> {
    for entry in std::fs::read_dir(path).map_err(HostError::file("list", path))? {
        let name = entry.map_err(HostError::file("list", path))?.file_name();
        if !is_ours(&name.to_string_lossy()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether pimg makes such an entry: our own files, and buckets such as `raw-v1`.
fn is_ours(name: &str) -> bool {
    let version = name.rsplit_once("-v").map_or("", |(_, version)| version);
    let is_bucket = !version.is_empty() && version.bytes().all(|c| c.is_ascii_digit());
    is_bucket || name == ".lock" || name == TAG || name.starts_with(".pimg-")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{CacheDir, is_ours};
    use crate::host::error::HostError;

    #[test]
    fn knows_its_buckets() {
        for (name, expected) in
            [("raw-v1", true), (".lock", true), ("thesis-v", false), ("x-v1b", false), ("v1", false)]
        {
            assert_eq!(is_ours(name), expected, "{name}");
        }
    }

    #[test]
    fn removes_only_a_cache_of_ours_that_nobody_uses() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let foreign = dir.path().join("home");
        fs::create_dir(&foreign)?;
        fs::write(foreign.join("thesis.txt"), "x")?;
        assert!(matches!(CacheDir::open(&foreign), Err(HostError::ForeignFiles(_))));
        assert!(matches!(CacheDir::remove(&foreign), Err(HostError::NotOurCache(_))));

        let path = dir.path().join("cache/pimg");
        assert_eq!(CacheDir::remove(&path)?, 0);
        let (one, two) = (CacheDir::open(&path)?, CacheDir::open(&path)?);
        assert!(matches!(CacheDir::remove(&path), Err(HostError::InUse(_))));
        drop((one, two));
        assert!(CacheDir::remove(&path)? > 0);
        assert!(!path.exists() && foreign.join("thesis.txt").exists());
        Ok(())
    }
}
