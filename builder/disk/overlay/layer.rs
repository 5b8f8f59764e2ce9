//! Layers: what an overlay holds, as bytes.
//!
//! All numbers are little-endian. A layer is:
//!
//! | offset | bytes | content |
//! | --- | --- | --- |
//! | 0 | 8 | magic `pimglayr` |
//! | 8 | 4 | version, 1 |
//! | 12 | 4 | block size in bytes, 4096 |
//! | 16 | 8 | length of the device in bytes |
//! | 24 | 8 | length of the base in bytes |
//! | 32 | 32 | digest of the parent: of what it was laid over, and of whatever else its maker wants to tell apart |
//! | 64 | 4032 | zeroes |
//! | 4096 | 4096 × stored blocks | the blocks, in the order of the index |
//! | then | 12 × entries | index, ascending by block: block number × 2 (8 bytes; lowest bit set: a block of zeroes, not stored), CRC32c of the block (4 bytes; 0 for a block of zeroes) |
//! | then | 8 | number of entries |
//! | then | 4 | CRC32c of the header (64 bytes), the index and the number of entries |
//!
//! The index comes last because a block has to be read to know its checksum, and each is read once. Opening
//! reads header and index only and refuses a layer that was cut off or whose index was changed; a changed
//! block is refused when it is read ([`Layer::verify`] reads all). In memory an open layer is 4 bytes a stored
//! block and 24 a run of neighbouring blocks.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::compose::{BLOCK, Replaced, Replacements, Run, next_data, read_through};
use super::cow::check_range;
use super::error::Error;
use super::store::BLOCK_SIZE;
use crate::block::{BlockRead, Origin};

/// A SHA-256 digest.
pub type Digest = [u8; 32];

const MAGIC: [u8; 8] = *b"pimglayr";
const VERSION: u32 = 1;
const HEAD: usize = 64;
const ENTRY: usize = 12;
/// Number of entries and checksum.
const TAIL: usize = 12;
/// Bytes of blocks that are moved at once.
const PIECE: usize = 64 * BLOCK_SIZE;

/// The fields of the header.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerHead {
    len: u64,
    base_len: u64,
    parent: Digest,
}

impl LayerHead {
    pub(super) fn new(len: u64, base_len: u64, parent: Digest) -> Self {
        Self { len, base_len, parent }
    }

    fn encode(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(BLOCK_SIZE);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&(BLOCK_SIZE as u32).to_le_bytes());
        head.extend_from_slice(&self.len.to_le_bytes());
        head.extend_from_slice(&self.base_len.to_le_bytes());
        head.extend_from_slice(&self.parent);
        head
    }

    fn decode(mut head: &[u8]) -> Result<Self, Error> {
        if take(&mut head) != Some(MAGIC) {
            return Err(Error::Corrupt("it does not start with the magic of a layer".into()));
        }
        let version = take(&mut head).map(u32::from_le_bytes);
        if version != Some(VERSION) {
            let got = version.unwrap_or_default();
            return Err(Error::Unsupported(format!("expected version {VERSION}, got {got}")));
        }
        let block_size = take(&mut head).map(u32::from_le_bytes).unwrap_or_default();
        if usize::try_from(block_size) != Ok(BLOCK_SIZE) {
            return Err(Error::Unsupported(format!("blocks of {block_size} bytes, expected {BLOCK_SIZE}")));
        }
        let fields = (take(&mut head), take(&mut head), take(&mut head));
        let (Some(len), Some(base_len), Some(parent)) = fields else {
            return Err(Error::Corrupt("the header is cut off".into()));
        };
        Ok(Self { len: u64::from_le_bytes(len), base_len: u64::from_le_bytes(base_len), parent })
    }
}

/// Takes `N` bytes from the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (front, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*front)
}

/// Writes a layer of these replaced blocks.
pub(super) fn write_layer(
    head: LayerHead,
    blocks: &impl Replacements,
    out: &mut dyn io::Write,
) -> Result<(), Error> {
    let mut header = head.encode();
    let mut checksum = crc32c::crc32c(&header);
    header.resize(BLOCK_SIZE, 0);
    out.write_all(&header)?;
    let mut index = Vec::new();
    let mut entries: u64 = 0;
    let mut buffer = vec![0; PIECE];
    let most = (PIECE / BLOCK_SIZE) as u64;
    let mut from = 0;
    while let Some(run) = blocks.next(from, most) {
        from = run.end();
        entries += run.count;
        let Replaced::Slot(slot) = run.replaced else {
            (run.start..from).for_each(|number| push_entry(&mut index, number << 1 | 1, 0));
            continue;
        };
        let length = usize::try_from(run.count * BLOCK).map_err(io::Error::other)?;
        let Some(piece) = buffer.get_mut(..length) else { break };
        blocks.load(run.start, slot, piece)?;
        out.write_all(piece)?;
        for (number, block) in (run.start..from).zip(piece.chunks_exact(BLOCK_SIZE)) {
            push_entry(&mut index, number << 1, crc32c::crc32c(block));
        }
    }
    index.extend_from_slice(&entries.to_le_bytes());
    checksum = crc32c::crc32c_append(checksum, &index);
    out.write_all(&index)?;
    out.write_all(&checksum.to_le_bytes())?;
    Ok(())
}

fn push_entry(index: &mut Vec<u8>, key: u64, checksum: u32) {
    index.extend_from_slice(&key.to_le_bytes());
    index.extend_from_slice(&checksum.to_le_bytes());
}

/// A written overlay, over its base: a device that can be read, and the base of the next overlay.
pub struct Layer {
    device: Arc<dyn BlockRead>,
    base: Arc<dyn BlockRead>,
    len: u64,
    runs: Vec<Run>,
    /// Of each slot.
    checksums: Vec<u32>,
    damaged: AtomicBool,
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Layer {
    /// Opens the layer that `device` holds, over `base`, whose digest is `expected_parent`.
    ///
    /// # Errors
    /// [`Error::WrongParent`] where it was made over another base, [`Error::Unsupported`] for another
    /// version, [`Error::Corrupt`] where it was cut off or changed.
    pub fn open(
        device: Arc<dyn BlockRead>,
        base: Arc<dyn BlockRead>,
        expected_parent: Digest,
    ) -> Result<Self, Error> {
        let total = device.len();
        if total < (BLOCK_SIZE + TAIL) as u64 {
            return Err(Error::Corrupt(format!("it has {total} bytes, too few for a layer")));
        }
        let mut header = [0; BLOCK_SIZE];
        device.read_at(0, &mut header)?;
        let (header, padding) = header.split_at(HEAD);
        let head = LayerHead::decode(header)?;
        let index = read_index(device.as_ref(), header)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(Error::Corrupt("its header is not padded with zeroes".into()));
        }
        if head.parent != expected_parent {
            return Err(Error::WrongParent { expected: hex(&expected_parent), got: hex(&head.parent) });
        }
        if head.base_len != base.len() || head.len < head.base_len {
            return Err(Error::Corrupt(format!(
                "it makes a device of {} bytes from a base of {} bytes, but the base has {} bytes",
                head.len,
                head.base_len,
                base.len()
            )));
        }
        let (runs, checksums) = parse_index(&index, head.len, total)?;
        Ok(Self { device, base, len: head.len, runs, checksums, damaged: AtomicBool::new(false) })
    }

    /// Reads all stored blocks and compares their checksums.
    ///
    /// # Errors
    /// [`Error::Corrupt`] naming the first block that was changed.
    pub fn verify(&self) -> Result<(), Error> {
        let mut buffer = vec![0; PIECE];
        for run in &self.runs {
            let Replaced::Slot(mut slot) = run.replaced else { continue };
            let mut number = run.start;
            while number < run.end() {
                let count = (run.end() - number).min((PIECE / BLOCK_SIZE) as u64);
                let length = usize::try_from(count * BLOCK).map_err(io::Error::other)?;
                let Some(piece) = buffer.get_mut(..length) else { break };
                self.device.read_at(slot_offset(slot), piece)?;
                self.compare(number, slot, piece).map_err(Error::Corrupt)?;
                number += count;
                slot = slot.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            }
        }
        Ok(())
    }

    /// Compares blocks with the checksums of the index. Says what is wrong with the first that was changed.
    fn compare(&self, number: u64, slot: u32, blocks: &[u8]) -> Result<(), String> {
        let first = usize::try_from(slot).unwrap_or(usize::MAX);
        let known = self.checksums.get(first..).unwrap_or_default().iter();
        let wrong = blocks
            .chunks_exact(BLOCK_SIZE)
            .zip(known)
            .position(|(block, known)| crc32c::crc32c(block) != *known);
        let Some(at) = wrong else { return Ok(()) };
        self.damaged.store(true, Ordering::Relaxed);
        Err(format!("the checksum of block {} does not match", number.saturating_add(at as u64)))
    }

    /// Whether a block that was read so far was changed after the layer was written.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// The numbers of the blocks (of [`BLOCK_SIZE`] bytes) that differ from the base, in ascending order.
    pub fn dirty_blocks(&self) -> impl Iterator<Item = u64> + use<'_> {
        self.runs.iter().flat_map(|run| run.start..run.end())
    }

    /// Bytes of the blocks that are stored.
    pub fn stored_bytes(&self) -> u64 {
        self.checksums.len() as u64 * BLOCK
    }
}

fn slot_offset(slot: u32) -> u64 {
    (u64::from(slot) + 1) * BLOCK
}

fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the index without its count, checked against the checksum at the end.
fn read_index(device: &dyn BlockRead, header: &[u8]) -> Result<Vec<u8>, Error> {
    let changed = || Error::Corrupt("it was cut off, or its header or index was changed".into());
    let mut tail = [0; TAIL];
    let tail_at = device.len() - TAIL as u64;
    device.read_at(tail_at, &mut tail)?;
    let mut rest = tail.as_slice();
    let count = take(&mut rest).ok_or_else(changed)?;
    let stored = take(&mut rest).map(u32::from_le_bytes).ok_or_else(changed)?;
    // checked against the length of the layer before any memory is asked for
    let index_len = u64::from_le_bytes(count).checked_mul(ENTRY as u64).ok_or_else(changed)?;
    let index_at = tail_at.checked_sub(index_len).filter(|at| *at >= BLOCK).ok_or_else(changed)?;
    let mut index = vec![0; usize::try_from(index_len).map_err(io::Error::other)?];
    device.read_at(index_at, &mut index)?;
    let checksum = crc32c::crc32c_append(crc32c::crc32c(header), &index);
    if crc32c::crc32c_append(checksum, &count) != stored {
        return Err(changed());
    }
    Ok(index)
}

/// The runs and the checksums in an index whose own checksum was right, for a device of `len` bytes and a layer of
/// `total`.
fn parse_index(index: &[u8], len: u64, total: u64) -> Result<(Vec<Run>, Vec<u32>), Error> {
    let mut runs: Vec<Run> = Vec::new();
    let mut checksums = Vec::new();
    let mut behind_last = 0;
    for mut bytes in index.chunks_exact(ENTRY) {
        let (Some(key), Some(checksum)) = (take(&mut bytes), take(&mut bytes)) else { break };
        let key = u64::from_le_bytes(key);
        let number = key >> 1;
        if number < behind_last || number >= len.div_ceil(BLOCK) {
            return Err(Error::Corrupt(format!("its index names block {number} out of order or range")));
        }
        behind_last = number + 1;
        let replaced = if key & 1 == 1 {
            Replaced::Zero
        } else {
            let too_many = |_| Error::Corrupt("it has too many blocks".into());
            let slot = u32::try_from(checksums.len()).map_err(too_many)?;
            checksums.push(u32::from_le_bytes(checksum));
            Replaced::Slot(slot)
        };
        match runs.last_mut() {
            Some(last) if last.end() == number && last.replaced.behind(last.count) == replaced => {
                last.count += 1
            }
            _ => runs.push(Run { start: number, count: 1, replaced }),
        }
    }
    let expected = (checksums.len() as u64 + 1) * BLOCK + (index.len() + TAIL) as u64;
    if expected != total {
        return Err(Error::Corrupt(format!("expected {expected} bytes, got {total}")));
    }
    Ok((runs, checksums))
}

impl Replacements for Layer {
    fn next(&self, from: u64, most: u64) -> Option<Run> {
        let at = self.runs.partition_point(|run| run.end() <= from);
        self.runs.get(at).map(|run| run.cut(from, most))
    }

    fn load(&self, number: u64, slot: u32, blocks: &mut [u8]) -> io::Result<()> {
        self.device.read_at(slot_offset(slot), blocks)?;
        self.compare(number, slot, blocks)
            .map_err(|why| io::Error::new(io::ErrorKind::InvalidData, format!("corrupt layer: {why}")))
    }
}

impl BlockRead for Layer {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_range(io::ErrorKind::UnexpectedEof, self.len, offset, buf.len())?;
        read_through(self.base.as_ref(), self, offset, buf)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        next_data(self.base.as_ref(), self, self.len, offset)
    }

    /// What the layer changed has no name here: its reader has the digest of the layer, see [`Named`](crate::Named).
    fn origin(&self, range: Range<u64>) -> io::Result<Option<Origin>> {
        match self.next(range.start / BLOCK, 1) {
            Some(run) if run.start < range.end.div_ceil(BLOCK) => Ok(None),
            _ => self.base.origin(range),
        }
    }
}
