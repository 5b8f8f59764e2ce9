//! A card that is open for writing: large aligned writes past the page cache, and reading back what the card itself holds.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::io::Errno;

use super::error::CardError;
use super::{Card, macos};
use crate::host::{HostError, tools};

/// What the offset, the length and the place in memory of a direct transfer are multiples of. open(2) asks for the
/// logical block size, and no disk has a longer one than a page.
const ALIGNMENT: usize = 4096;

/// How long the kernel may take to read a partition table.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes at a place in memory that direct transfers are content with.
#[derive(Debug)]
pub struct AlignedBuffer {
    // longer than needed, and never grown: the bytes stay where they are
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBuffer {
    /// `len` zeroes.
    pub fn zeroed(len: usize) -> Self {
        let bytes = vec![0; len + ALIGNMENT];
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { bytes, start, len }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }

    /// The bytes, to be changed.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

/// A card that nobody else may mount or write to as long as this value lives.
#[derive(Debug)]
pub struct OpenCard {
    path: PathBuf,
    file: File,
    /// The same once more, past the page cache. Not all devices can do that.
    direct: Option<File>,
    direct_works: AtomicBool,
    /// Length in bytes; `None` for a file, which becomes as long as the image.
    size: Option<u64>,
}

impl OpenCard {
    /// Opens a card, and takes it for itself. Nothing is changed yet.
    ///
    /// # Errors
    /// It is in use, or may not be written to.
    pub fn open(card: &Card) -> Result<Self, CardError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let Some(disk) = &card.disk else {
            // an old file keeps its bytes until the first write
            options.create(true).truncate(false);
            let file = options.open(&card.path).map_err(|error| refused(&card.path, error))?;
            return Ok(Self::of(card, file, None, None));
        };
        if cfg!(target_os = "macos") {
            let file =
                options.open(macos::raw_device(&card.path)?).map_err(|error| refused(&card.path, error))?;
            return Ok(Self::of(card, file, None, Some(disk.size)));
        }
        // open(2): without O_CREAT this fails on a device that is mounted, or that a file system such as ZFS has taken
        let exclusive = rustix::fs::OFlags::EXCL.bits().cast_signed();
        let file = options.clone().custom_flags(exclusive).open(&card.path);
        let file = file.map_err(|error| refused(&card.path, error))?;
        let direct = direct_flag().and_then(|flag| options.custom_flags(flag).open(&card.path).ok());
        Ok(Self::of(card, file, direct, Some(disk.size)))
    }

    fn of(card: &Card, file: File, direct: Option<File>, size: Option<u64>) -> Self {
        let path = card.path.clone();
        Self { path, file, direct_works: AtomicBool::new(direct.is_some()), direct, size }
    }

    /// As the operator named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Length in bytes; `None` for a file, which becomes as long as the image.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Whether it is a file: all that is not written to it reads as zeroes.
    pub fn is_file(&self) -> bool {
        self.size.is_none()
    }

    /// Makes a file one hole of `len` bytes, whatever it held.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn make_hole(&self, len: u64) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.set_len(len)
    }

    /// Writes `bytes` at `offset`.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Some(direct) = self.direct_for(offset, bytes) {
            match direct.write_all_at(bytes, offset) {
                Err(error) if is_refusal(&error) => self.direct_works.store(false, Ordering::Relaxed),
                written => return written,
            }
        }
        self.file.write_all_at(bytes, offset)
    }

    /// Reads from the card itself what lies at `offset`, once [`Self::sync`] was called.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn read_back(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        if let Some(direct) = self.direct_for(offset, bytes) {
            match direct.read_exact_at(bytes, offset) {
                Err(error) if is_refusal(&error) => self.direct_works.store(false, Ordering::Relaxed),
                read => return read,
            }
        }
        self.file.read_exact_at(bytes, offset)
    }

    /// The way past the page cache, where it can be gone.
    fn direct_for(&self, offset: u64, bytes: &[u8]) -> Option<&File> {
        let is_aligned = offset.is_multiple_of(ALIGNMENT as u64)
            && bytes.len().is_multiple_of(ALIGNMENT)
            && bytes.as_ptr().addr().is_multiple_of(ALIGNMENT);
        let works = is_aligned && self.direct_works.load(Ordering::Relaxed);
        self.direct.as_ref().filter(|_| works)
    }

    /// Waits until everything written is on the card, and forgets it, so that it is read from there.
    ///
    /// # Errors
    /// Whatever the system reports, such as a card that was pulled out.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()?;
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }

    /// Gives the card back, and asks the kernel to read its new partition table.
    ///
    /// Nothing depends on it: udev asks for the same as soon as a disk that was open for writing is closed, and so does
    /// plugging the card in again. Only root may ask, and loop devices may have been made without partitions.
    pub fn close(self) {
        let Self { path, file, direct, size, .. } = self;
        drop((file, direct));
        if size.is_some() && !cfg!(target_os = "macos") {
            let command = ["blockdev".to_owned(), "--rereadpt".to_owned(), path.display().to_string()];
            let _ = tools::run(&command, Path::new("/"), PATIENCE);
        }
    }
}

#[cfg(target_os = "linux")]
fn direct_flag() -> Option<i32> {
    Some(rustix::fs::OFlags::DIRECT.bits().cast_signed())
}

#[cfg(not(target_os = "linux"))]
fn direct_flag() -> Option<i32> {
    None
}

/// Whether a device says that it cannot do direct transfers like this one.
fn is_refusal(error: &io::Error) -> bool {
    let refusals = [Errno::INVAL, Errno::NOTSUP].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| refusals.contains(&code))
}

fn refused(path: &Path, error: io::Error) -> CardError {
    match error.kind() {
        io::ErrorKind::ResourceBusy => CardError::Busy(path.to_path_buf()),
        io::ErrorKind::PermissionDenied => CardError::Denied(path.to_path_buf()),
        io::ErrorKind::ReadOnlyFilesystem => CardError::Locked(path.to_path_buf()),
        _ => HostError::file("open", path)(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{ALIGNMENT, AlignedBuffer, Card, OpenCard};

    #[test]
    fn buffers_are_where_direct_transfers_want_them() {
        for len in [1, 4096, 5 << 20] {
            let mut buffer = AlignedBuffer::zeroed(len);
            assert_eq!(buffer.as_slice().len(), len);
            assert!(buffer.as_mut_slice().as_ptr().addr().is_multiple_of(ALIGNMENT));
        }
    }

    #[test]
    fn a_file_becomes_a_hole_only_once_it_is_written_to() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("card");
        std::fs::write(&path, [0xff; 9000])?;
        let card = OpenCard::open(&Card::look(&path)?)?;
        assert_eq!(std::fs::metadata(&path)?.len(), 9000);
        card.make_hole(5000)?;
        card.write_at(4096, &[7; 10])?;
        card.sync()?;
        let mut found = vec![1; 5000];
        card.read_back(0, &mut found)?;
        assert!(found[..4096].iter().all(|byte| *byte == 0) && found[4096..4106] == [7; 10]);
        card.close();
        Ok(())
    }
}
