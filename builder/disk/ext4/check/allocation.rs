//! Which blocks are in use, by whom, and whether the bitmaps and counts agree.

use super::inodes::Inodes;
use crate::ext4::bitmap::Bitmap;
use crate::ext4::features::incompat;
use crate::ext4::group_desc::{BLOCK_UNINIT, GroupDesc, INODE_UNINIT, bitmap_checksum};
use crate::ext4::{Error, Reader, Superblock};

/// The blocks in use, as the metadata that was met so far claims them.
pub(super) struct Allocation<'r> {
    reader: &'r Reader<'r>,
    /// A bit for every block from the first group on.
    used: Bitmap,
}

impl<'r> Allocation<'r> {
    /// Claims the superblocks, the descriptors, the bitmaps and the inode tables.
    pub(super) fn of_metadata(reader: &'r Reader<'r>) -> Result<Self, Error> {
        let superblock = reader.superblock();
        let mut allocation = Self { reader, used: Bitmap::new(superblock.s_blocks_count) };
        for (group, desc) in (0..).zip(reader.groups()) {
            let owner = format_args!("group {group}").to_string();
            if desc.has_stray_flags(superblock) {
                return Err(corrupt(group, "is marked as uninitialised, which needs group checksums"));
            }
            let overhead = superblock.base_overhead(group);
            if overhead > superblock.blocks_in(group) {
                return Err(corrupt(group, "is too small for its group descriptors"));
            }
            allocation.claim(superblock.first_block_of(group), overhead, &owner)?;
            allocation.claim_tables(group, desc, &owner)?;
        }
        Ok(allocation)
    }

    fn claim_tables(&mut self, group: u32, desc: &GroupDesc, owner: &str) -> Result<(), Error> {
        let superblock = self.reader.superblock();
        let areas = [
            (desc.bg_block_bitmap, 1),
            (desc.bg_inode_bitmap, 1),
            (desc.bg_inode_table, superblock.inode_table_blocks()),
        ];
        for (block, length) in areas {
            let last = block + u64::from(length.saturating_sub(1));
            let inside = |block| superblock.group_of_block(block) == Some(group);
            let anywhere = superblock.features.has_incompat(incompat::FLEX_BG);
            if !anywhere && (!inside(block) || !inside(last)) {
                return Err(corrupt(group, format_args!("has metadata in block {block} of another group")));
            }
            self.claim(block, length, owner)?;
        }
        Ok(())
    }

    fn claim(&mut self, block: u64, length: u32, owner: &str) -> Result<(), Error> {
        let first = u64::from(self.reader.superblock().s_first_data_block);
        for block in block..block + u64::from(length) {
            let fresh = block.checked_sub(first).is_some_and(|bit| self.used.set(bit));
            if !fresh {
                return Err(Error::Corrupt(format!("block {block} of {owner} is in use twice")));
            }
        }
        Ok(())
    }

    /// Claims blocks for inode `ino`.
    pub(super) fn claim_for_inode(&mut self, block: u64, length: u32, ino: u32) -> Result<(), Error> {
        let superblock = self.reader.superblock();
        let last = block + u64::from(length.saturating_sub(1));
        let (Some(first_group), Some(last_group)) =
            (superblock.group_of_block(block), superblock.group_of_block(last))
        else {
            return Err(Error::Corrupt(format!("inode {ino}: block {last} is outside of the file system")));
        };
        for group in first_group..=last_group {
            if self.desc(group)?.is_uninit(superblock, BLOCK_UNINIT) {
                return Err(corrupt(
                    group,
                    format_args!("has no block bitmap, but inode {ino} has blocks in it"),
                ));
            }
        }
        self.claim(block, length, &format!("inode {ino}"))
    }

    fn desc(&self, group: u32) -> Result<&'r GroupDesc, Error> {
        let desc = usize::try_from(group).ok().and_then(|group| self.reader.groups().get(group));
        desc.ok_or_else(|| corrupt(group, "does not exist"))
    }

    /// Compares bitmaps and counts with what is in use.
    pub(super) fn check_bitmaps(&self, inodes: &Inodes) -> Result<(), Error> {
        let superblock = self.reader.superblock();
        let (mut free_blocks, mut free_inodes) = (0_u64, 0_u64);
        for (group, desc) in (0..).zip(self.reader.groups()) {
            self.check_blocks(group, desc)?;
            self.check_inodes(group, desc, inodes)?;
            free_blocks += u64::from(desc.bg_free_blocks_count);
            free_inodes += u64::from(desc.bg_free_inodes_count);
        }
        let totals = [
            ("blocks", superblock.s_free_blocks_count, free_blocks),
            ("inodes", superblock.s_free_inodes_count.into(), free_inodes),
        ];
        for (what, stored, counted) in totals {
            if stored != counted {
                return Err(Error::Corrupt(format!(
                    "superblock: {stored} free {what}, but the groups have {counted}"
                )));
            }
        }
        Ok(())
    }

    fn check_blocks(&self, group: u32, desc: &GroupDesc) -> Result<(), Error> {
        let superblock = self.reader.superblock();
        let blocks = u64::from(superblock.blocks_in(group));
        let first = superblock.first_block_of(group);
        let used = self.used.part(first - u64::from(superblock.s_first_data_block), blocks);
        let free = blocks - used.count(blocks);
        if u64::from(desc.bg_free_blocks_count) != free {
            let stored = desc.bg_free_blocks_count;
            return Err(corrupt(group, format_args!("counts {stored} free blocks, but has {free}")));
        }
        if desc.is_uninit(superblock, BLOCK_UNINIT) {
            return Ok(());
        }
        let expected =
            bitmap_checksum_pair(superblock, superblock.s_blocks_per_group, desc.bg_block_bitmap_csum);
        let stored = self.bitmap(group, "block", desc.bg_block_bitmap, expected)?;
        if let Some(bit) = used.first_difference(&stored, blocks) {
            let (block, state) = (first + bit, state(&stored, bit));
            return Err(corrupt(
                group,
                format_args!("block {block} is {state} in the block bitmap, but is not"),
            ));
        }
        self.check_padding(group, "block", &stored, blocks)
    }

    fn check_inodes(&self, group: u32, desc: &GroupDesc, inodes: &Inodes) -> Result<(), Error> {
        let superblock = self.reader.superblock();
        let per_group = u64::from(superblock.s_inodes_per_group);
        let (used, directories) = inodes.used_in(superblock, group);
        let free = per_group - used.count(per_group);
        if u64::from(desc.bg_free_inodes_count) != free {
            let stored = desc.bg_free_inodes_count;
            return Err(corrupt(group, format_args!("counts {stored} free inodes, but has {free}")));
        }
        if desc.bg_used_dirs_count != directories {
            let stored = desc.bg_used_dirs_count;
            return Err(corrupt(group, format_args!("counts {stored} directories, but has {directories}")));
        }
        if desc.is_uninit(superblock, INODE_UNINIT) {
            return Ok(());
        }
        let expected =
            bitmap_checksum_pair(superblock, superblock.s_inodes_per_group, desc.bg_inode_bitmap_csum);
        let stored = self.bitmap(group, "inode", desc.bg_inode_bitmap, expected)?;
        if let Some(bit) = used.first_difference(&stored, per_group) {
            let (ino, state) = (u64::from(group) * per_group + bit + 1, state(&stored, bit));
            return Err(corrupt(
                group,
                format_args!("inode {ino} is {state} in the inode bitmap, but is not"),
            ));
        }
        self.check_padding(group, "inode", &stored, per_group)
    }

    fn bitmap(
        &self,
        group: u32,
        what: &str,
        block: u64,
        (bits, stored): (u32, u32),
    ) -> Result<Bitmap, Error> {
        let bytes = self.reader.read_block(block)?;
        if let Some(computed) = bitmap_checksum(self.reader.superblock(), bits, &bytes)
            && computed != stored
        {
            return Err(corrupt(
                group,
                format_args!(
                    "checksum of the {what} bitmap does not match (stored {stored:#x}, computed {computed:#x})"
                ),
            ));
        }
        Ok(Bitmap::from_bytes(bytes))
    }

    /// What lies behind the end of the group must look used, lest somebody allocates it.
    fn check_padding(&self, group: u32, what: &str, bitmap: &Bitmap, used: u64) -> Result<(), Error> {
        let all = u64::from(self.reader.superblock().block_size) * 8;
        match bitmap.first_clear(used, all) {
            Some(bit) => {
                Err(corrupt(group, format_args!("bit {bit} behind the end of the {what} bitmap is clear")))
            }
            None => Ok(()),
        }
    }
}

/// The bits that a bitmap's checksum covers, and the checksum cut to what its descriptor has room for.
fn bitmap_checksum_pair(superblock: &Superblock, bits: u32, stored: u32) -> (u32, u32) {
    (bits, if superblock.desc_size >= 64 { stored } else { stored & 0xffff })
}

fn state(bitmap: &Bitmap, bit: u64) -> &'static str {
    if bitmap.get(bit) { "used" } else { "free" }
}

fn corrupt(group: u32, problem: impl std::fmt::Display) -> Error {
    Error::Corrupt(format!("group {group}: {problem}"))
}
