//! A `.img.zst` with a seek table as a device: a frame is decoded when somebody reads of it, and only once.
//!
//! What was decoded goes to a file without a name, so that memory is bounded by one frame, and never is more work done
//! than decoding the whole image. A file whose table does not add up is none of these: it is decoded as a stream.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use pimg_disk::block::{BlockRead, BlockWrite};

use super::emit::seek_table::{self, TAIL};
use crate::host::HostError;
use crate::host::device::FileDevice;

/// Longest frame that is decoded at once, in bytes; those of pimg have 4 MiB.
const LONGEST_FRAME: u32 = 64 << 20;
/// Longest table that is read, in bytes: a million frames.
const LONGEST_TABLE: usize = 8 << 20;

/// One frame: where it lies in the file, and what of the image is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    at: u64,
    compressed: usize,
    start: u64,
    raw: usize,
}

/// An image that is decoded as far as it is read.
pub struct SeekableImage {
    file: FileDevice,
    frames: Vec<Frame>,
    len: u64,
    decoded: FileDevice,
    is_decoded: Mutex<Vec<bool>>,
}

impl SeekableImage {
    /// Opens `path`; `None` where it has no seek table that fits it. What is decoded goes to a file in `scratch`.
    ///
    /// # Errors
    /// The file cannot be read, or there can be none in `scratch`.
    pub fn open(path: &Path, scratch: &Path) -> Result<Option<Self>, HostError> {
        let file = FileDevice::open(path)?;
        let Some((frames, len)) = frames(&file) else { return Ok(None) };
        let decoded = FileDevice::temporary(scratch, len)?;
        let is_decoded = Mutex::new(vec![false; frames.len()]);
        Ok(Some(Self { file, frames, len, decoded, is_decoded }))
    }

    /// The bytes of frame `index`, from the file.
    fn decode(&self, frame: Frame) -> io::Result<Vec<u8>> {
        let bytes = self.compressed(frame)?;
        let decoded = zstd::bulk::decompress(&bytes, frame.raw)?;
        if decoded.len() != frame.raw {
            let found = format!("a frame holds {} bytes, and its table says {}", decoded.len(), frame.raw);
            return Err(io::Error::new(io::ErrorKind::InvalidData, found));
        }
        Ok(decoded)
    }

    fn compressed(&self, frame: Frame) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; frame.compressed];
        self.file.read_at(frame.at, &mut bytes)?;
        Ok(bytes)
    }

    /// The frame that holds exactly these bytes of the image.
    fn frame_of(&self, range: &Range<u64>) -> Option<Frame> {
        let at = self.frames.binary_search_by_key(&range.start, |frame| frame.start).ok()?;
        self.frames.get(at).copied().filter(|frame| frame.start + frame.raw as u64 == range.end)
    }

    /// Whether both images have the very same frame for these bytes, which is known without decoding it.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn has_same_frame(&self, other: &Self, range: &Range<u64>) -> io::Result<bool> {
        match (self.frame_of(range), other.frame_of(range)) {
            (Some(ours), Some(theirs)) if ours.compressed == theirs.compressed => {
                Ok(self.compressed(ours)? == other.compressed(theirs)?)
            }
            _ => Ok(false),
        }
    }

    /// The bytes of a range that is a frame, without keeping them; `None` for any other range.
    ///
    /// # Errors
    /// The file cannot be read, or the frame is damaged.
    pub fn pass_over(&self, range: &Range<u64>) -> io::Result<Option<Vec<u8>>> {
        self.frame_of(range).map(|frame| self.decode(frame)).transpose()
    }

    fn require(&self, range: Range<u64>) -> io::Result<()> {
        let first = self.frames.partition_point(|frame| frame.start + frame.raw as u64 <= range.start);
        let mut is_decoded = self.is_decoded.lock().unwrap_or_else(PoisonError::into_inner);
        for (frame, is_decoded) in self.frames.iter().zip(is_decoded.iter_mut()).skip(first) {
            if frame.start >= range.end {
                break;
            }
            if !*is_decoded {
                let bytes = self.decode(*frame)?;
                // the file is one hole to begin with
                if bytes.iter().any(|byte| *byte != 0) {
                    self.decoded.write_at(frame.start, &bytes)?;
                }
                *is_decoded = true;
            }
        }
        Ok(())
    }
}

impl BlockRead for SeekableImage {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= self.len);
        self.require(offset..end.ok_or(io::ErrorKind::UnexpectedEof)?)?;
        self.decoded.read_at(offset, buf)
    }
}

/// The frames of a file and the length of what is in them, where its table covers exactly the file before it.
fn frames(file: &FileDevice) -> Option<(Vec<Frame>, u64)> {
    let read = |from_end: usize| {
        let mut bytes = vec![0; from_end];
        file.read_at(file.len().checked_sub(from_end as u64)?, &mut bytes).ok()?;
        Some(bytes)
    };
    let tail: [u8; TAIL] = read(TAIL)?.try_into().ok()?;
    let length = seek_table::frame_length(&tail).filter(|length| *length <= LONGEST_TABLE)?;
    let entries = seek_table::entries(&read(length)?)?;
    let (mut at, mut start) = (0, 0);
    let mut frames = Vec::with_capacity(entries.len());
    for (compressed, raw) in entries {
        if compressed.max(raw) > LONGEST_FRAME || raw == 0 {
            return None;
        }
        let frame = Frame { at, compressed: compressed as usize, start, raw: raw as usize };
        at += u64::from(compressed);
        start += u64::from(raw);
        frames.push(frame);
    }
    (at + length as u64 == file.len()).then_some((frames, start))
}
