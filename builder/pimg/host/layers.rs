//! Layers in the cache: files that took time to make, by the digest of what they were made from.
//!
//! ```text
//! ROOT/
//!   layer-v1/<key>        a layer, read-only
//!   layer-v1/<key>.seen   what the file looked like when all of it was last known to be good; its time is the last use
//!   layer-v1/.tmp-*       a layer that is being written, locked by whoever writes it
//!   lock-v1/layer-<key>   locked by whoever makes that layer: an empty file
//! ```
//! A layer appears whole: written to a file of another name, flushed, renamed. Whoever dies on the way leaves a `.tmp-`
//! file that nobody holds a lock on, and the next one removes it. An open layer is locked, so that making room for
//! another one passes it by; a lock that a file system does not have costs nothing but that.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use super::device::FileDevice;
use super::error::HostError;
use super::files::{FileLock, free_space, sync_dir, touch};
use super::unfinished;

const BUCKET: &str = "layer-v1";
const LOCKS: &str = "lock-v1";
const SEEN: &str = "seen";

/// Most that all layers take on the disk, in bytes: a few dozen of a usual size. Never more than half of what they have
/// and what is free, so that a small disk stays usable.
const MOST: u64 = 20 << 30;

/// Time between two looks whether another process has finished.
const PATIENCE: Duration = Duration::from_millis(50);

/// The layers of a cache directory.
#[derive(Debug)]
pub struct LayerFiles {
    directory: PathBuf,
    locks: PathBuf,
}

/// A layer that is there. As long as it is open nobody makes room by removing it.
#[derive(Debug)]
pub struct LayerFile {
    /// Its bytes.
    pub device: Arc<FileDevice>,
    /// Whether all of it was known to be good, and nothing has touched it since.
    pub is_known: bool,
}

impl LayerFiles {
    /// Opens the layers of the cache in `root`, and removes what others left unfinished.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn open(root: &Path) -> Result<Self, HostError> {
        Self::open_bucket(root, BUCKET)
    }

    /// As [`Self::open`], for files of another kind that are kept the same way, in a bucket such as `module-v1`.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn open_bucket(root: &Path, bucket: &str) -> Result<Self, HostError> {
        let files = Self { directory: root.join(bucket), locks: root.join(LOCKS) };
        for directory in [&files.directory, &files.locks] {
            std::fs::create_dir_all(directory).map_err(HostError::file("create", directory))?;
        }
        unfinished::remove_left_behind(&files.directory)?;
        Ok(files)
    }

    /// Where layers are, for work files beside them.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Waits until no other process makes this layer. The lock ends with what is returned; nothing is where `stop` said
    /// so before.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn lock(&self, key: &str, stop: &dyn Fn() -> bool) -> Result<Option<FileLock>, HostError> {
        let path = self.locks.join(format!("layer-{key}"));
        loop {
            match FileLock::exclusive(&path) {
                Err(HostError::InUse(_)) if stop() => return Ok(None),
                Err(HostError::InUse(_)) => std::thread::sleep(PATIENCE),
                other => return other.map(Some),
            }
        }
    }

    /// The layer of this key, if it is there. Marks it as used.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn get(&self, key: &str) -> Result<Option<LayerFile>, HostError> {
        let path = self.directory.join(key);
        let device = match FileDevice::open(&path) {
            Ok(device) => device,
            Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let _ = device.file().try_lock_shared();
        let seen = path.with_extension(SEEN);
        let is_known = std::fs::read_to_string(&seen)
            .is_ok_and(|known| stamp(device.file()).is_ok_and(|now| now == known));
        if is_known {
            touch(&seen)?;
        }
        Ok(Some(LayerFile { device: Arc::new(device), is_known }))
    }

    /// Notes that all of this open layer is good, so that it need not be read as a whole before it is touched again.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn know(&self, key: &str, layer: &LayerFile) -> Result<(), HostError> {
        // half a mark is as good as none
        let seen = self.directory.join(key).with_extension(SEEN);
        let text = stamp(layer.device.file()).map_err(HostError::file("look at", layer.device.path()))?;
        std::fs::write(&seen, text).map_err(HostError::file("mark", &seen))
    }

    /// A file for a layer, which vanishes unless it is published.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn unfinished(&self) -> Result<NamedTempFile, HostError> {
        unfinished::create(&self.directory)
    }

    /// Gives a file from [`Self::unfinished`] its name, once it is safely on the disk, and makes room for it among the
    /// others: those that were not used for longest go, but for open ones.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn publish(&self, key: &str, file: NamedTempFile) -> Result<LayerFile, HostError> {
        let path = self.directory.join(key);
        let read_only = std::os::unix::fs::PermissionsExt::from_mode(0o444);
        file.as_file().set_permissions(read_only).map_err(HostError::file("set the mode of", &path))?;
        file.as_file().sync_all().map_err(HostError::file("flush", &path))?;
        let file = file.persist(&path).map_err(|error| HostError::file("write", &path)(error.error))?;
        sync_dir(&self.directory)?;
        // the lock of the writer would keep that of the reader away
        drop(file);
        let gone = || HostError::file("open", &path)(io::ErrorKind::NotFound.into());
        let layer = self.get(key)?.ok_or_else(gone)?;
        self.know(key, &layer)?;
        self.trim(self.limit()?)?;
        Ok(LayerFile { is_known: true, ..layer })
    }

    /// Removes the layer of this key, whatever it is.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn forget(&self, key: &str) -> Result<(), HostError> {
        let path = self.directory.join(key);
        let _ = std::fs::remove_file(path.with_extension(SEEN));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(HostError::file("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// What all layers may take, in bytes.
    fn limit(&self) -> Result<u64, HostError> {
        let taken: u64 = self.layers()?.iter().map(|(_, size, _)| size).sum();
        Ok(MOST.min((taken + free_space(&self.directory)?) / 2))
    }

    /// Removes layers until the others take no more than `most` bytes.
    fn trim(&self, most: u64) -> Result<(), HostError> {
        let mut layers = self.layers()?;
        layers.sort_by_key(|(_, _, used)| *used);
        let mut taken: u64 = layers.iter().map(|(_, size, _)| size).sum();
        for (key, size, _) in layers {
            if taken <= most {
                break;
            }
            let is_free = File::open(self.directory.join(&key)).is_ok_and(|file| file.try_lock().is_ok());
            if is_free {
                self.forget(&key)?;
                taken = taken.saturating_sub(size);
            }
        }
        Ok(())
    }

    /// Key, bytes on the disk and last use of each layer.
    fn layers(&self) -> Result<Vec<(String, u64, SystemTime)>, HostError> {
        let mut layers = Vec::new();
        for path in self.list()? {
            let name = name_of(&path);
            if name.starts_with(unfinished::PREFIX)
                || path.extension().is_some_and(|extension| extension == SEEN)
            {
                continue;
            }
            // another process may have removed it meanwhile
            let Ok(metadata) = path.metadata() else { continue };
            let marked = path.with_extension(SEEN).metadata().unwrap_or_else(|_| metadata.clone());
            let used = marked.modified().map_err(HostError::file("look at", &path))?;
            layers.push((name, metadata.blocks().saturating_mul(512), used));
        }
        Ok(layers)
    }

    fn list(&self) -> Result<Vec<PathBuf>, HostError> {
        let entries = std::fs::read_dir(&self.directory).map_err(HostError::file("list", &self.directory))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect::<Result<_, _>>().map_err(HostError::file("list", &self.directory))
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Inode, length and times of a file: as long as they are equal, so are its bytes. No program can set the change time.
fn stamp(file: &File) -> io::Result<String> {
    let metadata = file.metadata()?;
    let (modified, changed) =
        ((metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec()));
    Ok(format!("{}:{} {} {modified:?} {changed:?}\n", metadata.dev(), metadata.ino(), metadata.len()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::{HostError, LayerFile, LayerFiles};

    const NEVER: &dyn Fn() -> bool = &|| false;

    /// An operator who interrupts before the first look.
    fn at_once() -> bool {
        true
    }

    fn add(layers: &LayerFiles, key: &str, bytes: usize) -> Result<LayerFile, HostError> {
        let mut file = layers.unfinished()?;
        file.write_all(&vec![7; bytes]).map_err(HostError::file("write", file.path()))?;
        layers.publish(key, file)
    }

    fn used_at(layers: &LayerFiles, key: &str, seconds: u64) {
        let mark =
            std::fs::File::options().write(true).open(layers.directory().join(key).with_extension("seen"));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        mark.and_then(|mark| mark.set_modified(time)).expect("a mark");
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
    fn a_layer_is_there_whole_or_not_at_all() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let layers = LayerFiles::open(root.path())?;
        assert!(layers.get("a")?.is_none());
        let mut half = layers.unfinished()?;
        half.write_all(b"half")?;
        assert!(layers.get("a")?.is_none());
        drop(half);
        assert_eq!(names(layers.directory()), [""; 0]);
        add(&layers, "a", 10)?;
        assert!(layers.get("a")?.is_some_and(|layer| layer.is_known));
        assert_eq!(names(layers.directory()), ["a", "a.seen"]);
        layers.forget("a")?;
        layers.forget("a")?;
        assert_eq!(names(layers.directory()), [""; 0]);
        Ok(())
    }

    #[test]
    fn what_was_touched_is_no_longer_known() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let layers = LayerFiles::open(root.path())?;
        drop(add(&layers, "a", 10)?);
        let path = layers.directory().join("a");
        std::fs::remove_file(&path)?;
        std::fs::write(&path, [7; 10])?;
        let layer = layers.get("a")?.expect("is there");
        assert!(!layer.is_known);
        layers.know("a", &layer)?;
        assert!(layers.get("a")?.expect("is there").is_known);
        Ok(())
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_is_being_written_stays()
    -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let layers = LayerFiles::open(root.path())?;
        let living = layers.unfinished()?;
        std::fs::write(layers.directory().join(".tmp-killed"), "half")?;
        LayerFiles::open(root.path())?;
        assert!(living.path().exists());
        assert_eq!(names(layers.directory()).len(), 1);
        Ok(())
    }

    #[test]
    fn the_least_recently_used_goes_first_and_an_open_one_never() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let layers = LayerFiles::open(root.path())?;
        let open = add(&layers, "open", 100_000)?;
        for key in ["old", "new", "newest"] {
            drop(add(&layers, key, 100_000)?);
        }
        for (seconds, key) in (1..).zip(["open", "old", "new", "newest"]) {
            used_at(&layers, key, seconds);
        }
        drop(layers.get("old")?); // used just now
        let all: u64 = layers.layers()?.iter().map(|(_, size, _)| size).sum();
        layers.trim(all)?;
        assert_eq!(layers.layers()?.len(), 4, "nothing has to go");
        layers.trim(all - 1)?;
        assert_eq!(
            names(layers.directory()),
            ["newest", "newest.seen", "old", "old.seen", "open", "open.seen"]
        );
        layers.trim(0)?;
        assert_eq!(names(layers.directory()), ["open", "open.seen"]);
        drop(open);
        layers.trim(0)?;
        assert_eq!(names(layers.directory()), [""; 0]);
        Ok(())
    }

    #[test]
    fn only_one_makes_a_layer() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let layers = LayerFiles::open(root.path())?;
        let lock = layers.lock("a", NEVER)?.expect("nobody stops");
        assert!(layers.lock("a", &at_once)?.is_none(), "somebody else makes it");
        assert!(layers.lock("b", NEVER)?.is_some());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| layers.lock("a", NEVER).is_ok_and(|lock| lock.is_some()));
            std::thread::sleep(Duration::from_millis(10));
            drop(lock);
            assert!(waiting.join().expect("no panic"));
        });
        Ok(())
    }
}
