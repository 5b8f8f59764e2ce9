//! The resize inode: it holds the blocks behind the group descriptors, so that nobody else takes them.
//!
//! Format: kernel documentation, `filesystems/ext4/special_inodes.rst`, and `fs/ext4/resize.c`. It has a single
//! double-indirect block. In there stand the reserved blocks of group 0, each where its number modulo the
//! entries of a block says; and each of those lists its copies in the groups that hold a backup.

use super::allocation::Allocation;
use crate::ext4::fields::le32;
use crate::ext4::inode::{EXTENTS_FL, corrupt};
use crate::ext4::{Error, Inode, Kind, Reader};

/// Word of the block map that holds the double-indirect block.
const DOUBLE_INDIRECT: usize = 13;

/// Verifies the structure, claims the one block that is in no group's reserve, and returns how many blocks the
/// inode has.
pub(super) fn check_resize_inode(
    reader: &Reader<'_>,
    inode: &Inode,
    allocation: &mut Allocation<'_>,
) -> Result<u64, Error> {
    let superblock = reader.superblock();
    let wrong = |problem: String| Err(corrupt(inode.ino, format_args!("resize inode: {problem}")));
    let word = |index: usize| le32(&inode.i_block, index * 4);
    let double_indirect = word(DOUBLE_INDIRECT);
    let others = (0..15).filter(|index| *index != DOUBLE_INDIRECT).any(|index| word(index) != 0);
    if inode.kind()? != Kind::Regular || inode.has_flag(EXTENTS_FL) || others || double_indirect == 0 {
        return wrong("has no double-indirect block or more than that".to_owned());
    }
    allocation.claim_for_inode(double_indirect.into(), 1, inode.ino)?;
    let map = reader.read_block(double_indirect.into())?;
    let per_block = superblock.block_size / 4;
    let backups: Vec<u32> =
        (1..superblock.group_count()).filter(|group| superblock.has_superblock(*group)).collect();
    let first = superblock.s_first_data_block + 1 + superblock.gdt_blocks();
    let reserved = u32::from(superblock.s_reserved_gdt_blocks);
    let mut expected_map = vec![0; per_block as usize];
    for index in 0..reserved {
        let slot = ((superblock.gdt_blocks() + index) % per_block) as usize;
        if let Some(entry) = expected_map.get_mut(slot) {
            *entry = first + index;
        }
        check_copies(reader, inode, first + index, &backups)?;
    }
    for (slot, expected) in expected_map.iter().enumerate() {
        let block = le32(&map, slot * 4);
        if block != *expected {
            return wrong(format!("entry {slot} is block {block} instead of {expected}"));
        }
    }
    Ok(1 + u64::from(reserved) * (1 + backups.len() as u64))
}

fn check_copies(reader: &Reader<'_>, inode: &Inode, block: u32, backups: &[u32]) -> Result<(), Error> {
    let superblock = reader.superblock();
    let copies = reader.read_block(block.into())?;
    let expected = backups
        .iter()
        .map(|group| u64::from(block) + u64::from(*group) * u64::from(superblock.s_blocks_per_group));
    let stored = copies.chunks_exact(4).map(|entry| u64::from(le32(entry, 0)));
    match expected.chain(std::iter::repeat(0)).zip(stored).find(|(expected, stored)| expected != stored) {
        Some((expected, stored)) => Err(corrupt(
            inode.ino,
            format_args!("resize inode: block {block} lists {stored} instead of {expected}"),
        )),
        None => Ok(()),
    }
}
