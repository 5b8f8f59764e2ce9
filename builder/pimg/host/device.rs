//! Files as block devices: an image, a cached base, a work file.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use pimg_disk::block::{BlockRead, BlockWrite};
use rustix::io::Errno;

use super::error::HostError;

/// A file, read and written at any offset by any number of threads.
///
/// Its length is fixed when it is opened. A file opened with [`FileDevice::open`] refuses writes.
#[derive(Debug)]
pub struct FileDevice {
    file: File,
    path: PathBuf,
    len: u64,
}

impl FileDevice {
    /// Opens a file or a block device for reading.
    ///
    /// # Errors
    /// It is not there or may not be read.
    pub fn open(path: &Path) -> Result<Self, HostError> {
        let file = super::files::open(path).map_err(HostError::file("open", path))?;
        Self::of(file, path)
    }

    /// Opens a file or a block device for reading and writing.
    ///
    /// # Errors
    /// It is not there or may not be written.
    pub fn open_writable(path: &Path) -> Result<Self, HostError> {
        let file =
            OpenOptions::new().read(true).write(true).open(path).map_err(HostError::file("open", path))?;
        Self::of(file, path)
    }

    /// As [`Self::open_writable`], and refuses a block device that is mounted, as far as the system tells.
    ///
    /// # Errors
    /// It is not there, may not be written, or is in use.
    pub fn open_exclusive(path: &Path) -> Result<Self, HostError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let metadata = std::fs::metadata(path).map_err(HostError::file("look at", path))?;
        if metadata.file_type().is_block_device() {
            // open(2): without O_CREAT this fails on a device that is mounted; other systems ignore it
            options.custom_flags(rustix::fs::OFlags::EXCL.bits().cast_signed());
        }
        Self::of(options.open(path).map_err(HostError::file("open", path))?, path)
    }

    /// Makes a new file of `len` bytes that is one hole, and reads as zeroes.
    ///
    /// # Errors
    /// It is there already or may not be made.
    pub fn create_sparse(path: &Path, len: u64) -> Result<Self, HostError> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(HostError::file("create", path))?;
        file.set_len(len).map_err(HostError::file("resize", path))?;
        Ok(Self { file, path: path.to_path_buf(), len })
    }

    /// Makes a file of `len` bytes that is one hole, has no name in `dir` and is gone when it is closed.
    ///
    /// # Errors
    /// It may not be made.
    pub fn temporary(dir: &Path, len: u64) -> Result<Self, HostError> {
        let file = tempfile::tempfile_in(dir).map_err(HostError::file("create a file in", dir))?;
        file.set_len(len).map_err(HostError::file("resize a file in", dir))?;
        Ok(Self { file, path: dir.join("(temporary)"), len })
    }

    fn of(mut file: File, path: &Path) -> Result<Self, HostError> {
        let metadata = file.metadata().map_err(HostError::file("read the size of", path))?;
        if metadata.is_dir() {
            return Err(HostError::file("open", path)(io::ErrorKind::IsADirectory.into()));
        }
        // a block device has no length in its metadata, but an end
        let len = file.seek(SeekFrom::End(0)).map_err(HostError::file("read the size of", path))?;
        Ok(Self { file, path: path.to_path_buf(), len })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file itself, for `copy_sparse` and streaming.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Waits until everything written is on the disk.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn sync(&self) -> Result<(), HostError> {
        self.file.sync_all().map_err(HostError::file("flush", &self.path))
    }

    /// Names the file in an error that keeps its kind.
    fn named(&self, doing: &str, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("cannot {doing} `{}`: {error}", self.path.display()))
    }

    fn is_inside(&self, offset: u64, length: usize) -> bool {
        u64::try_from(length)
            .ok()
            .and_then(|length| offset.checked_add(length))
            .is_some_and(|end| end <= self.len)
    }
}

impl BlockRead for FileDevice {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if !self.is_inside(offset, buf.len()) {
            return Err(self.named("read", &io::ErrorKind::UnexpectedEof.into()));
        }
        self.file.read_exact_at(buf, offset).map_err(|error| self.named("read", &error))
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        if offset >= self.len {
            return Ok(None);
        }
        next_data(&self.file, offset, self.len).map_err(|error| self.named("read", &error))
    }
}

impl BlockWrite for FileDevice {
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        if !self.is_inside(offset, buf.len()) {
            return Err(self.named("write", &io::ErrorKind::InvalidInput.into()));
        }
        self.file.write_all_at(buf, offset).map_err(|error| self.named("write", &error))
    }
}

/// The first range at or behind `offset` that the file system keeps blocks for.
pub(super) fn next_data(file: &File, offset: u64, len: u64) -> io::Result<Option<Range<u64>>> {
    let start = match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(offset)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        // file systems and devices that know nothing of holes
        Err(Errno::INVAL | Errno::NOTSUP | Errno::NOTTY) => return Ok(Some(offset..len)),
        Err(error) => return Err(error.into()),
    };
    let end = rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(start)).unwrap_or(len);
    // lseek(2) allows a file that grew since; the device keeps the length it was opened with
    Ok((start < len).then(|| start..end.clamp(start, len)))
}

#[cfg(test)]
mod tests {
    use std::io;

    use pimg_disk::block::{BlockRead, BlockWrite};

    use super::FileDevice;

    const MIB: u64 = 1 << 20;

    #[test]
    fn reads_back_what_was_written_and_knows_the_holes() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("disk");
        let device = FileDevice::create_sparse(&path, 8 * MIB)?;
        device.write_at(4 * MIB, b"here")?;
        let mut found = [0; 4];
        device.read_at(4 * MIB, &mut found)?;
        assert_eq!(&found, b"here");

        // a file system may know no holes: then all is data, which is also right
        let data = device.next_data(0)?.expect("something was written");
        assert!(data.start <= 4 * MIB && data.end >= 4 * MIB + 4);
        assert!(data.end <= 8 * MIB);
        assert_eq!(FileDevice::open(&path)?.len(), 8 * MIB);
        assert_eq!(device.next_data(8 * MIB)?, None);
        assert_eq!(FileDevice::temporary(dir.path(), MIB)?.next_data(0)?, None);
        Ok(())
    }

    #[test]
    fn refuses_what_is_outside_and_names_the_file() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("disk");
        let device = FileDevice::create_sparse(&path, 10)?;
        let error = device.read_at(8, &mut [0; 3]).expect_err("three bytes at 8 of 10");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert_eq!(device.write_at(u64::MAX, b"x").map_err(|e| e.kind()), Err(io::ErrorKind::InvalidInput));
        assert!(FileDevice::open(&path)?.write_at(0, b"x").is_err(), "opened for reading");
        assert!(FileDevice::create_sparse(&path, 1).is_err(), "is there already");
        assert!(FileDevice::open(dir.path()).is_err(), "a directory");
        Ok(())
    }
}
