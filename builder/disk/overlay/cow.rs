//! The copy-on-write device.
//!
//! Only the index is in memory, about 40 bytes a dirty block (10 MiB for one GiB of edits); the blocks are in
//! a [`BlockStore`]. A block that ends up as the base has it is no longer dirty, and a block of zeroes costs
//! no slot, so what was written and undone, or freed and zeroed, does not reach the image.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::compose::{BLOCK, Replaced, Replacements, Run, next_data, origin, read_base, read_through};
use super::error::Error;
use super::layer::{Digest, LayerHead, write_layer};
use super::store::{BLOCK_SIZE, Block, BlockStore};
use crate::block::{BlockRead, BlockWrite, Origin};

/// Bytes that a long write compares with the base, and keeps, at once.
const COMPARE: usize = 64 * BLOCK_SIZE;

/// A device that reads from a base it never changes and keeps what is written over it.
///
/// It can be longer than its base; what lies behind the base reads as zeroes. Safe to share between threads:
/// a write is seen whole or not at all.
pub struct Overlay {
    base: Arc<dyn BlockRead>,
    store: Box<dyn BlockStore>,
    len: u64,
    index: RwLock<Index>,
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay").field("len", &self.len).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Index {
    dirty: BTreeMap<u64, Replaced>,
    /// Slots whose block is no longer dirty.
    free: Vec<u32>,
}

/// An index with the store that its slots are in.
struct View<'a> {
    index: &'a Index,
    store: &'a dyn BlockStore,
}

/// Most dirty blocks that are gathered to one run.
const LONGEST_RUN: u64 = 1024;

impl Replacements for View<'_> {
    fn next(&self, from: u64, most: u64) -> Option<Run> {
        let mut dirty = self.index.dirty.range(from..).map(|(number, replaced)| (*number, *replaced));
        let (start, replaced) = dirty.next()?;
        let alike = (1..most.min(LONGEST_RUN))
            .zip(dirty)
            .take_while(|(behind, next)| *next == (start + behind, replaced.behind(*behind)));
        Some(Run { start, count: 1 + alike.count() as u64, replaced })
    }

    fn load(&self, _number: u64, slot: u32, blocks: &mut [u8]) -> io::Result<()> {
        self.store.read_slots(slot, blocks.as_chunks_mut().0)
    }
}

/// What the base has in a range of blocks.
enum Below {
    Zeroes,
    Bytes(Vec<u8>),
}

impl Below {
    /// Its blocks, and zeroes without end where it has nothing else.
    fn blocks(&self) -> impl Iterator<Item = &Block> {
        let (bytes, zeroes) = match self {
            Self::Zeroes => (&[][..], usize::MAX),
            Self::Bytes(bytes) => (&bytes[..], 0),
        };
        bytes.as_chunks().0.iter().chain(std::iter::repeat_n(&[0; BLOCK_SIZE], zeroes))
    }
}

impl Overlay {
    /// An overlay of `len` bytes over `base`, without a dirty block. `store` must be empty.
    ///
    /// # Errors
    /// `InvalidInput` where `len` is shorter than the base.
    pub fn new(base: Arc<dyn BlockRead>, len: u64, store: impl BlockStore + 'static) -> io::Result<Self> {
        if len < base.len() {
            let message = format!("an overlay of {len} bytes cannot hold a base of {} bytes", base.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(Self { base, store: Box::new(store), len, index: RwLock::default() })
    }

    /// The numbers of the blocks (of [`BLOCK_SIZE`] bytes) that differ from the base, in ascending order, as
    /// they are at the time of the call.
    pub fn dirty_blocks(&self) -> impl Iterator<Item = u64> + use<> {
        self.index().dirty.keys().copied().collect::<Vec<_>>().into_iter()
    }

    /// How many blocks differ from the base.
    pub fn dirty_count(&self) -> usize {
        self.index().dirty.len()
    }

    /// Whether a block that `range`, in bytes, touches differs from the base.
    pub fn is_dirty(&self, range: Range<u64>) -> bool {
        let blocks = range.start / BLOCK..range.end.div_ceil(BLOCK);
        !range.is_empty() && self.index().dirty.range(blocks).next().is_some()
    }

    /// Writes all dirty blocks as a layer over what the caller calls `parent`: [`super::Layer::open`] opens it with
    /// the same word. The bytes depend on the content only, never on the order of the writes.
    ///
    /// # Errors
    /// [`Error::Io`] where the base, the store or `out` fails.
    pub fn write_layer(&self, parent: Digest, out: &mut dyn io::Write) -> Result<(), Error> {
        let index = self.index();
        let view = View { index: &index, store: self.store.as_ref() };
        write_layer(LayerHead::new(self.len, self.base.len(), parent), &view, out)
    }

    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `block` the content of block `number`, whose content in the base is `below`. Says whether it has
    /// to be kept in a new slot.
    fn put(&self, index: &mut Index, number: u64, block: &Block, below: &Block) -> io::Result<bool> {
        let old = index.dirty.get(&number).copied();
        let replaced = if block == below {
            None
        } else if block.iter().all(|byte| *byte == 0) {
            Some(Replaced::Zero)
        } else if let Some(Replaced::Slot(slot)) = old {
            self.store.write_slot(slot, block)?;
            return Ok(false);
        } else if let Some(slot) = index.free.last().copied() {
            self.store.write_slot(slot, block)?;
            index.free.pop();
            Some(Replaced::Slot(slot))
        } else {
            return Ok(true);
        };
        if let Some(Replaced::Slot(slot)) = old {
            index.free.push(slot);
        }
        match replaced {
            Some(replaced) => index.dirty.insert(number, replaced),
            None => index.dirty.remove(&number),
        };
        Ok(false)
    }

    /// Keeps whole blocks of which none is dirty and each differs from the base, without copying them. Says whether
    /// it did: contents of new files are such blocks.
    fn keep_new(&self, index: &mut Index, first: u64, part: &[u8], below: &Below) -> io::Result<bool> {
        let (blocks, rest) = part.as_chunks::<BLOCK_SIZE>();
        let end = first.saturating_add(blocks.len() as u64);
        let is_new = rest.is_empty()
            && index.free.is_empty()
            && index.dirty.range(first..end).next().is_none()
            && blocks.iter().zip(below.blocks()).all(|(block, below)| block != below)
            && blocks.iter().all(|block| block.iter().any(|byte| *byte != 0));
        if is_new {
            let slots = self.store.append(blocks)?..=u32::MAX;
            index.dirty.extend((first..end).zip(slots.map(Replaced::Slot)));
        }
        Ok(is_new)
    }

    /// What the base has in `length` bytes from `offset` on. A hole is not read, for most of what is written goes
    /// where the base is free.
    fn below(&self, offset: u64, length: usize) -> io::Result<Below> {
        let data = if offset < self.base.len() { self.base.next_data(offset)? } else { None };
        if data.is_none_or(|data| data.start >= offset.saturating_add(length as u64)) {
            return Ok(Below::Zeroes);
        }
        let mut bytes = vec![0; length];
        read_base(self.base.as_ref(), offset, &mut bytes)?;
        Ok(Below::Bytes(bytes))
    }

    /// Writes a part that [`COMPARE`] bytes of whole blocks cover.
    fn write_part(&self, index: &mut Index, offset: u64, part: &[u8]) -> io::Result<()> {
        let within = usize::try_from(offset % BLOCK).map_err(io::Error::other)?;
        let first = offset / BLOCK;
        let covered = (within + part.len()).next_multiple_of(BLOCK_SIZE);
        let below = self.below(first * BLOCK, covered)?;
        if within == 0 && self.keep_new(index, first, part, &below)? {
            return Ok(());
        }
        let (mut new_numbers, mut new_blocks) = (Vec::new(), Vec::new());
        let mut rest = part;
        let mut within = within;
        for (number, below) in (first..).zip(below.blocks()) {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(rest.len().min(BLOCK_SIZE - within));
            let mut block: Block = [0; BLOCK_SIZE];
            if piece.len() < BLOCK_SIZE {
                match index.dirty.get(&number) {
                    Some(Replaced::Slot(slot)) => {
                        self.store.read_slots(*slot, std::slice::from_mut(&mut block))?;
                    }
                    Some(Replaced::Zero) => {}
                    None => block = *below,
                }
            }
            block.iter_mut().skip(within).zip(piece).for_each(|(to, from)| *to = *from);
            if self.put(index, number, &block, below)? {
                new_numbers.push(number);
                new_blocks.push(block);
            }
            (rest, within) = (after, 0);
        }
        if !new_blocks.is_empty() {
            let slots = self.store.append(&new_blocks)?..=u32::MAX;
            index.dirty.extend(new_numbers.into_iter().zip(slots.map(Replaced::Slot)));
        }
        Ok(())
    }
}

/// The error of a range behind a device.
pub(super) fn check_range(kind: io::ErrorKind, len: u64, offset: u64, length: usize) -> io::Result<()> {
    let end = u64::try_from(length).ok().and_then(|length| offset.checked_add(length));
    if end.is_some_and(|end| end <= len) {
        return Ok(());
    }
    let message = format!("{length} bytes at offset {offset} end behind the device of {len} bytes");
    Err(io::Error::new(kind, message))
}

impl BlockRead for Overlay {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_range(io::ErrorKind::UnexpectedEof, self.len, offset, buf.len())?;
        let index = self.index();
        let view = View { index: &index, store: self.store.as_ref() };
        read_through(self.base.as_ref(), &view, offset, buf)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        let index = self.index();
        let view = View { index: &index, store: self.store.as_ref() };
        next_data(self.base.as_ref(), &view, self.len, offset)
    }

    fn origin(&self, range: Range<u64>) -> io::Result<Option<Origin>> {
        let index = self.index();
        let view = View { index: &index, store: self.store.as_ref() };
        origin(self.base.as_ref(), &view, range)
    }
}

impl BlockWrite for Overlay {
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        check_range(io::ErrorKind::InvalidInput, self.len, offset, buf.len())?;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let (mut offset, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let within = usize::try_from(offset % BLOCK).map_err(io::Error::other)?;
            let (part, after) = rest.split_at(rest.len().min(COMPARE - within));
            self.write_part(&mut index, offset, part)?;
            offset += part.len() as u64;
            rest = after;
        }
        Ok(())
    }
}
