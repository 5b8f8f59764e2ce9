//! Work files and directories, each locked by whoever writes it.
//!
//! The kernel drops the lock of a dead process: what nobody holds was left by one that was killed, and the next one
//! removes it.

use std::fs::{File, TryLockError};
use std::path::Path;

use tempfile::NamedTempFile;

use super::error::HostError;
use super::files::is_same;

/// How the name of an unfinished file begins.
pub const PREFIX: &str = ".tmp-";

/// A file in `directory` that vanishes unless it gets a name. [`remove_left_behind`] passes it by while it is open.
///
/// # Errors
/// Whatever the system reports.
pub fn create(directory: &Path) -> Result<NamedTempFile, HostError> {
    loop {
        let file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(directory);
        let file = file.map_err(HostError::file("create a file in", directory))?;
        if claim(file.as_file(), file.path()) {
            return Ok(file);
        }
    }
}

/// Removes the unfinished files of `directory` that nobody writes any more.
///
/// # Errors
/// The directory cannot be listed. What cannot be removed is left to the next one.
pub fn remove_left_behind(directory: &Path) -> Result<(), HostError> {
    for entry in std::fs::read_dir(directory).map_err(HostError::file("list", directory))? {
        let entry = entry.map_err(HostError::file("list", directory))?;
        let is_unfinished = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_unfinished && hold_left_behind(&entry.path()).is_some() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Locks what was just made at `path` and opened as `file`. `false` where another process took it for left behind before
/// that: it is gone then, or about to go.
pub(super) fn claim(file: &File, path: &Path) -> bool {
    match file.try_lock() {
        Ok(()) => is_same(file, path),
        Err(TryLockError::WouldBlock) => false,
        // some network file systems lock nothing: then nobody takes it for left behind either
        Err(TryLockError::Error(_)) => true,
    }
}

/// What is at `path`, locked, if nobody else holds it: it may be removed as long as this is held.
pub(super) fn hold_left_behind(path: &Path) -> Option<File> {
    File::open(path).ok().filter(|file| file.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::{claim, create, hold_left_behind, remove_left_behind};

    #[test]
    fn what_nobody_holds_goes() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let living = create(dir.path())?;
        let (dead, other) = (dir.path().join(".tmp-dead"), dir.path().join("other"));
        fs::write(&dead, "half")?;
        fs::write(&other, "whole")?;
        remove_left_behind(dir.path())?;
        assert!(living.path().exists() && other.exists() && !dead.exists());
        Ok(())
    }

    #[test]
    fn who_comes_too_late_begins_again() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join(".tmp-new");
        let file = File::create(&path)?;
        let held = hold_left_behind(&path);
        assert!(held.is_some() && !claim(&file, &path), "somebody is about to remove it");
        fs::remove_file(&path)?;
        drop(held);
        assert!(!claim(&file, &path), "it is gone");
        let file = File::create(&path)?;
        assert!(claim(&file, &path));
        Ok(())
    }
}
