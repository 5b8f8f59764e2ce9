//! The host's file system: reading, atomic writing, copying with holes, free space, locks.

use std::ffi::OsString;
use std::fs::{File, FileType, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use super::device::next_data;
use super::error::HostError;

/// Opens what has an end for reading, and refuses a pipe: opening one waits for somebody who writes to it.
///
/// # Errors
/// It is a pipe or a device of characters, and whatever the system reports.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let kind = path.metadata()?.file_type();
    if kind.is_fifo() || kind.is_char_device() {
        let found = if kind.is_fifo() { "a pipe" } else { "a device without an end" };
        return Err(io::Error::other(format!("it is {found}, expected a file")));
    }
    File::open(path)
}

/// Reads a small file such as a profile or a lock; `None` where there is none.
///
/// # Errors
/// It may not be read, or is longer than `limit` bytes.
pub fn read_optional(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, HostError> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(HostError::file("open", path)(error)),
    };
    read_limited(file, path, limit).map(Some)
}

/// Reads an open file to its end.
pub(super) fn read_limited(file: impl Read, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(HostError::file("read", path))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(HostError::file("read", path)(io::ErrorKind::FileTooLarge.into()));
    }
    Ok(bytes)
}

/// Makes a new file that can be written and read.
///
/// # Errors
/// It is there already, and whatever the system reports.
pub fn create_new(path: &Path) -> Result<File, HostError> {
    File::create_new(path).map_err(HostError::file("create", path))
}

/// The first `most` bytes of a file, or all of a shorter one.
///
/// # Errors
/// Whatever the system reports.
pub fn read_head(path: &Path, most: u64) -> Result<Vec<u8>, HostError> {
    let file = open(path).map_err(HostError::file("open", path))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(HostError::file("read", path))?;
    Ok(bytes)
}

/// Length of a file in bytes.
///
/// # Errors
/// It cannot be looked at.
pub fn length(path: &Path) -> Result<u64, HostError> {
    let metadata = fs_err::metadata(path).map_err(HostError::file("look at", path))?;
    Ok(metadata.len())
}

/// Writes a file so that a reader sees the old bytes or the new ones, even after a power cut.
///
/// # Errors
/// Whatever the system reports; the old file is as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), HostError> {
    let dir = parent(path);
    std::fs::create_dir_all(&dir).map_err(HostError::file("create", &dir))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".pimg-").permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(&dir).map_err(HostError::file("create a file in", &dir))?;
    file.write_all(bytes).map_err(HostError::file("write", path))?;
    file.as_file().sync_all().map_err(HostError::file("flush", path))?;
    file.persist(path).map_err(|error| HostError::file("write", path)(error.error))?;
    sync_dir(&dir)
}

/// The directory of a file; `.` for a bare name.
pub(super) fn parent(path: &Path) -> PathBuf {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf()
}

/// Waits until the entries of a directory are on the disk.
///
/// # Errors
/// Whatever the system reports.
pub fn sync_dir(dir: &Path) -> Result<(), HostError> {
    let file = File::open(dir).map_err(HostError::file("open", dir))?;
    file.sync_all().map_err(HostError::file("flush", dir))
}

/// Sets the time of a file's last change to now, by the clock of the file system: it was used.
///
/// # Errors
/// Whatever the system reports.
pub fn touch(path: &Path) -> Result<(), HostError> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
    };
    let file = File::open(path).map_err(HostError::file("open", path))?;
    rustix::fs::futimens(file, &times).map_err(|error| HostError::file("mark", path)(error.into()))
}

/// Whether a path still names this file.
pub(super) fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(open), Ok(named)) => identity(open) == identity(named),
        _ => false,
    }
}

/// Bytes that this user may still write in the file system of `dir`, which must exist.
///
/// # Errors
/// Whatever the system reports.
pub fn free_space(dir: &Path) -> Result<u64, HostError> {
    let answer = rustix::fs::statvfs(dir)
        .map_err(|error| HostError::file("ask for the space in", dir)(error.into()))?;
    Ok(answer.f_bavail.saturating_mul(answer.f_frsize))
}

/// Fails where `dir` has no room for `needed` bytes.
///
/// # Errors
/// [`HostError::NoSpace`], and whatever the system reports.
pub fn require_space(dir: &Path, needed: u64) -> Result<(), HostError> {
    let free = free_space(dir)?;
    if free < needed { Err(HostError::NoSpace { path: dir.to_path_buf(), needed, free }) } else { Ok(()) }
}

/// Copies a file into a new one: shares its blocks where the file system can, else copies what is no hole.
///
/// # Errors
/// `to` is there already, and whatever the system reports. A half-written `to` is removed.
pub fn copy_sparse(from: &Path, to: &Path) -> Result<(), HostError> {
    let mut source = File::open(from).map_err(HostError::file("open", from))?;
    let len = source.metadata().map_err(HostError::file("read the size of", from))?.len();
    let mut target =
        OpenOptions::new().write(true).create_new(true).open(to).map_err(HostError::file("create", to))?;
    copy_into(&mut source, &mut target, len).map_err(|error| {
        let _ = std::fs::remove_file(to);
        HostError::file("write", to)(error)
    })
}

fn copy_into(source: &mut File, target: &mut File, len: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if rustix::fs::ioctl_ficlone(&*target, &*source).is_ok() {
        return Ok(());
    }
    target.set_len(len)?;
    let mut offset = 0;
    while let Some(range) = next_data(source, offset, len)? {
        source.seek(SeekFrom::Start(range.start))?;
        target.seek(SeekFrom::Start(range.start))?;
        // between two files the standard library copies inside the kernel where it can
        let copied = io::copy(&mut source.take(range.end - range.start), target)?;
        if copied < range.end - range.start {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        offset = range.end;
    }
    Ok(())
}

/// Bytes that a file or a directory with all that is in it occupies on the disk; 0 where nothing is.
/// Links are not followed.
///
/// # Errors
/// Whatever the system reports.
pub fn disk_usage(path: &Path) -> Result<u64, HostError> {
    use std::os::unix::fs::MetadataExt;
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(HostError::file("read", path)(error)),
    };
    // st_blocks counts 512-byte units whatever the file system's block size (stat(2))
    let mut total = metadata.blocks().saturating_mul(512);
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path).map_err(HostError::file("list", path))? {
            let entry = entry.map_err(HostError::file("list", path))?;
            total = total.saturating_add(disk_usage(&entry.path())?);
        }
    }
    Ok(total)
}

/// The directories in `dir`, sorted; none where `dir` is missing. Links are not followed.
///
/// # Errors
/// Whatever the system reports.
pub fn list_directories(dir: &Path) -> Result<Vec<PathBuf>, HostError> {
    let found = entries(dir)?.into_iter().filter(|(_, kind)| kind.is_some_and(|kind| kind.is_dir()));
    Ok(found.map(|(name, _)| dir.join(name)).collect())
}

/// The names of what is in `dir`, sorted, and whether each is a regular file; none where `dir` is missing.
///
/// # Errors
/// `dir` is no directory, and whatever the system reports.
pub fn list_names(dir: &Path) -> Result<Vec<(OsString, bool)>, HostError> {
    let found = entries(dir)?.into_iter();
    Ok(found.map(|(name, kind)| (name, kind.is_some_and(|kind| kind.is_file()))).collect())
}

/// What is in `dir`, by name, and of which type each is where that can be told.
fn entries(dir: &Path) -> Result<Vec<(OsString, Option<FileType>)>, HostError> {
    let listed = match std::fs::read_dir(dir) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(HostError::file("list", dir)(error)),
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry.map_err(HostError::file("list", dir))?;
        found.push((entry.file_name(), entry.file_type().ok()));
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

/// The names of the regular files in `dir`, sorted. Names that are no UTF-8 are left out.
///
/// # Errors
/// As [`list_names`].
pub fn list_files(dir: &Path) -> Result<Vec<String>, HostError> {
    let files = list_names(dir)?.into_iter().filter(|(_, is_file)| *is_file);
    Ok(files.filter_map(|(name, _)| name.into_string().ok()).collect())
}

/// Gives a file a second name, or a copy where the file system cannot.
///
/// # Errors
/// `to` is there already, and whatever the system reports.
pub fn link_or_copy(from: &Path, to: &Path) -> Result<(), HostError> {
    match std::fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(_) => copy_sparse(from, to),
    }
}

/// Writes a file as [`write_atomic`] does, unless it holds these bytes: whether that was needed.
///
/// # Errors
/// Whatever the system reports; the old file is as it was.
pub fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<bool, HostError> {
    // one byte more than is looked for, so that a longer file is another one
    let is_same = matches!(read_head(path, bytes.len() as u64 + 1), Ok(old) if old == bytes);
    if !is_same {
        write_atomic(path, bytes)?;
    }
    Ok(!is_same)
}

/// Removes a file: bytes given back, `None` where there was none.
///
/// # Errors
/// Whatever the system reports.
pub fn remove_file(path: &Path) -> Result<Option<u64>, HostError> {
    let freed = disk_usage(path)?;
    match std::fs::remove_file(path) {
        Ok(()) => Ok(Some(freed)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HostError::file("remove", path)(error)),
    }
}

/// Removes a directory with all that is in it: bytes given back.
///
/// # Errors
/// Whatever the system reports.
pub fn remove_tree(dir: &Path) -> Result<u64, HostError> {
    let freed = disk_usage(dir)?;
    std::fs::remove_dir_all(dir).map_err(HostError::file("remove", dir))?;
    Ok(freed)
}

/// An advisory lock on a file or directory, held until it is dropped (or the process ends, however it ends).
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes a lock that many may hold at once.
    ///
    /// # Errors
    /// Somebody holds it exclusively, and whatever the system reports.
    pub fn shared(path: &Path) -> Result<Self, HostError> {
        Self::take(path, File::try_lock_shared)
    }

    /// Takes a lock that nobody else may hold.
    ///
    /// # Errors
    /// Somebody holds it, and whatever the system reports.
    pub fn exclusive(path: &Path) -> Result<Self, HostError> {
        Self::take(path, File::try_lock)
    }

    fn take(path: &Path, lock: fn(&File) -> Result<(), TryLockError>) -> Result<Self, HostError> {
        let file = if path.is_dir() {
            File::open(path)
        } else {
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
        };
        let file = file.map_err(HostError::file("open", path))?;
        match lock(&file) {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(HostError::InUse(path.to_path_buf())),
            Err(TryLockError::Error(error)) => Err(HostError::file("lock", path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::{
        FileLock, copy_sparse, disk_usage, free_space, link_or_copy, list_names, read_optional, remove_file,
        require_space, write_atomic, write_if_changed,
    };
    use crate::host::device::FileDevice;
    use crate::host::error::HostError;
    use pimg_disk::block::BlockWrite;

    #[test]
    fn writes_a_file_whole_or_not_at_all() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("new/pimg.lock");
        assert_eq!(read_optional(&path, 100)?, None);
        write_atomic(&path, b"one")?;
        write_atomic(&path, b"two")?;
        assert_eq!(read_optional(&path, 100)?.as_deref(), Some(b"two".as_slice()));
        assert_eq!(path.metadata()?.permissions().mode() & 0o777, 0o644);
        assert_eq!(path.parent().expect("has one").read_dir()?.count(), 1, "no work file is left");
        assert!(read_optional(&path, 2).is_err(), "longer than allowed");

        let blocked = dir.path().join("new/pimg.lock/below");
        assert!(write_atomic(&blocked, b"x").is_err());
        Ok(())
    }

    #[test]
    fn a_file_that_is_right_already_is_left_alone() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("list");
        for (bytes, expected) in
            [("", true), ("", false), ("ab", true), ("ab", false), ("a", true), ("", true)]
        {
            assert_eq!(write_if_changed(&path, bytes.as_bytes())?, expected, "{bytes:?}");
            assert_eq!(std::fs::read_to_string(&path)?, bytes);
        }
        std::fs::create_dir(dir.path().join("inner"))?;
        assert_eq!(list_names(dir.path())?, [("inner".into(), false), ("list".into(), true)]);
        assert_eq!(list_names(&dir.path().join("nothing"))?, []);
        link_or_copy(&path, &dir.path().join("second"))?;
        assert!(link_or_copy(&path, &dir.path().join("inner")).is_err(), "is there already");
        assert!(remove_file(&path)?.is_some() && remove_file(&path)?.is_none());
        assert_eq!(std::fs::read_to_string(dir.path().join("second"))?, "");
        Ok(())
    }

    #[test]
    fn copies_data_and_keeps_holes() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let device = FileDevice::create_sparse(&from, 64 << 20)?;
        device.write_at(1 << 20, &[7; 5000])?;
        device.write_at((64 << 20) - 3, b"end")?;
        device.sync()?;
        copy_sparse(&from, &to)?;
        assert!(std::fs::read(&from)? == std::fs::read(&to)?);
        let (before, after) = (from.metadata()?.blocks(), to.metadata()?.blocks());
        assert!(after <= before + 64, "{after} blocks of a file of {before}");
        assert!(copy_sparse(&from, &to).is_err(), "is there already");
        Ok(())
    }

    #[test]
    fn knows_the_space() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        assert!(free_space(dir.path())? > 0);
        assert!(matches!(require_space(dir.path(), u64::MAX), Err(HostError::NoSpace { .. })));
        std::fs::write(dir.path().join("x"), [1; 100_000])?;
        std::fs::File::open(dir.path().join("x"))?.sync_all()?;
        assert!(disk_usage(dir.path())? >= 100_000);
        assert_eq!(disk_usage(&dir.path().join("nothing"))?, 0);
        Ok(())
    }

    #[test]
    fn a_lock_keeps_others_out_until_it_is_dropped() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("lock");
        let first = FileLock::shared(&path)?;
        let second = FileLock::shared(&path)?;
        assert!(matches!(FileLock::exclusive(&path), Err(HostError::InUse(_))));
        drop((first, second));
        let _third = FileLock::exclusive(&path)?;
        assert!(matches!(FileLock::shared(&path), Err(HostError::InUse(_))));
        Ok(())
    }
}
