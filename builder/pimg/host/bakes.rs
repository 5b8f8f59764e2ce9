//! Baked layers in the cache: directories that took long to make, by the digest of what they were made from.
//!
//! ```text
//! ROOT/
//!   bake-v1/<key>/        a layer and its manifest; the time of the directory is its last use
//!   bake-v1/.tmp-*/       where a bake works, locked by whoever does
//!   lock-v1/bake-<key>    locked by whoever makes that layer: an empty file
//! ```
//! A layer appears whole, by renaming its directory. Whoever dies on the way leaves a `.tmp-` directory that nobody holds
//! a lock on, and the next one removes it, also where a user's bake left files in it that belong to other ids.

mod work;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub use self::work::BakeWork;
pub(super) use self::work::remove_left_behind;
use self::work::{is_work, remove};
use super::error::HostError;
use super::files::{FileLock, disk_usage, free_space, list_directories, sync_dir, touch};

/// The directory of layers in the cache.
pub const BUCKET: &str = "bake-v1";
const LOCKS: &str = "lock-v1";

/// Most that all layers take on the disk, in bytes. Never more than half of what they have and what is free.
const MOST: u64 = 20 << 30;

/// Time between two looks whether another process has finished.
const PATIENCE: Duration = Duration::from_millis(50);

/// The baked layers of a cache directory.
#[derive(Debug)]
pub struct Bakes {
    directory: PathBuf,
    locks: PathBuf,
}

impl Bakes {
    /// Opens the layers of the cache in `root`, and removes what others left unfinished.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn open(root: &Path) -> Result<Self, HostError> {
        let bakes = Self { directory: root.join(BUCKET), locks: root.join(LOCKS) };
        for directory in [&bakes.directory, &bakes.locks] {
            std::fs::create_dir_all(directory).map_err(HostError::file("create", directory))?;
        }
        remove_left_behind(&bakes.directory)?;
        Ok(bakes)
    }

    /// The directory of this layer, if it is there. Marks it as used.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn get(&self, key: &str) -> Result<Option<PathBuf>, HostError> {
        let path = self.directory.join(key);
        if !path.is_dir() {
            return Ok(None);
        }
        touch(&path)?;
        Ok(Some(path))
    }

    /// Waits until no other process makes this layer. The lock ends with what is returned; nothing is where `stop` said
    /// so before.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn lock(&self, key: &str, stop: &dyn Fn() -> bool) -> Result<Option<FileLock>, HostError> {
        let path = self.locks.join(format!("bake-{key}"));
        loop {
            match FileLock::exclusive(&path) {
                Err(HostError::InUse(_)) if stop() => return Ok(None),
                Err(HostError::InUse(_)) => std::thread::sleep(PATIENCE),
                other => return other.map(Some),
            }
        }
    }

    /// A directory to work in, which goes with what is returned.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn work(&self) -> Result<BakeWork, HostError> {
        BakeWork::new(&self.directory)
    }

    /// Gives what lies in [`BakeWork::result`] the name `key`, once it is safely on the disk, in place of what was there, and
    /// makes room for it: those that were not used for longest go.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn publish(&self, key: &str, work: &BakeWork) -> Result<PathBuf, HostError> {
        let (new, target) = (work.result(), self.directory.join(key));
        for entry in std::fs::read_dir(&new).map_err(HostError::file("list", &new))? {
            let path = entry.map_err(HostError::file("list", &new))?.path();
            let file = File::open(&path).map_err(HostError::file("open", &path))?;
            file.sync_all().map_err(HostError::file("flush", &path))?;
        }
        sync_dir(&new)?;
        self.forget(key)?;
        std::fs::rename(&new, &target).map_err(HostError::file("publish", &target))?;
        sync_dir(&self.directory)?;
        self.trim(key, self.limit()?)?;
        Ok(target)
    }

    /// Removes the layer of this key.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn forget(&self, key: &str) -> Result<(), HostError> {
        let path = self.directory.join(key);
        if path.exists() { remove(&path) } else { Ok(()) }
    }

    /// What all layers may take, in bytes.
    fn limit(&self) -> Result<u64, HostError> {
        let taken = disk_usage(&self.directory)?;
        Ok(MOST.min((taken + free_space(&self.directory)?) / 2))
    }

    /// Removes layers but `kept` until the others take no more than `most` bytes.
    fn trim(&self, kept: &str, most: u64) -> Result<(), HostError> {
        let mut layers = Vec::new();
        for path in layers_of(&self.directory)? {
            layers.push((last_use(&path)?, disk_usage(&path)?, path));
        }
        layers.sort();
        let mut taken: u64 = layers.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in layers {
            if taken <= most {
                break;
            }
            if !path.ends_with(kept) {
                remove(&path)?;
                taken = taken.saturating_sub(size);
            }
        }
        Ok(())
    }
}

/// Removes layers of the bucket that were last used before `oldest`, and what killed bakes left: bytes given back.
///
/// # Errors
/// Whatever the system reports.
pub(super) fn clean(bucket: &Path, oldest: SystemTime) -> Result<u64, HostError> {
    remove_left_behind(bucket)?;
    let mut freed = 0;
    for path in layers_of(bucket)? {
        if last_use(&path)? < oldest {
            freed += disk_usage(&path)?;
            remove(&path)?;
        }
    }
    Ok(freed)
}

fn layers_of(bucket: &Path) -> Result<Vec<PathBuf>, HostError> {
    let mut found = list_directories(bucket)?;
    found.retain(|path| !is_work(path));
    Ok(found)
}

fn last_use(path: &Path) -> Result<SystemTime, HostError> {
    path.metadata().and_then(|metadata| metadata.modified()).map_err(HostError::file("look at", path))
}

#[cfg(test)]
mod tests;
