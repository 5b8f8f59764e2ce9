//! The seek table at the end of a `.img.zst`: where each frame begins, for readers that want one part only.
//!
//! The Zstandard Seekable Format, version 0.1.0 (`contrib/seekable_format/zstd_seekable_compression_format.md` in
//! zstd): a skippable frame, which every decoder of RFC 8878 passes over (3.1.2). All numbers are little-endian.
//!
//! | bytes | content |
//! | --- | --- |
//! | 4 | magic of a skippable frame, `0x184D2A5E` |
//! | 4 | bytes that follow |
//! | 8 × frames | compressed and raw length of each frame in bytes |
//! | 4 | number of frames |
//! | 1 | descriptor; bit 7 would say that entries have checksums: here each frame carries its own |
//! | 4 | magic of the table, `0x8F92EAB1` |

use std::io;

const SKIPPABLE: u32 = 0x184D_2A5E;
const TABLE: u32 = 0x8F92_EAB1;
const FOOTER: usize = 9;

/// Lengths of frames, in the order in which they are written.
#[derive(Debug, Default)]
pub(super) struct SeekTable {
    entries: Vec<u8>,
    frames: u32,
}

impl SeekTable {
    /// Notes a frame of `compressed` bytes that hold `raw` bytes.
    ///
    /// # Errors
    /// A frame is longer than the format can say, or there are too many.
    pub(super) fn add(&mut self, compressed: usize, raw: usize) -> io::Result<()> {
        for length in [compressed, raw] {
            let length = u32::try_from(length).map_err(io::Error::other)?;
            self.entries.extend_from_slice(&length.to_le_bytes());
        }
        self.frames = self.frames.checked_add(1).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(())
    }

    /// The table as a frame.
    ///
    /// # Errors
    /// It is longer than the format can say.
    pub(super) fn to_frame(&self) -> io::Result<Vec<u8>> {
        let length = u32::try_from(self.entries.len() + FOOTER).map_err(io::Error::other)?;
        let mut frame = Vec::with_capacity(self.entries.len() + FOOTER + 8);
        frame.extend_from_slice(&SKIPPABLE.to_le_bytes());
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(&self.entries);
        frame.extend_from_slice(&self.frames.to_le_bytes());
        frame.push(0);
        frame.extend_from_slice(&TABLE.to_le_bytes());
        Ok(frame)
    }
}

/// Bytes at the end of a file that say how long its table is.
pub(in crate::image) const TAIL: usize = FOOTER;

/// Length in bytes of the table's frame, as the last [`TAIL`] bytes of a file tell; `None` where they tell of none, or of
/// one with checksums, which nothing here makes.
pub(in crate::image) fn frame_length(tail: &[u8; TAIL]) -> Option<usize> {
    let [a, b, c, d, descriptor, magic @ ..] = *tail;
    if u32::from_le_bytes(magic) != TABLE || descriptor != 0 {
        return None;
    }
    let frames = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
    frames.checked_mul(8)?.checked_add(FOOTER + 8)
}

/// Compressed and raw length of each frame, read from the table's frame; `None` where it is none.
pub(in crate::image) fn entries(frame: &[u8]) -> Option<Vec<(u32, u32)>> {
    let word = |at: usize| Some(u32::from_le_bytes(frame.get(at..at + 4)?.try_into().ok()?));
    let body = frame.get(8..frame.len().checked_sub(FOOTER)?)?;
    if word(0)? != SKIPPABLE || usize::try_from(word(4)?).ok()? != frame.len() - 8 || body.len() % 8 != 0 {
        return None;
    }
    (8..8 + body.len()).step_by(8).map(|at| Some((word(at)?, word(at + 4)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::{SeekTable, TAIL, entries, frame_length};

    #[test]
    fn what_was_written_is_read() {
        let mut table = SeekTable::default();
        table.add(17, 4 << 20).expect("short");
        table.add(300, 512).expect("short");
        let frame = table.to_frame().expect("short");
        let tail: [u8; TAIL] = frame[frame.len() - TAIL..].try_into().expect("nine bytes");
        assert_eq!(frame_length(&tail), Some(frame.len()));
        assert_eq!(entries(&frame), Some(vec![(17, 4 << 20), (300, 512)]));
        assert_eq!(entries(&frame[1..]), None);
        assert_eq!(frame_length(&[0; TAIL]), None);
        assert_eq!(entries(&[]), None);
    }
}
