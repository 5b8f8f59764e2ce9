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

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::error::HostError;
use super::files::{FileLock, disk_usage, free_space, list_directories, sync_dir, touch};
use super::tools;
use super::unfinished::{PREFIX, claim, hold_left_behind};

/// The directory of layers in the cache.
pub const BUCKET: &str = "bake-v1";
const LOCKS: &str = "lock-v1";

/// Where a bake puts what becomes a layer, in its work directory.
const RESULT: &str = "layer";

/// Most that all layers take on the disk, in bytes. Never more than half of what they have and what is free.
const MOST: u64 = 20 << 30;

/// Time between two looks whether another process has finished.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long removing a tree may take.
const REMOVAL: Duration = Duration::from_secs(600);

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
        loop {
            let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&self.directory);
            let path = made.map_err(HostError::file("create a directory in", &self.directory))?.keep();
            let lock = File::open(&path).map_err(HostError::file("open", &path))?;
            if claim(&lock, &path) {
                let work = BakeWork { path, is_kept: false, _lock: lock };
                let result = work.result();
                std::fs::create_dir(&result).map_err(HostError::file("create", &result))?;
                return Ok(work);
            }
        }
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

/// Where a bake works. It goes with this value, whoever the files in it belong to.
#[derive(Debug)]
pub struct BakeWork {
    path: PathBuf,
    is_kept: bool,
    _lock: File,
}

impl BakeWork {
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The empty directory in it for what is to become a layer.
    pub fn result(&self) -> PathBuf {
        self.path.join(RESULT)
    }

    /// Leaves the directory to be looked at, until the next one that opens the layers removes it.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for BakeWork {
    fn drop(&mut self) {
        if !self.is_kept {
            // what cannot be removed now is removed by the next one
            let _ = remove(&self.path);
        }
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

/// Removes the work of bakes that nobody holds any more; nothing where there is no such directory.
///
/// # Errors
/// The directory cannot be listed. What cannot be removed is left to the next one.
pub(super) fn remove_left_behind(bucket: &Path) -> Result<(), HostError> {
    for path in list_directories(bucket)?.iter().filter(|path| is_work(path)) {
        // held until it is gone, so that nobody takes it for his own
        if let Some(_lock) = hold_left_behind(path) {
            let _ = remove(path);
        }
    }
    Ok(())
}

fn is_work(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
}

fn layers_of(bucket: &Path) -> Result<Vec<PathBuf>, HostError> {
    let mut found = list_directories(bucket)?;
    found.retain(|path| !is_work(path));
    Ok(found)
}

fn last_use(path: &Path) -> Result<SystemTime, HostError> {
    path.metadata().and_then(|metadata| metadata.modified()).map_err(HostError::file("look at", path))
}

/// Removes a tree. A bake that a user ran leaves files of the ids that `/etc/subuid` gives that user, and directories that
/// even the owner cannot enter (overlayfs' work directory): root of a user namespace that has the same ids removes them.
fn remove(path: &Path) -> Result<(), HostError> {
    let Err(first) = std::fs::remove_dir_all(path) else { return Ok(()) };
    let words =
        ["unshare", "--user", "--map-root-user", "--map-auto", "rm", "-rf", "--one-file-system", "--"];
    let mut command: Vec<String> = words.map(str::to_owned).to_vec();
    command.push(path.to_string_lossy().into_owned());
    let removed = tools::run(&command, Path::new("/"), REMOVAL);
    if removed.is_ok() && !path.exists() { Ok(()) } else { Err(HostError::file("remove", path)(first)) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::{BakeWork, Bakes, HostError, clean, remove_left_behind};

    fn add(bakes: &Bakes, key: &str, bytes: usize) -> Result<(), HostError> {
        let work = bakes.work()?;
        fs::write(work.result().join("layer.json"), vec![b'7'; bytes]).expect("a work directory");
        bakes.publish(key, &work).map(drop)
    }

    fn used_at(bakes: &Bakes, key: &str, seconds: u64) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let directory = fs::File::open(bakes.directory.join(key)).expect("a layer");
        directory.set_modified(time).expect("a time");
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = directory.read_dir().expect("a directory");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_layer_is_there_whole_or_not_at_all() -> Result<(), HostError> {
        let root = tempfile::tempdir().expect("a directory");
        let bakes = Bakes::open(root.path())?;
        let work = bakes.work()?;
        fs::write(work.path().join("half"), "half").expect("a work directory");
        assert!(bakes.get("a")?.is_none());
        drop(work);
        assert_eq!(names(&bakes.directory), [""; 0]);
        add(&bakes, "a", 10)?;
        add(&bakes, "a", 20)?;
        let found = bakes.get("a")?.expect("is there");
        assert_eq!(fs::read(found.join("layer.json")).expect("a manifest").len(), 20);
        assert_eq!(names(&bakes.directory), ["a"]);
        bakes.forget("a")?;
        bakes.forget("a")?;
        assert!(bakes.get("a")?.is_none());
        Ok(())
    }

    #[test]
    fn what_a_killed_bake_left_goes_and_what_is_being_made_stays() -> Result<(), HostError> {
        let root = tempfile::tempdir().expect("a directory");
        let bakes = Bakes::open(root.path())?;
        let living: BakeWork = bakes.work()?;
        let dead = bakes.directory.join(".tmp-dead");
        fs::create_dir_all(dead.join("lower/etc")).expect("a directory");
        fs::write(dead.join("lower/etc/passwd"), "root").expect("a file");
        Bakes::open(root.path())?;
        assert!(living.path().exists() && !dead.exists());
        Ok(())
    }

    #[test]
    fn the_least_recently_used_goes_first_and_the_new_one_never() -> Result<(), HostError> {
        let root = tempfile::tempdir().expect("a directory");
        let bakes = Bakes::open(root.path())?;
        for (seconds, key) in (1..).zip(["new", "old", "older"]) {
            add(&bakes, key, 100_000)?;
            used_at(&bakes, key, seconds);
        }
        bakes.get("old")?;
        bakes.trim("new", 250_000)?;
        assert_eq!(names(&bakes.directory), ["new", "old"]);
        bakes.trim("new", 0)?;
        assert_eq!(names(&bakes.directory), ["new"]);
        Ok(())
    }

    #[test]
    fn cleaning_takes_a_layer_as_a_whole() -> Result<(), HostError> {
        let root = tempfile::tempdir().expect("a directory");
        let bakes = Bakes::open(root.path())?;
        for (key, seconds) in [("lost", 49), ("kept", 50)] {
            add(&bakes, key, 5000)?;
            used_at(&bakes, key, seconds);
        }
        let freed = clean(&bakes.directory, SystemTime::UNIX_EPOCH + Duration::from_secs(50))?;
        assert!(freed >= 5000);
        assert_eq!(names(&bakes.directory), ["kept"]);
        remove_left_behind(&root.path().join("nothing"))
    }

    #[test]
    fn only_one_makes_a_layer() -> Result<(), HostError> {
        let root = tempfile::tempdir().expect("a directory");
        let bakes = Bakes::open(root.path())?;
        let lock = bakes.lock("a", &|| false)?.expect("nobody stops");
        assert!(bakes.lock("a", &|| true)?.is_none(), "somebody else makes it");
        drop(lock);
        assert!(bakes.lock("a", &|| true)?.is_some());
        Ok(())
    }
}
