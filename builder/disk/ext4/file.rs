//! The contents of one file.

use super::Error;
use super::extent::Extent;
use super::reader::Reader;

/// An opened file: its length and where its blocks lie.
#[derive(Debug)]
pub struct File<'r> {
    reader: &'r Reader<'r>,
    size: u64,
    extents: Vec<Extent>,
}

impl<'r> File<'r> {
    pub(super) fn new(reader: &'r Reader<'r>, size: u64, extents: Vec<Extent>) -> Self {
        Self { reader, size, extents }
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.size
    }

    /// Whether the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Where the contents lie, in the order of the file: holes are left out.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Reads bytes from `offset` on and says how many there were before the end of the file. Holes and
    /// unwritten blocks read as zeroes.
    ///
    /// # Errors
    /// [`Error::Io`] of the device.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, Error> {
        let left = self.size.saturating_sub(offset);
        let length = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        let Some(buf) = buf.get_mut(..length) else { return Ok(0) };
        buf.fill(0);
        let end = offset + buf.len() as u64;
        let byte = |block: u64| self.reader.superblock().byte_of_block(block);
        let first = self.extents.partition_point(|extent| byte(extent.logical_end()) <= offset);
        for extent in self.extents.iter().skip(first) {
            let start = byte(extent.logical.into());
            if start >= end {
                break;
            }
            if !extent.initialised {
                continue;
            }
            let from = start.max(offset);
            let until = byte(extent.logical_end()).min(end);
            let range = (from - offset) as usize..(until - offset) as usize;
            if let Some(target) = buf.get_mut(range) {
                self.reader.read_bytes(byte(extent.start) + (from - start), target)?;
            }
        }
        Ok(length)
    }
}
