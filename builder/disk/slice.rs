//! A named window of a device, such as the boot partition of an image.
//!
//! What works on a partition cannot reach what lies around it, and an error names the partition instead of
//! an offset of the whole disk.

use std::io;
use std::ops::Range;

use crate::block::{BlockRead, BlockWrite};

/// The bytes `start .. start + len` of another device.
#[derive(Debug)]
pub struct Slice<D> {
    device: D,
    name: String,
    start: u64,
    len: u64,
}

impl<D: BlockRead> Slice<D> {
    /// A window of `len` bytes from byte `start` of `device` on. `name` is used in errors: "boot partition".
    ///
    /// # Errors
    /// `InvalidInput` where the window ends behind the device.
    pub fn new(device: D, name: impl Into<String>, start: u64, len: u64) -> io::Result<Self> {
        let name = name.into();
        if start.checked_add(len).is_none_or(|end| end > device.len()) {
            let device_len = device.len();
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{name} ends behind the device: {len} bytes from offset {start} on, \
                     but the device has {device_len} bytes"
                ),
            ));
        }
        Ok(Self { device, name, start, len })
    }
}

impl<D> Slice<D> {
    /// The name that errors use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the window starts in the device below, in bytes.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The offset in the device below, or the error of an access behind the window.
    fn map(&self, kind: io::ErrorKind, what: &str, offset: u64, length: usize) -> io::Result<u64> {
        let end = u64::try_from(length).ok().and_then(|length| offset.checked_add(length));
        match end {
            Some(end) if end <= self.len => self.start.checked_add(offset),
            _ => None,
        }
        .ok_or_else(|| {
            let message = format!(
                "{what} past the end of {} at offset {offset}: {length} bytes, but it has {} bytes",
                self.name, self.len
            );
            io::Error::new(kind, message)
        })
    }
}

impl<D: BlockRead> BlockRead for Slice<D> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let at = self.map(io::ErrorKind::UnexpectedEof, "read", offset, buf.len())?;
        self.device.read_at(at, buf)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        if offset >= self.len {
            return Ok(None);
        }
        let found = self.device.next_data(self.start.saturating_add(offset))?;
        Ok(found.and_then(|range| {
            let start = range.start.saturating_sub(self.start).max(offset);
            let end = range.end.saturating_sub(self.start).min(self.len);
            (start < end).then_some(start..end)
        }))
    }
}

impl<D: BlockWrite> BlockWrite for Slice<D> {
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        let at = self.map(io::ErrorKind::InvalidInput, "write", offset, buf.len())?;
        self.device.write_at(at, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::MemoryDevice;

    #[test]
    fn writes_only_inside_the_window() {
        let disk = MemoryDevice::new(vec![0; 32]);
        let slice = Slice::new(&disk, "boot partition", 8, 16).unwrap();
        slice.write_at(12, &[7; 4]).unwrap();
        let error = slice.write_at(13, &[9; 4]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "write past the end of boot partition at offset 13: 4 bytes, but it has 16 bytes"
        );
        assert!(slice.write_at(u64::MAX, &[9]).is_err());
        let mut expected = vec![0; 32];
        expected[20..24].fill(7);
        assert_eq!(disk.to_vec(), expected);
    }

    #[test]
    fn reads_only_inside_the_window() {
        let disk = MemoryDevice::new((0..32).collect());
        let slice = Slice::new(&disk, "root partition", 8, 16).unwrap();
        let mut buf = [0; 2];
        slice.read_at(14, &mut buf).unwrap();
        assert_eq!(buf, [22, 23]);
        let error = slice.read_at(15, &mut buf).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(error.to_string().starts_with("read past the end of root partition at offset 15"));
    }

    #[test]
    fn refuses_a_window_behind_the_device() {
        let disk = MemoryDevice::new(vec![0; 32]);
        assert!(Slice::new(&disk, "p", 16, 16).is_ok());
        assert!(Slice::new(&disk, "p", 16, 17).is_err());
        assert!(Slice::new(&disk, "p", u64::MAX, 2).is_err());
    }

    #[test]
    fn maps_the_data_ranges() {
        struct Holes;
        impl BlockRead for Holes {
            fn len(&self) -> u64 {
                100
            }
            fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
                Ok(())
            }
            fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
                Ok(if offset < 30 { Some(offset.max(10)..30) } else { Some(offset.max(90)..100) })
            }
        }
        let slice = Slice::new(Holes, "p", 20, 60).unwrap();
        assert_eq!(slice.next_data(0).unwrap(), Some(0..10));
        assert_eq!(slice.next_data(5).unwrap(), Some(5..10));
        assert_eq!(slice.next_data(10).unwrap(), None);
        assert_eq!(slice.next_data(60).unwrap(), None);
    }
}
