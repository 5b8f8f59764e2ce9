//! The cache directory as the host sees it: who uses it, and how it goes. What is in it, `pimg-fetch` knows.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::bakes;
use super::error::HostError;
use super::files::{FileLock, disk_usage, list_directories, remove_tree, write_atomic};

/// The bucket of files to lock.
const LOCKS: &str = "lock-v1";

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
        let _lock = Self::take_over(path)?;
        // only these may hold what this user cannot remove as other files are removed
        bakes::remove_left_behind(&path.join(bakes::BUCKET))?;
        remove_tree(path)
    }

    /// Removes what was last used before `oldest`: bytes given back. Nothing happens where the directory is missing.
    ///
    /// # Errors
    /// As [`Self::remove`].
    pub fn clean(path: &Path, oldest: SystemTime) -> Result<u64, HostError> {
        if !path.exists() {
            return Ok(0);
        }
        let _lock = Self::take_over(path)?;
        let mut freed = 0;
        for bucket in list_directories(path)? {
            let name = bucket.file_name().unwrap_or_default().to_string_lossy();
            // whoever waits for a lock that is removed waits for nobody
            if name == bakes::BUCKET {
                freed += bakes::clean(&bucket, oldest)?;
            } else if is_bucket(&name) && name != LOCKS {
                freed += clean_bucket(&bucket, oldest)?;
            }
        }
        Ok(freed)
    }

    /// Keeps everybody else out of a cache that is ours.
    fn take_over(path: &Path) -> Result<FileLock, HostError> {
        let tag = match std::fs::read(path.join(TAG)) {
            Ok(tag) => tag,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(HostError::file("read", path)(error)),
        };
        if tag != TAG_TEXT.as_bytes() {
            return Err(HostError::NotOurCache(path.to_path_buf()));
        }
        match FileLock::exclusive(&path.join(".lock")) {
            Err(HostError::InUse(_)) => Err(HostError::InUse(path.to_path_buf())),
            other => other,
        }
    }
}

/// Removes the files of a directory, and of those in it, that were last used before `oldest`: bytes given back.
///
/// A file counts as used when its mark `.seen` was touched, where it has one.
fn clean_bucket(directory: &Path, oldest: SystemTime) -> Result<u64, HostError> {
    let mut freed = 0;
    for entry in std::fs::read_dir(directory).map_err(HostError::file("list", directory))? {
        let path = entry.map_err(HostError::file("list", directory))?.path();
        // a mark of a file that just went
        let Ok(metadata) = path.symlink_metadata() else { continue };
        if metadata.is_dir() {
            freed += clean_bucket(&path, oldest)?;
            continue;
        }
        let mark = path.with_extension("seen");
        let used = mark.symlink_metadata().unwrap_or(metadata).modified();
        if used.map_err(HostError::file("look at", &path))? >= oldest {
            continue;
        }
        freed += disk_usage(&path)?;
        std::fs::remove_file(&path).map_err(HostError::file("remove", &path))?;
        if mark != path {
            freed += disk_usage(&mark)?;
            let _ = std::fs::remove_file(&mark);
        }
    }
    Ok(freed)
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

/// Whether pimg makes such a directory, as `raw-v1`.
fn is_bucket(name: &str) -> bool {
    let version = name.rsplit_once("-v").map_or("", |(_, version)| version);
    !version.is_empty() && version.bytes().all(|c| c.is_ascii_digit())
}

/// Whether pimg makes such an entry: our own files and buckets.
fn is_ours(name: &str) -> bool {
    is_bucket(name) || name == ".lock" || name == TAG || name.starts_with(".pimg-")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

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
    fn what_was_used_lately_stays() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("cache");
        let cache = CacheDir::open(&path)?;
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let put = |name: &str, seconds| {
            let file = path.join(name);
            fs::create_dir_all(file.parent().expect("has one"))?;
            fs::write(&file, [7; 5000])?;
            fs::File::options().write(true).open(&file)?.set_modified(at(seconds))
        };
        for (name, used) in [
            ("raw-v1/kept", 1),
            ("raw-v1/kept.seen", 100),
            ("layer-v1/lost", 1),
            ("layer-v1/lost.seen", 1),
            ("frame-v1/ab/lost", 1),
            ("memo-v1/kept", 50),
            ("lock-v1/kept", 1),
            ("inspect-x/kept", 1),
        ] {
            put(name, used)?;
        }
        assert!(matches!(CacheDir::clean(&path, at(50)), Err(HostError::InUse(_))));
        drop(cache);
        assert!(CacheDir::clean(&path, at(50))? >= 10_000);
        for (name, stays) in [
            ("raw-v1/kept", true),
            ("raw-v1/kept.seen", true),
            ("layer-v1/lost", false),
            ("layer-v1/lost.seen", false),
            ("frame-v1/ab/lost", false),
            ("memo-v1/kept", true),
            ("lock-v1/kept", true),
            ("inspect-x/kept", true),
            ("CACHEDIR.TAG", true),
        ] {
            assert_eq!(path.join(name).exists(), stays, "{name}");
        }
        assert_eq!(CacheDir::clean(&dir.path().join("nothing"), at(50))?, 0);
        Ok(())
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
