//! Which blocks belong to nothing: what a copy of the file system may leave as it finds it.

use std::ops::Range;

use super::bitmap::Bitmap;
use super::group_desc::{BLOCK_UNINIT, GroupDesc, bitmap_checksum};
use super::{Error, Reader, Superblock};

/// The bytes of all blocks that are free, in order; neighbours are one range. Whatever they hold, the kernel and
/// `e2fsck` never read it before they have written it.
///
/// Metadata is never free, not even the inode tables that no inode uses yet: the kernel reads a table as a whole.
/// Nor is the journal: after a crash the kernel reads behind its start for as long as what it finds looks like the
/// next transaction.
///
/// # Errors
/// [`Error::Unsupported`] where the bitmaps are not the whole truth: a journal to be replayed first, or features that
/// nobody here follows. [`Error::Corrupt`] where the checksum of a bitmap does not match.
pub fn free_space(reader: &Reader<'_>) -> Result<Vec<Range<u64>>, Error> {
    let superblock = reader.superblock();
    superblock.features.require_checkable()?;
    reader.require_clean()?;
    let mut used = Bitmap::new(superblock.s_blocks_count);
    mark(&mut used, 0, superblock.s_first_data_block);
    for (group, desc) in (0..).zip(reader.groups()) {
        mark_metadata(&mut used, superblock, group, desc);
        // a group whose bitmap was never written holds its own metadata and nothing else
        if !desc.is_uninit(superblock, BLOCK_UNINIT) {
            mark_bitmap(&mut used, reader, group, desc)?;
        }
    }
    let mut free: Vec<Range<u64>> = Vec::new();
    for block in (0..superblock.s_blocks_count).filter(|block| !used.get(*block)) {
        let (start, end) =
            (superblock.byte_of_block(block), superblock.byte_of_block(block.saturating_add(1)));
        match free.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => free.push(start..end),
        }
    }
    Ok(free)
}

fn mark_metadata(used: &mut Bitmap, superblock: &Superblock, group: u32, desc: &GroupDesc) {
    let areas = [
        (superblock.first_block_of(group), superblock.base_overhead(group)),
        (desc.bg_block_bitmap, 1),
        (desc.bg_inode_bitmap, 1),
        (desc.bg_inode_table, superblock.inode_table_blocks()),
    ];
    for (first, length) in areas {
        mark(used, first, length);
    }
}

fn mark(used: &mut Bitmap, first: u64, length: u32) {
    for block in first..first.saturating_add(u64::from(length)) {
        used.set(block);
    }
}

fn mark_bitmap(used: &mut Bitmap, reader: &Reader<'_>, group: u32, desc: &GroupDesc) -> Result<(), Error> {
    let superblock = reader.superblock();
    let bytes = reader.read_block(desc.bg_block_bitmap)?;
    let stored = match superblock.desc_size {
        64.. => desc.bg_block_bitmap_csum,
        _ => desc.bg_block_bitmap_csum & 0xffff,
    };
    if bitmap_checksum(superblock, superblock.s_blocks_per_group, &bytes).is_some_and(|sum| sum != stored) {
        return Err(Error::Corrupt(format!("group {group}: checksum of the block bitmap does not match")));
    }
    let bitmap = Bitmap::from_bytes(bytes);
    let first = superblock.first_block_of(group);
    for bit in (0..u64::from(superblock.blocks_in(group))).filter(|bit| bitmap.get(*bit)) {
        used.set(first.saturating_add(bit));
    }
    Ok(())
}
