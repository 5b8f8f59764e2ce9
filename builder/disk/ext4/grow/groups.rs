//! Block groups: completing the old last one, and making new ones behind it.

use std::ops::Range;

use super::geometry::overhead;
use crate::block::BlockWrite;
use crate::ext4::bitmap::Bitmap;
use crate::ext4::features::ro_compat;
use crate::ext4::group_desc::{BLOCK_UNINIT, GroupDesc, INODE_UNINIT, INODE_ZEROED};
use crate::ext4::{Error, Superblock};

/// How much is compared with zero at a time, in bytes.
const PIECE: u64 = 1 << 20;

/// Gives the last of `groups` the blocks that it lacked. Returns how many became free.
pub(super) fn complete_last(
    device: &(impl BlockWrite + ?Sized),
    old: &Superblock,
    new: &Superblock,
    groups: &mut [GroupDesc],
) -> Result<u32, Error> {
    let group = old.group_count().saturating_sub(1);
    let (had, has) = (old.blocks_in(group), new.blocks_in(group));
    if had == has {
        return Ok(0);
    }
    let mut bitmap = block_bitmap(device, old, groups, group)?;
    (had..has).for_each(|bit| bitmap.clear(bit.into()));
    let Some(desc) = groups.last_mut() else { return Ok(0) };
    device.write_at(new.byte_of_block(desc.bg_block_bitmap), bitmap.as_bytes())?;
    desc.bg_flags &= !BLOCK_UNINIT;
    desc.bg_free_blocks_count = desc.bg_free_blocks_count.saturating_add(has - had);
    desc.set_block_bitmap_csum(new, bitmap.as_bytes());
    Ok(has - had)
}

/// The block bitmap of `group`, made up where it was never written.
fn block_bitmap(
    device: &(impl BlockWrite + ?Sized),
    superblock: &Superblock,
    groups: &[GroupDesc],
    group: u32,
) -> Result<Bitmap, Error> {
    let desc = usize::try_from(group).ok().and_then(|index| groups.get(index));
    let desc = desc.ok_or_else(|| Error::Corrupt(format!("there is no group {group}")))?;
    if !desc.is_uninit(superblock, BLOCK_UNINIT) {
        let mut bytes = vec![0; superblock.block_len()];
        device.read_at(superblock.byte_of_block(desc.bg_block_bitmap), &mut bytes)?;
        return Ok(Bitmap::from_bytes(bytes));
    }
    // a group without data: what is in use is its head, and metadata of any group that flex_bg put here
    let mut bitmap = Bitmap::new(bits_of_block(superblock).into());
    use_bits(&mut bitmap, 0..superblock.base_overhead(group));
    let first = superblock.first_block_of(group);
    for other in groups {
        for (block, count) in [
            (other.bg_block_bitmap, 1),
            (other.bg_inode_bitmap, 1),
            (other.bg_inode_table, superblock.inode_table_blocks()),
        ] {
            let inside = block.checked_sub(first).and_then(|bit| u32::try_from(bit).ok());
            if let Some(bit) = inside {
                use_bits(&mut bitmap, bit..bit.saturating_add(count));
            }
        }
    }
    use_bits(&mut bitmap, superblock.blocks_in(group)..bits_of_block(superblock));
    Ok(bitmap)
}

fn bits_of_block(superblock: &Superblock) -> u32 {
    superblock.block_size.saturating_mul(8)
}

/// Marks bits as in use; there are none behind the end.
fn use_bits(bitmap: &mut Bitmap, bits: Range<u32>) {
    bits.for_each(|bit| {
        bitmap.set(bit.into());
    });
}

/// Makes `group` with all its metadata inside, which every ext4 may have, `flex_bg` or not.
pub(super) fn make(
    device: &(impl BlockWrite + ?Sized),
    superblock: &Superblock,
    group: u32,
) -> Result<GroupDesc, Error> {
    let checked = superblock.features.has_ro_compat(ro_compat::METADATA_CSUM);
    let blocks = superblock.blocks_in(group);
    let used = overhead(superblock, group);
    let mut desc = GroupDesc::empty();
    desc.bg_block_bitmap =
        superblock.first_block_of(group).saturating_add(superblock.base_overhead(group).into());
    desc.bg_inode_bitmap = desc.bg_block_bitmap.saturating_add(1);
    desc.bg_inode_table = desc.bg_block_bitmap.saturating_add(2);
    desc.bg_free_blocks_count = blocks.saturating_sub(used);
    desc.bg_free_inodes_count = superblock.s_inodes_per_group;

    let mut bitmap = Bitmap::new(bits_of_block(superblock).into());
    use_bits(&mut bitmap, 0..used);
    use_bits(&mut bitmap, blocks..bits_of_block(superblock));
    device.write_at(superblock.byte_of_block(desc.bg_block_bitmap), bitmap.as_bytes())?;
    desc.set_block_bitmap_csum(superblock, bitmap.as_bytes());

    if checked {
        // nobody reads the bitmap of a table that was never used; what is not written stays a hole
        desc.bg_flags = INODE_UNINIT | INODE_ZEROED;
        desc.bg_itable_unused = superblock.s_inodes_per_group;
    } else {
        let mut inodes = Bitmap::new(bits_of_block(superblock).into());
        use_bits(&mut inodes, superblock.s_inodes_per_group..bits_of_block(superblock));
        device.write_at(superblock.byte_of_block(desc.bg_inode_bitmap), inodes.as_bytes())?;
    }
    let first = if checked { desc.bg_inode_bitmap } else { desc.bg_inode_table };
    let end = desc.bg_inode_table.saturating_add(superblock.inode_table_blocks().into());
    zero(device, superblock.byte_of_block(first), superblock.byte_of_block(end))?;
    Ok(desc)
}

/// Makes the bytes from `start` to `end` zero, writing only where they are not.
fn zero(device: &(impl BlockWrite + ?Sized), start: u64, end: u64) -> Result<(), Error> {
    let mut offset = start;
    while let Some(data) = device.next_data(offset)?.filter(|data| data.start < end) {
        offset = data.start.max(offset);
        let piece = data.end.min(end).min(offset.saturating_add(PIECE));
        let mut bytes = vec![0; usize::try_from(piece.saturating_sub(offset)).unwrap_or(0)];
        device.read_at(offset, &mut bytes)?;
        if bytes.iter().any(|byte| *byte != 0) {
            bytes.fill(0);
            device.write_at(offset, &bytes)?;
        }
        if piece <= offset {
            return Err(Error::Io(std::io::Error::other("the device reports data of no length")));
        }
        offset = piece;
    }
    Ok(())
}
