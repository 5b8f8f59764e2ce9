//! Which bytes two images have in common, found once: a file that lies in the same blocks of both need not be read.
//!
//! The compressed frames of two `.img.zst` are compared: those of blocks that no build changed are equal, and are not even
//! decoded. Where frames differ both are read side by side, block by block.

use std::io;
use std::ops::Range;

use pimg_disk::block::BlockRead;

use super::seekable::SeekableImage;

/// What is compared at once, in bytes: a frame of a `.img.zst`.
const PIECE: u64 = 4 << 20;
/// What is remembered of: the block of every file system that is in use.
const BLOCK: u64 = 4096;

/// The blocks that are equal in two images.
#[derive(Debug, Default)]
pub struct Alike {
    equal: Vec<bool>,
}

impl Alike {
    /// Compares two images from their start to the end of the shorter one. `advance` is told of every piece in bytes, and
    /// says whether to go on.
    ///
    /// # Errors
    /// One cannot be read; `Interrupted` where `advance` said so.
    pub fn find(
        a: &SeekableImage,
        b: &SeekableImage,
        advance: &mut dyn FnMut(u64) -> bool,
    ) -> io::Result<Self> {
        let len = a.len().min(b.len());
        let mut alike = Self::default();
        let mut start = 0;
        while start < len {
            let range = start..(start + PIECE).min(len);
            if a.has_same_frame(b, &range)? {
                let blocks = usize::try_from((range.end - range.start).div_ceil(BLOCK)).unwrap_or(0);
                alike.equal.resize(alike.equal.len() + blocks, true);
            } else {
                let (left, right) = (read(a, &range)?, read(b, &range)?);
                let pairs = left.chunks(BLOCK as usize).zip(right.chunks(BLOCK as usize));
                alike.equal.extend(pairs.map(|(a, b)| a == b));
            }
            if !advance(range.end - range.start) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            start = range.end;
        }
        Ok(alike)
    }

    /// An image compared with itself.
    pub fn same(len: u64) -> Self {
        let blocks = usize::try_from(len.div_ceil(BLOCK)).unwrap_or(0);
        Self { equal: vec![true; blocks] }
    }

    /// Whether all of these bytes are known to be equal.
    pub fn covers(&self, range: Range<u64>) -> bool {
        let index = |block: u64| usize::try_from(block).unwrap_or(usize::MAX);
        let blocks = self.equal.get(index(range.start / BLOCK)..index(range.end.div_ceil(BLOCK)));
        blocks.is_some_and(|blocks| blocks.iter().all(|equal| *equal))
    }
}

fn read(image: &SeekableImage, range: &Range<u64>) -> io::Result<Vec<u8>> {
    if let Some(bytes) = image.pass_over(range)? {
        return Ok(bytes);
    }
    let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(io::Error::other)?];
    image.read_at(range.start, &mut bytes)?;
    Ok(bytes)
}
