//! Inode 7, which owns the blocks that are reserved for more group descriptors, in group 0 and in every group
//! with a backup of them.
//!
//! Its double-indirect block lists the reserved blocks of group 0, at the place that each will have in the
//! table of descriptors, counted modulo what a block holds; each of those lists the blocks with the same place
//! in the backup groups (`ext2fs_create_resize_inode` in `lib/ext2fs/res_gdt.c` of e2fsprogs).

use std::ops::Range;

use crate::block::BlockWrite;
use crate::ext4::features::compat;
use crate::ext4::fields::{le32, put32};
use crate::ext4::group_desc::GroupDesc;
use crate::ext4::raw_inode::RawInode;
use crate::ext4::{Error, Superblock};

const RESIZE_INODE: u32 = 7;
/// Offset of the double-indirect pointer, the fourteenth of `i_block`.
const DOUBLE_INDIRECT: usize = 0x28 + 13 * 4;
const BLOCKS_LOW: usize = 0x1c;

/// Takes the blocks out of the reserve that became descriptors, and puts the rest into all groups of `new`.
///
/// # Errors
/// [`Error::Corrupt`] where the inode does not own what it should, before anything is written;
/// [`Error::NoSpace`] for more backup groups than a block can list.
pub(super) fn update(
    device: &(impl BlockWrite + ?Sized),
    old: &Superblock,
    new: &Superblock,
    first_group: &GroupDesc,
) -> Result<(), Error> {
    if !old.features.has_compat(compat::RESIZE_INODE) || old.s_reserved_gdt_blocks == 0 {
        return Ok(());
    }
    let inode_at = new.byte_of_block(first_group.bg_inode_table).saturating_add(
        u64::from(RESIZE_INODE).saturating_sub(1).saturating_mul(u64::from(new.s_inode_size)),
    );
    let mut inode = vec![0; usize::from(new.s_inode_size)];
    device.read_at(inode_at, &mut inode)?;
    let list_at = u64::from(le32(&inode, DOUBLE_INDIRECT));
    if list_at <= u64::from(old.s_first_data_block) || list_at >= old.s_blocks_count {
        return Err(corrupt(format_args!("has its list in block {list_at}")));
    }
    let mut list = vec![0; new.block_len()];
    device.read_at(old.byte_of_block(list_at), &mut list)?;

    for index in reserve(old) {
        let place = place_in_list(old, index);
        let (listed, expected) = (le32(&list, place), reserved_block(old, index)?);
        if listed != expected {
            return Err(corrupt(format_args!("lists block {listed}, expected {expected}")));
        }
        if index < new.gdt_blocks() {
            put32(&mut list, place, 0);
        }
    }
    let backups = write_reserve(device, new)?;
    device.write_at(new.byte_of_block(list_at), &list)?;
    let blocks =
        u64::from(new.s_reserved_gdt_blocks).saturating_mul(backups.saturating_add(1)).saturating_add(1);
    let sectors = blocks.saturating_mul(u64::from(new.block_size / 512));
    let sectors = u32::try_from(sectors).map_err(|_| corrupt("would own too many blocks"))?;
    put32(&mut inode, BLOCKS_LOW, sectors);
    let mut inode = RawInode(inode);
    inode.stamp(new, RESIZE_INODE);
    device.write_at(inode_at, &inode.0)?;
    Ok(())
}

/// Writes the list of every block still in the reserve; gives the number of groups that each names.
fn write_reserve(device: &(impl BlockWrite + ?Sized), new: &Superblock) -> Result<u64, Error> {
    let backups: Vec<u32> = (1..new.group_count()).filter(|group| new.has_superblock(*group)).collect();
    if backups.len() > new.block_len() / 4 {
        return Err(Error::NoSpace(format!("{} backups of the superblock", backups.len())));
    }
    for index in reserve(new) {
        let block = reserved_block(new, index)?;
        let mut copies = vec![0; new.block_len()];
        for (group, entry) in backups.iter().zip((0_usize..).step_by(4)) {
            let copy = u64::from(*group) * u64::from(new.s_blocks_per_group) + u64::from(block);
            let copy = u32::try_from(copy).map_err(|_| corrupt("would own a block beyond 2^32"))?;
            put32(&mut copies, entry, copy);
        }
        device.write_at(new.byte_of_block(block.into()), &copies)?;
    }
    Ok(backups.len() as u64)
}

/// The reserved blocks, by their index in the table of descriptors.
fn reserve(superblock: &Superblock) -> Range<u32> {
    let first = superblock.gdt_blocks();
    first..first.saturating_add(superblock.s_reserved_gdt_blocks.into())
}

/// The block of group 0 with this index.
fn reserved_block(superblock: &Superblock, index: u32) -> Result<u32, Error> {
    let block = superblock.s_first_data_block.checked_add(1).and_then(|first| first.checked_add(index));
    block.ok_or_else(|| corrupt("reserves blocks beyond 2^32"))
}

/// The offset in the double-indirect block, in bytes.
fn place_in_list(superblock: &Superblock, index: u32) -> usize {
    let entries = superblock.block_len() / 4;
    usize::try_from(index).unwrap_or(0) % entries.max(1) * 4
}

fn corrupt(problem: impl std::fmt::Display) -> Error {
    Error::Corrupt(format!("the resize inode {problem}"))
}
