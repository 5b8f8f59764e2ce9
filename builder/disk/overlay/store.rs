//! Where the content of dirty blocks is kept.

use std::io;
use std::sync::{PoisonError, RwLock};

/// Size in bytes of what an overlay tracks. A multiple of the page size and of every sector size, and the
/// block size of the ext4 file systems it is meant for.
pub const BLOCK_SIZE: usize = 4096;

/// One block.
pub type Block = [u8; BLOCK_SIZE];

/// A growing array of blocks: a file in the application, memory in tests.
///
/// An overlay appends blocks once, then reads and rewrites their slots; it never asks for a slot that
/// [`BlockStore::append`] did not return.
pub trait BlockStore: Send + Sync {
    /// Keeps `blocks` in new slots, one behind the other, and returns the number of the first.
    ///
    /// # Errors
    /// Whatever the store itself reports, such as a full disk.
    fn append(&self, blocks: &[Block]) -> io::Result<u32>;

    /// Reads slots that follow each other: as many as `blocks` has.
    ///
    /// # Errors
    /// Whatever the store itself reports.
    fn read_slots(&self, first: u32, blocks: &mut [Block]) -> io::Result<()>;

    /// Replaces a slot.
    ///
    /// # Errors
    /// Whatever the store itself reports.
    fn write_slot(&self, slot: u32, block: &Block) -> io::Result<()>;
}

impl<S: BlockStore + ?Sized> BlockStore for Box<S> {
    fn append(&self, blocks: &[Block]) -> io::Result<u32> {
        (**self).append(blocks)
    }

    fn read_slots(&self, first: u32, blocks: &mut [Block]) -> io::Result<()> {
        (**self).read_slots(first, blocks)
    }

    fn write_slot(&self, slot: u32, block: &Block) -> io::Result<()> {
        (**self).write_slot(slot, block)
    }
}

/// A store in memory, for small edits and for tests.
#[derive(Debug, Default)]
pub struct MemoryStore {
    slots: RwLock<Vec<Box<Block>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many slots were appended so far.
    pub fn slots(&self) -> usize {
        self.slots.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn no_slot() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "no such slot in the block store")
}

impl BlockStore for MemoryStore {
    fn append(&self, blocks: &[Block]) -> io::Result<u32> {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let slot = u32::try_from(slots.len()).map_err(io::Error::other)?;
        slots.extend(blocks.iter().map(|block| Box::new(*block)));
        Ok(slot)
    }

    fn read_slots(&self, first: u32, blocks: &mut [Block]) -> io::Result<()> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let first = usize::try_from(first).map_err(io::Error::other)?;
        let kept = first.checked_add(blocks.len()).and_then(|end| slots.get(first..end));
        for (block, slot) in blocks.iter_mut().zip(kept.ok_or_else(no_slot)?) {
            *block = **slot;
        }
        Ok(())
    }

    fn write_slot(&self, slot: u32, block: &Block) -> io::Result<()> {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let index = usize::try_from(slot).map_err(io::Error::other)?;
        **slots.get_mut(index).ok_or_else(no_slot)? = *block;
        Ok(())
    }
}
