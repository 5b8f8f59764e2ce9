//! How large a file system becomes: the superblock before and after, and what limits the one behind.

use crate::ext4::features::{compat, incompat};
use crate::ext4::{Error, Superblock};

/// A last group is only made if that many blocks of it hold data in the end (`resize2fs` wants 50 as well).
const LEAST_USEFUL: u32 = 50;

/// The superblock that `old` becomes with up to `len` bytes; the counts of free blocks and inodes and the
/// overhead are still those of `old`. `None` where the file system cannot become longer by that.
///
/// # Errors
/// [`Error::NoSpace`] where the reserve for group descriptors or a number of the format ends before `len`.
pub(super) fn enlarge(old: &Superblock, len: u64) -> Result<Option<Superblock>, Error> {
    let mut new = old.clone();
    new.s_blocks_count = len / u64::from(old.block_size);
    if new.s_blocks_count <= old.s_blocks_count {
        return Ok(None);
    }
    let most = most_groups(old);
    if new.group_count() > most || new.s_blocks_count > most_blocks(old) {
        let bytes = old.byte_of_block(new_end(old, most).min(most_blocks(old)));
        return Err(Error::NoSpace(format!("it can grow to at most {bytes} bytes, asked for {len}")));
    }
    // a group is at most 2^15 blocks of 2^2 KiB; its overhead does not depend on how many groups there are
    let last = new.group_count().saturating_sub(1);
    if last >= old.group_count() && new.blocks_in(last) < overhead(old, last).saturating_add(LEAST_USEFUL) {
        new.s_blocks_count = new.first_block_of(last);
        if new.s_blocks_count <= old.s_blocks_count {
            return Ok(None);
        }
    }
    // the reserve shrinks by what the table of descriptors grows, so that no block of any group moves
    let more = new.gdt_blocks().saturating_sub(old.gdt_blocks());
    let rest =
        u32::from(old.s_reserved_gdt_blocks).checked_sub(more).and_then(|rest| u16::try_from(rest).ok());
    let Some(rest) = rest else {
        return Err(Error::Corrupt("the reserve for group descriptors is too small".to_owned()));
    };
    new.s_reserved_gdt_blocks = rest;
    new.s_inodes_count = new.group_count().saturating_mul(old.s_inodes_per_group);
    new.s_r_blocks_count = scale(old.s_r_blocks_count, new.s_blocks_count, old.s_blocks_count);
    Ok(Some(new))
}

/// Blocks of `group` that never hold data.
pub(super) fn overhead(superblock: &Superblock, group: u32) -> u32 {
    superblock.base_overhead(group).saturating_add(2).saturating_add(superblock.inode_table_blocks())
}

/// Groups that the table of descriptors and its reserve can describe, and whose inodes can be numbered.
fn most_groups(old: &Superblock) -> u32 {
    let reserve = if old.features.has_compat(compat::RESIZE_INODE) { old.s_reserved_gdt_blocks } else { 0 };
    let blocks = old.gdt_blocks().saturating_add(u32::from(reserve));
    let described = blocks.saturating_mul(old.block_size / u32::from(old.desc_size.max(32)));
    described.min(u32::MAX / old.s_inodes_per_group.max(1))
}

fn most_blocks(old: &Superblock) -> u64 {
    if old.features.has_incompat(incompat::SIXTY_FOUR_BIT) { 1 << 48 } else { u64::from(u32::MAX) }
}

/// The block behind the last of `groups` groups.
fn new_end(old: &Superblock, groups: u32) -> u64 {
    old.first_block_of(groups)
}

fn scale(count: u64, new: u64, old: u64) -> u64 {
    let scaled = u128::from(count) * u128::from(new) / u128::from(old.max(1));
    u64::try_from(scaled).unwrap_or(count)
}
