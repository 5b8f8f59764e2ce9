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
//! | 32 | 32 | digest of the parent: the base image, or the layer below |
//! | 64 | 4032 | zeroes |
//! | 4096 | 4096 × stored blocks | the blocks, in the order of the index |
//! | then | 12 × entries | index, ascending by block: block number × 2 (8 bytes; lowest bit set: a block of zeroes, not stored), CRC32c of the block (4 bytes; 0 for a block of zeroes) |
//! | then | 8 | number of entries |
//! | then | 4 | CRC32c of the header (64 bytes), the index and the number of entries |
//!
//! The index comes last because a block has to be read to know its checksum, and each is read once. Opening
//! reads header and index only and refuses a layer that was cut off or whose index was changed; a changed
//! block is refused when it is read ([`Layer::verify`] reads all).

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::compose::{BLOCK, Replaced, Replacements, next_data, read_through};
use super::cow::check_range;
use super::error::Error;
use super::store::{BLOCK_SIZE, Block};
use crate::block::{BlockRead, Origin};

/// A SHA-256 digest.
pub type Digest = [u8; 32];

const MAGIC: [u8; 8] = *b"pimglayr";
const VERSION: u32 = 1;
const HEAD: usize = 64;
const ENTRY: usize = 12;
/// Number of entries and checksum.
const TAIL: usize = 12;

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

/// Passes bytes on and digests them.
struct Digesting<'a> {
    out: &'a mut dyn io::Write,
    digest: Sha256,
}

impl Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.out.write_all(bytes)
    }
}

/// Writes a layer of these replaced blocks, which come in ascending order.
pub(super) fn write_layer(
    head: LayerHead,
    replaced: impl Iterator<Item = (u64, Replaced)>,
    blocks: &impl Replacements,
    out: &mut dyn io::Write,
) -> Result<Digest, Error> {
    let mut out = Digesting { out, digest: Sha256::new() };
    let mut header = head.encode();
    let mut checksum = crc32c::crc32c(&header);
    header.resize(BLOCK_SIZE, 0);
    out.write(&header)?;
    let mut index = Vec::new();
    let mut entries: u64 = 0;
    let mut block = [0; BLOCK_SIZE];
    for (number, replaced) in replaced {
        let (zero, block_checksum) = match replaced {
            Replaced::Zero => (1, 0),
            Replaced::Slot(slot) => {
                blocks.load(number, slot, &mut block)?;
                out.write(&block)?;
                (0, crc32c::crc32c(&block))
            }
        };
        index.extend_from_slice(&(number << 1 | zero).to_le_bytes());
        index.extend_from_slice(&block_checksum.to_le_bytes());
        entries += 1;
    }
    index.extend_from_slice(&entries.to_le_bytes());
    checksum = crc32c::crc32c_append(checksum, &index);
    out.write(&index)?;
    out.write(&checksum.to_le_bytes())?;
    Ok(out.digest.finalize().into())
}

/// A replaced block of a layer.
struct Entry {
    number: u64,
    replaced: Replaced,
    checksum: u32,
}

/// A written overlay, over its base: a device that can be read, and the base of the next overlay.
pub struct Layer {
    device: Arc<dyn BlockRead>,
    base: Arc<dyn BlockRead>,
    len: u64,
    entries: Vec<Entry>,
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
        let entries = parse_index(&index, head.len, total)?;
        Ok(Self { device, base, len: head.len, entries })
    }

    /// Reads all stored blocks and compares their checksums.
    ///
    /// # Errors
    /// [`Error::Corrupt`] naming the first block that was changed.
    pub fn verify(&self) -> Result<(), Error> {
        let mut block = [0; BLOCK_SIZE];
        for entry in &self.entries {
            if let Replaced::Slot(slot) = entry.replaced {
                self.device.read_at(slot_offset(slot), &mut block)?;
                if crc32c::crc32c(&block) != entry.checksum {
                    return Err(Error::Corrupt(wrong_block(entry.number)));
                }
            }
        }
        Ok(())
    }

    /// The numbers of the blocks (of [`BLOCK_SIZE`] bytes) that differ from the base, in ascending order.
    pub fn dirty_blocks(&self) -> impl Iterator<Item = u64> + use<'_> {
        self.entries.iter().map(|entry| entry.number)
    }
}

fn slot_offset(slot: u32) -> u64 {
    (u64::from(slot) + 1) * BLOCK
}

fn wrong_block(number: u64) -> String {
    format!("the checksum of block {number} does not match")
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

/// The entries of an index whose checksum was right, for a device of `len` bytes and a layer of `total`.
fn parse_index(index: &[u8], len: u64, total: u64) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::with_capacity(index.len() / ENTRY);
    let mut slots: u32 = 0;
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
            let slot = slots;
            slots = slots.checked_add(1).ok_or_else(|| Error::Corrupt("it has too many blocks".into()))?;
            Replaced::Slot(slot)
        };
        entries.push(Entry { number, replaced, checksum: u32::from_le_bytes(checksum) });
    }
    let expected = slot_offset(slots) + (index.len() + TAIL) as u64;
    if expected != total {
        return Err(Error::Corrupt(format!("expected {expected} bytes, got {total}")));
    }
    Ok(entries)
}

impl Replacements for Layer {
    fn next(&self, from: u64) -> Option<(u64, Replaced)> {
        let at = self.entries.partition_point(|entry| entry.number < from);
        self.entries.get(at).map(|entry| (entry.number, entry.replaced))
    }

    fn load(&self, number: u64, slot: u32, block: &mut Block) -> io::Result<()> {
        self.device.read_at(slot_offset(slot), block)?;
        let at = self.entries.partition_point(|entry| entry.number < number);
        if self.entries.get(at).is_some_and(|entry| crc32c::crc32c(block) == entry.checksum) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, format!("corrupt layer: {}", wrong_block(number))))
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
        match self.next(range.start / BLOCK) {
            Some((number, _)) if number < range.end.div_ceil(BLOCK) => Ok(None),
            _ => self.base.origin(range),
        }
    }
}
