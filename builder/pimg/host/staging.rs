//! Publishing: a build works in a directory beside the results, and renames into place what is complete.
//!
//! `out/.pimg-<random>/<host>/…` becomes `out/<host>/…`. A reader sees the old directory or the new one. The
//! staging directory vanishes with its owner; one that a killed build left is removed by the next build,
//! which recognises it by its lock: the kernel drops the lock of a dead process.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use tempfile::TempDir;

use super::error::HostError;
use super::files::{disk_usage, sync_dir};
use super::unfinished::{claim, hold_left_behind};

/// How the names of staging directories begin.
const PREFIX: &str = ".pimg-";

/// A work directory on the file system of the results.
#[derive(Debug)]
pub struct Staging {
    out: PathBuf,
    made_out: bool,
    // dropped in this order: the directory goes while the lock on it is still held
    work: Option<TempDir>,
    _lock: File,
}

impl Staging {
    /// Makes a staging directory in `out`, and `out` itself where it is missing.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn new(out: &Path) -> Result<Self, HostError> {
        let made_out = !out.exists();
        std::fs::create_dir_all(out).map_err(HostError::file("create", out))?;
        remove_stale(out)?;
        loop {
            let mut builder = tempfile::Builder::new();
            let work = builder
                .prefix(PREFIX)
                .tempdir_in(out)
                .map_err(HostError::file("create a directory in", out))?;
            let lock = File::open(work.path()).map_err(HostError::file("open", work.path()))?;
            if claim(&lock, work.path()) {
                return Ok(Self { out: out.to_path_buf(), made_out, work: Some(work), _lock: lock });
            }
        }
    }

    /// Where the work goes; work files of any name may lie here.
    pub fn path(&self) -> &Path {
        self.work.as_ref().map_or(&self.out, TempDir::path)
    }

    /// An empty directory for what will be published as `name`. What an earlier attempt left in it goes.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn directory(&self, name: &str) -> Result<PathBuf, HostError> {
        let path = self.path().join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(HostError::file("remove", &path))?;
        }
        std::fs::create_dir(&path).map_err(HostError::file("create", &path))?;
        Ok(path)
    }

    /// Puts the directory `name` in the place of `out/<name>`, with everything in it safely on the disk.
    /// Files of the old directory that the new one does not have stay, but for those named in `outdated`: they speak of
    /// files that are replaced.
    ///
    /// # Errors
    /// Whatever the system reports; `out/<name>` is as it was.
    pub fn publish(&self, name: &str, outdated: &[&str]) -> Result<PathBuf, HostError> {
        let (new, target) = (self.path().join(name), self.out.join(name));
        let names = sync_files(&new)?;
        let exists = target.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        let take_back: TakeBack = if !exists {
            put(&new, &target)?
        } else if swap(&new, &target, &names, outdated)? {
            exchange
        } else {
            replace_one_by_one(&new, &target, &names, outdated)?;
            // there is nothing that it could be exchanged with
            |_, _| false
        };
        self.settle(&new, target, take_back)
    }

    /// Puts the directory `name` in the place of `out/<name>`, with everything in it safely on the disk. Nothing of the
    /// old directory stays.
    ///
    /// # Errors
    /// Whatever the system reports; `out/<name>` is as it was.
    pub fn replace(&self, name: &str) -> Result<PathBuf, HostError> {
        let (new, target) = (self.path().join(name), self.out.join(name));
        sync_files(&new)?;
        let take_back: TakeBack = if target.symlink_metadata().is_err() {
            put(&new, &target)?
        } else if exchange(&new, &target) {
            exchange
        } else {
            // a file system that cannot exchange two names: for a moment there is neither
            let old = self.path().join(".replaced");
            std::fs::rename(&target, &old).map_err(HostError::file("replace", &target))?;
            put(&new, &target).inspect_err(|_| {
                let _ = std::fs::rename(&old, &target);
            })?;
            |_, _| false
        };
        self.settle(&new, target, take_back)
    }

    /// Waits until `out` is on the disk. What may be lost with the next power cut is not told as done, and does not stay
    /// either.
    fn settle(&self, new: &Path, target: PathBuf, take_back: TakeBack) -> Result<PathBuf, HostError> {
        sync_dir(&self.out).inspect_err(|_| {
            let _ = take_back(new, &target);
        })?;
        Ok(target)
    }
}

/// How the second of two directories goes back to the place of the first: whether it did.
type TakeBack = fn(&Path, &Path) -> bool;

/// Puts a directory where there is none.
fn put(new: &Path, target: &Path) -> Result<TakeBack, HostError> {
    std::fs::rename(new, target).map_err(HostError::file("publish", target))?;
    Ok(|new, target| std::fs::rename(target, new).is_ok())
}

impl Drop for Staging {
    fn drop(&mut self) {
        // what cannot be removed now is removed by the next build
        drop(self.work.take());
        if self.made_out {
            let _ = std::fs::remove_dir(&self.out);
        }
    }
}

/// Renames each file into the old directory, where nothing quicker is to be had.
fn replace_one_by_one(
    new: &Path,
    target: &Path,
    names: &[std::ffi::OsString],
    outdated: &[&str],
) -> Result<(), HostError> {
    for name in outdated.iter().filter(|&&name| !names.iter().any(|new| new == name)) {
        super::files::remove_file(&target.join(name))?;
    }
    for name in names {
        let to = target.join(name);
        std::fs::rename(new.join(name), &to).map_err(HostError::file("publish", &to))?;
    }
    sync_dir(target)
}

/// Exchanges two directories in one step. `false` where the file system cannot: nothing has changed then.
fn swap(
    new: &Path,
    target: &Path,
    names: &[std::ffi::OsString],
    outdated: &[&str],
) -> Result<bool, HostError> {
    for entry in std::fs::read_dir(target).map_err(HostError::file("list", target))? {
        let entry = entry.map_err(HostError::file("list", target))?;
        let name = entry.file_name();
        if names.contains(&name) || outdated.iter().any(|outdated| name == **outdated) {
            continue;
        }
        // a directory, or a file system without hard links
        if std::fs::hard_link(entry.path(), new.join(entry.file_name())).is_err() {
            return Ok(false);
        }
    }
    sync_dir(new)?;
    Ok(exchange(new, target))
}

/// Puts each of two directories in the place of the other, in one step. `false` where that cannot be.
fn exchange(new: &Path, target: &Path) -> bool {
    rustix::fs::renameat_with(CWD, new, CWD, target, RenameFlags::EXCHANGE).is_ok()
}

/// Flushes the files of a directory and the directory; their names, `manifest.json` last.
fn sync_files(dir: &Path) -> Result<Vec<std::ffi::OsString>, HostError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(HostError::file("list", dir))? {
        let entry = entry.map_err(HostError::file("list", dir))?;
        let path = entry.path();
        let file = File::open(&path).map_err(HostError::file("open", &path))?;
        file.sync_all().map_err(HostError::file("flush", &path))?;
        names.push(entry.file_name());
    }
    // where files are renamed one by one, the manifest tells of nothing that is not there yet
    names.sort_by_key(|name| (name == "manifest.json", name.clone()));
    sync_dir(dir)?;
    Ok(names)
}

/// Removes staging directories that no living build holds: their paths and bytes on the disk.
///
/// # Errors
/// `out` cannot be listed. What cannot be removed is left.
pub fn remove_stale(out: &Path) -> Result<Vec<(PathBuf, u64)>, HostError> {
    let entries = match std::fs::read_dir(out) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(HostError::file("list", out)(error)),
    };
    let mut removed = Vec::new();
    for entry in entries {
        let entry = entry.map_err(HostError::file("list", out))?;
        let path = entry.path();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_dir || !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Some(_held) = hold_left_behind(&path) else { continue };
        let size = disk_usage(&path).unwrap_or(0);
        if std::fs::remove_dir_all(&path).is_ok() {
            removed.push((path, size));
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Staging, remove_stale};

    fn listing(dir: &std::path::Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .expect("a directory")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn publishes_a_whole_directory_and_keeps_what_else_is_there() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let out = dir.path().join("out");
        for (version, content) in [("1", "one"), ("2", "two"), ("2", "three")] {
            let staging = Staging::new(&out)?;
            let work = staging.directory("node-a")?;
            fs::write(work.join(format!("node-a-{version}.img")), content)?;
            fs::write(work.join("manifest.json"), content)?;
            assert_eq!(staging.publish("node-a", &[])?, out.join("node-a"));
            assert_eq!(fs::read_to_string(out.join("node-a/manifest.json"))?, content);
        }
        assert_eq!(listing(&out), ["node-a"]);
        assert_eq!(listing(&out.join("node-a")), ["manifest.json", "node-a-1.img", "node-a-2.img"]);
        assert_eq!(fs::read_to_string(out.join("node-a/node-a-1.img"))?, "one");
        Ok(())
    }

    #[test]
    fn replacing_leaves_nothing_of_the_old_directory() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let out = dir.path().join("out");
        for version in ["1", "2"] {
            let staging = Staging::new(&out)?;
            fs::write(staging.directory("release")?.join(version), version)?;
            assert_eq!(staging.replace("release")?, out.join("release"));
        }
        assert_eq!(listing(&out), ["release"]);
        assert_eq!(listing(&out.join("release")), ["2"]);
        Ok(())
    }

    #[test]
    fn a_directory_among_the_old_files_stays_too() -> Result<(), Box<dyn std::error::Error>> {
        let out = tempfile::tempdir()?;
        fs::create_dir_all(out.path().join("node-a/notes"))?;
        fs::write(out.path().join("node-a/x.img"), "old")?;
        let staging = Staging::new(out.path())?;
        fs::write(staging.directory("node-a")?.join("x.img"), "new")?;
        staging.publish("node-a", &[])?;
        drop(staging);
        assert_eq!(listing(&out.path().join("node-a")), ["notes", "x.img"]);
        assert_eq!(fs::read_to_string(out.path().join("node-a/x.img"))?, "new");
        Ok(())
    }

    #[test]
    fn what_speaks_of_replaced_files_goes_with_them() -> Result<(), Box<dyn std::error::Error>> {
        let out = tempfile::tempdir()?;
        let staging = Staging::new(out.path())?;
        // with a directory in it the files are renamed one by one
        for kept in ["x.img", "notes"] {
            let old = out.path().join("node-a");
            let _ = fs::remove_dir_all(&old);
            fs::create_dir(&old)?;
            fs::write(old.join("sums.sig"), "old")?;
            if kept == "notes" {
                fs::create_dir(old.join(kept))?
            } else {
                fs::write(old.join(kept), "old")?
            }
            fs::write(staging.directory("node-a")?.join("sums"), "new")?;
            staging.publish("node-a", &["sums.sig"])?;
            let mut expected = vec!["sums", kept];
            expected.sort_unstable();
            assert_eq!(listing(&old), expected);
        }
        Ok(())
    }

    #[test]
    fn a_build_that_gives_up_leaves_nothing() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let out = dir.path().join("out");
        let staging = Staging::new(&out)?;
        fs::write(staging.directory("node-a")?.join("half"), "x")?;
        drop(staging);
        assert!(!out.exists());

        fs::create_dir(&out)?;
        drop(Staging::new(&out)?);
        assert!(out.exists(), "was there before");
        assert_eq!(listing(&out), [""; 0]);
        Ok(())
    }

    #[test]
    fn the_next_build_removes_what_a_killed_one_left() -> Result<(), Box<dyn std::error::Error>> {
        let out = tempfile::tempdir()?;
        let living = Staging::new(out.path())?;
        fs::create_dir_all(out.path().join(".pimg-killed/node-a"))?;
        fs::create_dir_all(out.path().join("node-b"))?;
        let removed = remove_stale(out.path())?;
        assert_eq!(removed.len(), 1);
        assert!(living.path().exists() && out.path().join("node-b").exists());
        assert!(!out.path().join(".pimg-killed").exists());
        Ok(())
    }
}
