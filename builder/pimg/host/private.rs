//! Files that hold secrets for a moment: for their owner only, in memory where the system offers that, overwritten
//! before they go.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use zeroize::Zeroizing;

use super::env::Environment;
use super::error::HostError;
use super::files::{open, parent, read_limited, sync_dir};

/// Longest file that is read back, in bytes.
const LONGEST: u64 = 16 << 20;

/// A directory that only its owner can enter. It goes with this value, and so does what any file in it held.
#[derive(Debug)]
pub struct PrivateDir(TempDir);

impl PrivateDir {
    /// Makes one: in the user's runtime directory or in shared memory, which are in memory, else among temporary files.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn new(environment: &Environment) -> Result<Self, HostError> {
        let named =
            |name: &str| environment.variable(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
        let places = [named("XDG_RUNTIME_DIR"), Some(PathBuf::from("/dev/shm")), named("TMPDIR")];
        let mut builder = tempfile::Builder::new();
        builder.prefix("pimg-").permissions(PermissionsExt::from_mode(0o700));
        let made = places.into_iter().flatten().find_map(|place| builder.tempdir_in(place).ok());
        match made {
            Some(dir) => Ok(Self(dir)),
            None => {
                let last = Path::new("/tmp");
                Ok(Self(builder.tempdir_in(last).map_err(HostError::file("create a directory in", last))?))
            }
        }
    }

    /// Writes a file that only its owner can read.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, HostError> {
        let path = self.0.path().join(name);
        create(&path, bytes)?;
        Ok(path)
    }

    /// Reads a file back.
    ///
    /// # Errors
    /// It is gone, longer than 16 MiB, or whatever the system reports.
    pub fn read(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, HostError> {
        let path = self.0.path().join(name);
        let file = File::open(&path).map_err(HostError::file("open", &path))?;
        read_limited(file, &path, LONGEST).map(Zeroizing::new)
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        // editors leave copies beside the file; what cannot be overwritten still goes with the directory
        let entries = std::fs::read_dir(self.0.path()).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())) {
            let _ = overwrite(&entry.path());
        }
    }
}

/// Writes a file that only its owner can read, and waits until it is on the disk. A file that is there is overwritten
/// first, and a half-written one does not stay.
///
/// # Errors
/// Whatever the system reports.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), HostError> {
    wipe(path)?;
    create(path, bytes).inspect_err(|_| {
        // the first error is the one to tell
        let _ = wipe(path);
    })?;
    sync_dir(&parent(path))
}

/// Writes a file that only its owner can read, where there is none yet: whether this call made it. Its directory is made
/// too, for its owner alone.
///
/// # Errors
/// Whatever the system reports.
pub fn create_if_missing(path: &Path, bytes: &[u8]) -> Result<bool, HostError> {
    let directory = parent(path);
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(&directory).map_err(HostError::file("create", &directory))?;
    // tempfile makes its files with mode 0600
    let mut file = tempfile::NamedTempFile::new_in(&directory)
        .map_err(HostError::file("create a file in", &directory))?;
    file.write_all(bytes).map_err(HostError::file("write", path))?;
    file.as_file().sync_all().map_err(HostError::file("flush", path))?;
    match file.persist_noclobber(path) {
        Ok(_) => sync_dir(&directory).map(|()| true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(HostError::file("write", path)(error.error)),
    }
}

/// Reads a file that only its owner may read; `None` where there is none. `longest` is in bytes.
///
/// # Errors
/// Others can read it, it is longer, and whatever the system reports.
pub fn read_if_there(path: &Path, longest: u64) -> Result<Option<Zeroizing<Vec<u8>>>, HostError> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(HostError::file("open", path)(error)),
    };
    let metadata = file.metadata().map_err(HostError::file("read", path))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(HostError::Readable { path: path.to_path_buf(), mode });
    }
    read_limited(file, path, longest).map(|bytes| Some(Zeroizing::new(bytes)))
}

/// Overwrites a file with zeros and removes it. Its absence is no error.
///
/// # Errors
/// Whatever the system reports.
pub fn wipe(path: &Path) -> Result<(), HostError> {
    match overwrite(path) {
        Ok(()) => std::fs::remove_file(path).map_err(HostError::file("remove", path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(HostError::file("overwrite", path)(error)),
    }
}

fn create(path: &Path, bytes: &[u8]) -> Result<(), HostError> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(HostError::file("create", path))?;
    file.write_all(bytes).map_err(HostError::file("write", path))?;
    file.sync_all().map_err(HostError::file("flush", path))
}

fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let len = file.metadata()?.len();
    io::copy(&mut io::Read::take(io::repeat(0), len), &mut file)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{PrivateDir, replace, wipe};
    use crate::host::env::Environment;

    #[test]
    fn what_was_in_it_is_overwritten_before_it_goes() -> Result<(), Box<dyn std::error::Error>> {
        let place = tempfile::tempdir()?;
        let dir = PrivateDir::new(&Environment::new([("XDG_RUNTIME_DIR", place.path())]))?;
        let file = dir.write("secrets.toml", b"hunter2")?;
        assert!(file.starts_with(place.path()));
        assert_eq!(file.metadata()?.permissions().mode() & 0o777, 0o600);
        assert_eq!(file.parent().expect("has one").metadata()?.permissions().mode() & 0o777, 0o700);
        assert_eq!(dir.read("secrets.toml")?.as_slice(), b"hunter2");
        // a second name of the same file shows what became of its bytes
        let kept = place.path().join("kept");
        fs::hard_link(&file, &kept)?;
        drop(dir);
        assert!(!file.exists());
        assert_eq!(fs::read(kept)?, [0; 7]);
        Ok(())
    }

    #[test]
    fn an_older_file_is_overwritten_before_it_is_replaced() -> Result<(), Box<dyn std::error::Error>> {
        let place = tempfile::tempdir()?;
        let (path, kept) = (place.path().join("seed.tar"), place.path().join("kept"));
        replace(&path, b"old")?;
        fs::hard_link(&path, &kept)?;
        replace(&path, b"new")?;
        assert_eq!((fs::read(&path)?, fs::read(&kept)?), (b"new".to_vec(), vec![0; 3]));
        wipe(&path)?;
        wipe(&path)?;
        assert!(!path.exists());
        Ok(())
    }
}
