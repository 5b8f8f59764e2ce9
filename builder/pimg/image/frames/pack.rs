//! A pack: encoded frames one behind the other, and an index that names them.
//!
//! All numbers are little-endian. A pack is:
//!
//! | offset | bytes | content |
//! | --- | --- | --- |
//! | 0 | 8 | magic `pimgpack` |
//! | 8 | 8 | version, 1 |
//! | 16 | … | the frames, in the order of the index |
//! | then | 40 × frames | index: key (32 bytes), length (4), CRC32c of the frame (4) |
//! | then | 8 | number of frames |
//! | then | 4 | CRC32c of the index and the number |
//!
//! A pack is written once and never changed. It is not flushed to the disk: after a power cut it may be short or
//! full of zeroes, and then its index or a frame does not fit its checksum, which costs time and nothing else.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use sha2::{Digest as _, Sha256};

/// What a frame is known by: a digest of all that its bytes depend on.
pub type FrameKey = [u8; 32];

/// The key of what is made of `range` of an image: `kind` names how, `origin` what the bytes are.
pub fn key_of_range(kind: &str, origin: &[u8; 32], range: &Range<u64>) -> FrameKey {
    let mut key = Sha256::new_with_prefix(kind);
    key.update([0]);
    key.update(origin);
    key.update(range.start.to_le_bytes());
    key.update(range.end.to_le_bytes());
    key.finalize().into()
}

const MAGIC: [u8; 8] = *b"pimgpack";
const VERSION: u64 = 1;

/// Bytes before the first frame.
pub(super) const HEAD: u64 = 16;
const ENTRY: usize = 40;
const TAIL: usize = 12;

/// Where a frame is in its pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(super) key: FrameKey,
    pub(super) offset: u64,
    pub(crate) length: u32,
    pub(super) checksum: u32,
}

/// The bytes before the first frame.
pub(super) fn head() -> Vec<u8> {
    [MAGIC.as_slice(), &VERSION.to_le_bytes()].concat()
}

/// The bytes behind the last frame.
pub(super) fn tail(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY + TAIL);
    for entry in entries {
        bytes.extend_from_slice(&entry.key);
        bytes.extend_from_slice(&entry.length.to_le_bytes());
        bytes.extend_from_slice(&entry.checksum.to_le_bytes());
    }
    bytes.extend_from_slice(&(entries.len() as u64).to_le_bytes());
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a pack of frames is damaged")
}

fn take<const N: usize>(bytes: &mut &[u8]) -> io::Result<[u8; N]> {
    let (front, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
    *bytes = rest;
    Ok(*front)
}

/// Reads the index of a pack of `length` bytes.
///
/// # Errors
/// `InvalidData` where it is no pack, or was cut off or changed.
pub(crate) fn read_index(mut pack: impl Read + Seek, length: u64) -> io::Result<Vec<Entry>> {
    let mut head_bytes = vec![0; head().len()];
    pack.read_exact(&mut head_bytes)?;
    let tail_at = length.checked_sub(TAIL as u64).filter(|at| *at >= HEAD && head_bytes == head());
    let tail_at = tail_at.ok_or_else(damaged)?;
    pack.seek(SeekFrom::Start(tail_at))?;
    let mut tail = [0; TAIL];
    pack.read_exact(&mut tail)?;
    let mut rest = tail.as_slice();
    let (count, checksum) = (take(&mut rest)?, u32::from_le_bytes(take(&mut rest)?));
    // compared with the length of the pack before any memory is asked for
    let index_len = u64::from_le_bytes(count).checked_mul(ENTRY as u64).ok_or_else(damaged)?;
    let index_at = tail_at.checked_sub(index_len).filter(|at| *at >= HEAD).ok_or_else(damaged)?;
    pack.seek(SeekFrom::Start(index_at))?;
    let mut index = vec![0; usize::try_from(index_len).map_err(|_| damaged())?];
    pack.read_exact(&mut index)?;
    if crc32c::crc32c_append(crc32c::crc32c(&index), &count) != checksum {
        return Err(damaged());
    }
    let mut offset = HEAD;
    let mut entries = Vec::with_capacity(index.len() / ENTRY);
    let mut rest = index.as_slice();
    while !rest.is_empty() {
        let key = take(&mut rest)?;
        let length = u32::from_le_bytes(take(&mut rest)?);
        entries.push(Entry { key, offset, length, checksum: u32::from_le_bytes(take(&mut rest)?) });
        offset += u64::from(length);
    }
    if offset == index_at { Ok(entries) } else { Err(damaged()) }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{Entry, HEAD, head, read_index, tail};

    #[test]
    fn an_index_that_was_cut_off_or_changed_is_refused() {
        let entries = [
            Entry { key: [1; 32], offset: HEAD, length: 3, checksum: 7 },
            Entry { key: [2; 32], offset: HEAD + 3, length: 5, checksum: 8 },
        ];
        let pack = [head(), b"framebytes"[..8].to_vec(), tail(&entries)].concat();
        assert_eq!(read_index(Cursor::new(&pack), pack.len() as u64).expect("a pack"), entries);
        for length in 0..pack.len() {
            read_index(Cursor::new(&pack[..length]), length as u64).expect_err("it was cut off");
        }
        for at in (0..16).chain(24..pack.len()) {
            let mut changed = pack.clone();
            changed[at] ^= 0x10;
            read_index(Cursor::new(&changed), pack.len() as u64).expect_err("it was changed");
        }
    }
}
