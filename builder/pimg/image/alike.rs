//! Which bytes two images have in common, found once: a file that lies in the same blocks of both need not be read.
//!
//! The compressed frames of two `.img.zst` are compared: those of blocks that no build changed are equal, and are not even
//! decoded. Where frames differ both are read side by side, block by block.

use std::io;
use std::ops::Range;

use pimg_disk::block::BlockRead;

use super::looked_at::LookedAt;

/// What is compared at once, in bytes: a frame of a `.img.zst`.
const PIECE: u64 = 4 << 20;
/// What is remembered of: the block of every file system that is in use.
const BLOCK: u64 = 4096;

/// The blocks that are equal in two images.
#[derive(Debug, Default)]
pub struct Alike {
    equal: Vec<bool>,
    /// Bytes of frames that were equal before they were decoded.
    pub skipped: u64,
}

impl Alike {
    /// Compares two images from their start to the end of the shorter one. `advance` is told of every piece in bytes, and
    /// says whether to go on.
    ///
    /// # Errors
    /// One cannot be read; `Interrupted` where `advance` said so.
    pub fn find(a: &LookedAt, b: &LookedAt, advance: &mut dyn FnMut(u64) -> bool) -> io::Result<Self> {
        let (left, right) = (a.image.device(), b.image.device());
        let len = left.len().min(right.len());
        let mut alike = Self { equal: Vec::new(), skipped: 0 };
        let mut holes = (Holes::default(), Holes::default());
        let mut buffers = (Vec::new(), Vec::new());
        for start in (0..len).step_by(4 << 20) {
            let range = start..(start + PIECE).min(len);
            let blocks = usize::try_from((range.end - range.start).div_ceil(BLOCK)).unwrap_or(0);
            let is_same_frame = match (a.frames(), b.frames()) {
                (Some(a), Some(b)) => a.has_same_frame(b, &range)?,
                _ => false,
            };
            if is_same_frame {
                alike.skipped += range.end - range.start;
            }
            let is_hole =
                !is_same_frame && holes.0.covers(&left, &range)? && holes.1.covers(&right, &range)?;
            if is_same_frame || is_hole {
                alike.equal.resize(alike.equal.len() + blocks, true);
            } else {
                read(a, &range, &mut buffers.0)?;
                read(b, &range, &mut buffers.1)?;
                let pairs = buffers.0.chunks(BLOCK as usize).zip(buffers.1.chunks(BLOCK as usize));
                alike.equal.extend(pairs.map(|(a, b)| a == b));
            }
            if !advance(range.end - range.start) {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        Ok(alike)
    }

    /// An image compared with itself.
    pub fn same(len: u64) -> Self {
        let blocks = usize::try_from(len.div_ceil(BLOCK)).unwrap_or(0);
        Self { equal: vec![true; blocks], skipped: len }
    }

    /// Whether all of these bytes are known to be equal.
    pub fn covers(&self, range: Range<u64>) -> bool {
        let index = |block: u64| usize::try_from(block).unwrap_or(usize::MAX);
        let blocks = self.equal.get(index(range.start / BLOCK)..index(range.end.div_ceil(BLOCK)));
        blocks.is_some_and(|blocks| blocks.iter().all(|equal| *equal))
    }
}

fn read(image: &LookedAt, range: &Range<u64>, buffer: &mut Vec<u8>) -> io::Result<()> {
    if let Some(bytes) = image.frames().map(|frames| frames.pass_over(range)).transpose()?.flatten() {
        *buffer = bytes;
        return Ok(());
    }
    buffer.resize(usize::try_from(range.end - range.start).map_err(io::Error::other)?, 0);
    image.image.device().read_at(range.start, buffer)
}

/// The next data of a device, asked for once.
#[derive(Default)]
struct Holes {
    data: Option<Range<u64>>,
    has_ended: bool,
}

impl Holes {
    fn covers(&mut self, device: &dyn BlockRead, range: &Range<u64>) -> io::Result<bool> {
        if !self.has_ended && self.data.as_ref().is_none_or(|data| data.end <= range.start) {
            self.data = device.next_data(range.start)?;
            self.has_ended = self.data.is_none();
        }
        Ok(self.data.as_ref().is_none_or(|data| data.start >= range.end))
    }
}
