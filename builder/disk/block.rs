//! Block devices: the one thing every other room of this package reads and writes.
//!
//! A device is addressed in bytes, takes any offset and length, and is shared by reference: reading and
//! writing need `&self` only, as with `pread(2)` and `pwrite(2)`. Nothing here opens a file: the caller
//! brings its own devices (the application keeps its files in its `host` room).

use std::io;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

/// A name for bytes: a digest, or a digest of digests.
pub type Origin = [u8; 32];

/// A device that can be read.
pub trait BlockRead: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether the device holds no byte at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` where the range ends behind the device, and whatever the device itself reports.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// The first range of bytes at or behind `offset` that may hold something else than zeroes.
    ///
    /// `None` says that only zeroes follow. A device that knows nothing of holes says "all the rest".
    ///
    /// # Errors
    /// Whatever the device itself reports.
    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        Ok((offset < self.len()).then(|| offset..self.len()))
    }

    /// A name for the bytes of `range`, found without reading what nobody changed.
    ///
    /// Two devices that give one name to the same range have the same bytes in it; what lies behind the end of a
    /// device counts as zeroes. `None` where that is not known: the device below all others has to be
    /// [`Named`](crate::Named) by somebody who knows its digest.
    ///
    /// # Errors
    /// Whatever the device itself reports.
    fn origin(&self, range: Range<u64>) -> io::Result<Option<Origin>> {
        let _ = range;
        Ok(None)
    }
}

/// A device that can be written too. Its length never changes.
pub trait BlockWrite: BlockRead {
    /// Writes `buf` at `offset`.
    ///
    /// # Errors
    /// `InvalidInput` where the range ends behind the device, and whatever the device itself reports.
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()>;
}

macro_rules! forward_reads {
    ($($pointer:ty),*) => {$(
        impl<D: BlockRead + ?Sized> BlockRead for $pointer {
            fn len(&self) -> u64 {
                (**self).len()
            }
            fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
                (**self).read_at(offset, buf)
            }
            fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
                (**self).next_data(offset)
            }
            fn origin(&self, range: Range<u64>) -> io::Result<Option<Origin>> {
                (**self).origin(range)
            }
        }
        impl<D: BlockWrite + ?Sized> BlockWrite for $pointer {
            fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
                (**self).write_at(offset, buf)
            }
        }
    )*};
}
forward_reads!(&D, Arc<D>, Box<D>);

/// The range `offset .. offset + length` of a device of `device_len` bytes, as indices into memory.
pub(crate) fn memory_range(device_len: u64, offset: u64, length: usize) -> Option<Range<usize>> {
    let end = offset.checked_add(u64::try_from(length).ok()?)?;
    if end > device_len {
        return None;
    }
    Some(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)
}

/// A device in memory, for small volumes and for tests.
#[derive(Debug, Default)]
pub struct MemoryDevice {
    bytes: RwLock<Vec<u8>>,
}

impl MemoryDevice {
    /// A device of these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: RwLock::new(bytes) }
    }

    /// A copy of all bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl BlockRead for MemoryDevice {
    fn len(&self) -> u64 {
        self.bytes.read().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes.read().unwrap_or_else(PoisonError::into_inner);
        let range = memory_range(bytes.len() as u64, offset, buf.len());
        let source = range.and_then(|range| bytes.get(range));
        buf.copy_from_slice(source.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl BlockWrite for MemoryDevice {
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        let mut bytes = self.bytes.write().unwrap_or_else(PoisonError::into_inner);
        let range = memory_range(bytes.len() as u64, offset, buf.len());
        let target = range.and_then(|range| bytes.get_mut(range));
        target.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(buf);
        Ok(())
    }
}
