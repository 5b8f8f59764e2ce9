//! A device whose digest is known, so that any range of it has a name without being read.

use std::io;
use std::ops::Range;

use crate::block::{BlockRead, Origin};

/// A device that never changes, with the digest of all its bytes.
///
/// A stack of layers is named from below: the base by its digest, a layer over it by the digest of the layer,
/// which covers that of its parent. Where a layer changed nothing, the name of what is below it goes through.
#[derive(Debug)]
pub struct Named<D> {
    device: D,
    digest: Origin,
}

impl<D: BlockRead> Named<D> {
    /// `device`, whose content has this digest.
    pub fn new(device: D, digest: Origin) -> Self {
        Self { device, digest }
    }
}

impl<D: BlockRead> BlockRead for Named<D> {
    fn len(&self) -> u64 {
        self.device.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.device.read_at(offset, buf)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        self.device.next_data(offset)
    }

    fn origin(&self, range: Range<u64>) -> io::Result<Option<Origin>> {
        Ok(Some(self.device.origin(range)?.unwrap_or(self.digest)))
    }
}
