//! `.img.xz`: independent blocks in one stream (The .xz File Format, version 1.2.1; section numbers are its).
//!
//! Blocks of the base's own `.xz` that no edit touched are carried over as they are ([`carried`]). The rest is
//! compressed in short blocks, so that what one host changed costs that host little and the cache has the others.
//! What is compressed already, such as packages, is stored.

mod block;
mod carried;
mod lzma2;
mod stream;

use std::io;
use std::ops::Range;

use pimg_disk::block::BlockRead;

use self::block::{Check, unpadded_size};
pub use self::carried::Carried;
use self::lzma2::Lzma2;
use super::{Container, FrameEncoder};

/// Raw bytes per block of ours. Shorter than what `xz` takes, for a block is compressed anew when one byte changed.
const BLOCK: u64 = 4 << 20;

/// Raw bytes per block of zeroes; longer ones would save nothing.
const HOLE: u64 = 16 << 20;

/// Bytes that are looked at at once.
const LOOK: usize = 64 << 10;

/// Each worker takes about 50 MiB, and a build is to stay under 300 MiB.
pub(super) const MOST_WORKERS: usize = 3;

/// The release of `liblzma-sys`, whose liblzma is part of the program; a test compares it with `Cargo.lock`.
const LIBLZMA: &str = "0.4.9";

/// A stream of blocks, so far.
#[derive(Debug)]
pub(super) struct Xz {
    check: Check,
    /// Unpadded and raw length of each block in bytes.
    records: Vec<(u64, u64)>,
}

impl Xz {
    /// A stream whose blocks have the check of those that are carried over.
    pub(super) fn new(carried: Option<&Carried>) -> Self {
        Self { check: carried.map_or(Check::Crc64, Carried::check), records: Vec::new() }
    }
}

impl Container for Xz {
    fn codec(&self) -> String {
        let zstd = zstd::zstd_safe::VERSION_NUMBER;
        format!("xz 1, check {:?}, {}, liblzma-sys {LIBLZMA}, libzstd {zstd}", self.check, lzma2::SETTINGS)
    }

    fn encoder(&self) -> io::Result<Box<dyn FrameEncoder>> {
        Ok(Box::new(Blocks { lzma2: Lzma2::new()?, check: self.check }))
    }

    fn head(&self) -> Vec<u8> {
        stream::header(self.check)
    }

    fn note(&mut self, frame: &[u8], raw_len: usize) -> io::Result<()> {
        let unpadded = unpadded_size(frame, self.check);
        self.records
            .push((unpadded.ok_or_else(|| io::Error::other("a block without its size"))?, raw_len as u64));
        Ok(())
    }

    fn tail(&self) -> io::Result<Vec<u8>> {
        stream::index_and_footer(&self.records, self.check)
    }
}

struct Blocks {
    lzma2: Lzma2,
    check: Check,
}

impl FrameEncoder for Blocks {
    fn encode(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        Ok(block::block(&self.lzma2.encode(piece)?, piece, self.check))
    }
}

/// Cuts the image: whole blocks of the base where nothing in them changed, short ones elsewhere.
///
/// # Errors
/// The image cannot be read.
pub(super) fn ranges(image: &dyn BlockRead, carried: Option<&Carried>) -> io::Result<Vec<Range<u64>>> {
    let mut ranges = Vec::new();
    let mut at = 0;
    for block in carried.map_or(&[][..], Carried::blocks) {
        if block.range.end <= image.len()
            && carried.is_some_and(|carried| carried.covers(image, &block.range))
        {
            cut(image, at..block.range.start, &mut ranges)?;
            ranges.push(block.range.clone());
            at = block.range.end;
        }
    }
    cut(image, at..image.len(), &mut ranges)?;
    Ok(ranges)
}

/// Cuts a part of the image into short blocks, and long runs of zeroes into longer ones.
fn cut(image: &dyn BlockRead, part: Range<u64>, ranges: &mut Vec<Range<u64>>) -> io::Result<()> {
    let mut at = part.start;
    while at < part.end {
        let hole = at.saturating_add(HOLE);
        let is_empty = is_zero(image, at..hole.min(part.end))?;
        let end = if is_empty { hole } else { at.saturating_add(BLOCK) }.min(part.end);
        ranges.push(at..end);
        at = end;
    }
    Ok(())
}

/// Whether there are only zeroes. Where holes are only saves looking: a file system may know none, or have them in other
/// places, and that must not decide where a block ends.
fn is_zero(image: &dyn BlockRead, range: Range<u64>) -> io::Result<bool> {
    let mut at = range.start;
    let mut piece = vec![0; LOOK];
    while let Some(data) = image.next_data(at)?.filter(|data| data.start < range.end) {
        let end = data.end.min(range.end);
        at = data.start;
        while at < end {
            let length = usize::try_from(end - at).map_or(LOOK, |rest| rest.min(LOOK));
            let bytes = piece.get_mut(..length).unwrap_or_default();
            image.read_at(at, bytes)?;
            if bytes.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += length as u64;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    #[test]
    fn frames_are_named_by_the_liblzma_that_is_used() {
        let lock = include_str!("../../../../Cargo.lock");
        let used = format!("name = \"liblzma-sys\"\nversion = \"{}\"", super::LIBLZMA);
        assert!(lock.contains(&used), "another liblzma may make other frames: set `LIBLZMA`");
    }
}
