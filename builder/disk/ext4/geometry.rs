//! The geometry that a superblock describes: blocks, groups, inodes, and what lies where.
//!
//! Format: kernel documentation, `filesystems/ext4/blockgroup.rst`. Calculations here need no check of their
//! own: `require_geometry` saw to it that none of them can overflow.

use super::Error;
use super::features::{compat, ro_compat};
use super::fields::le32;
use super::superblock::{Superblock, corrupt};

impl Superblock {
    /// Groups of blocks.
    pub fn group_count(&self) -> u32 {
        let blocks = self.s_blocks_count.saturating_sub(u64::from(self.s_first_data_block));
        u32::try_from(blocks.div_ceil(u64::from(self.s_blocks_per_group.max(1)))).unwrap_or(u32::MAX)
    }

    /// The first block of `group`.
    pub fn first_block_of(&self, group: u32) -> u64 {
        u64::from(self.s_first_data_block) + u64::from(group) * u64::from(self.s_blocks_per_group)
    }

    /// How many blocks `group` has; the last may have fewer than `s_blocks_per_group`.
    pub fn blocks_in(&self, group: u32) -> u32 {
        let rest = self.s_blocks_count.saturating_sub(self.first_block_of(group));
        u32::try_from(rest).map_or(self.s_blocks_per_group, |rest| rest.min(self.s_blocks_per_group))
    }

    /// The group of `block`; `None` for the block before the first group and behind the end.
    pub fn group_of_block(&self, block: u64) -> Option<u32> {
        if block >= self.s_blocks_count {
            return None;
        }
        let inside = block.checked_sub(u64::from(self.s_first_data_block))?;
        u32::try_from(inside / u64::from(self.s_blocks_per_group.max(1))).ok()
    }

    /// The group of inode `ino` and its index in there; `None` where there is no such inode.
    pub fn place_of_inode(&self, ino: u32) -> Option<(u32, u32)> {
        if ino > self.s_inodes_count {
            return None;
        }
        let index = ino.checked_sub(1)?;
        Some((index / self.s_inodes_per_group.max(1), index % self.s_inodes_per_group.max(1)))
    }

    /// Blocks of one group's inode table.
    pub fn inode_table_blocks(&self) -> u32 {
        let bytes = u64::from(self.s_inodes_per_group) * u64::from(self.s_inode_size);
        u32::try_from(bytes.div_ceil(u64::from(self.block_size))).unwrap_or(u32::MAX)
    }

    /// Blocks of the table of group descriptors, without the reserved ones behind it.
    pub fn gdt_blocks(&self) -> u32 {
        let bytes = u64::from(self.group_count()) * u64::from(self.desc_size);
        u32::try_from(bytes.div_ceil(u64::from(self.block_size))).unwrap_or(u32::MAX)
    }

    /// Whether `group` begins with a copy of the superblock and of the descriptors: all groups, or with
    /// `sparse_super` 0, 1 and the powers of 3, 5 and 7.
    pub fn has_superblock(&self, group: u32) -> bool {
        let power_of = |base: u32| {
            let mut power = base;
            while power < group {
                power = power.saturating_mul(base);
            }
            power == group
        };
        group <= 1
            || !self.features.has_ro_compat(ro_compat::SPARSE_SUPER)
            || [3, 5, 7].into_iter().any(power_of)
    }

    /// Blocks at the start of `group` for the superblock, the descriptors and the reserve behind them.
    pub fn base_overhead(&self, group: u32) -> u32 {
        if self.has_superblock(group) {
            1 + self.gdt_blocks() + u32::from(self.s_reserved_gdt_blocks)
        } else {
            0
        }
    }

    /// Refuses a geometry that contradicts itself, or in which a calculation could overflow.
    pub(super) fn require_geometry(&self) -> Result<(), Error> {
        let bits_per_block = self.block_size * 8;
        let wrong = |name: &str, value: u64| Err(corrupt(format_args!("`{name}` is {value}")));
        // clusters follow other rules than these, and would be taken for damage
        if self.features.has_ro_compat(ro_compat::BIGALLOC) {
            return Err(Error::Unsupported("`bigalloc`".to_owned()));
        }
        if self.s_first_data_block != u32::from(self.block_size == 1024) {
            return wrong("s_first_data_block", self.s_first_data_block.into());
        }
        let per_group = self.s_blocks_per_group;
        if !(256..=bits_per_block).contains(&per_group) || !per_group.is_multiple_of(8) {
            return wrong("s_blocks_per_group", per_group.into());
        }
        if !self.features.has_ro_compat(ro_compat::BIGALLOC)
            && (le32(&self.raw, 0x1c) != le32(&self.raw, 0x18) || le32(&self.raw, 0x24) != per_group)
        {
            return wrong("s_clusters_per_group", le32(&self.raw, 0x24).into());
        }
        let inode_size = u32::from(self.s_inode_size);
        if !inode_size.is_power_of_two() || !(128..=self.block_size).contains(&inode_size) {
            return wrong("s_inode_size", inode_size.into());
        }
        if !(1..=bits_per_block).contains(&self.s_inodes_per_group)
            || !self.s_inodes_per_group.is_multiple_of(8)
        {
            return wrong("s_inodes_per_group", self.s_inodes_per_group.into());
        }
        match self.desc_size {
            32 | 64 => {}
            128 | 256 | 512 | 1024 => {
                return Err(Error::Unsupported(format!("group descriptors of {} bytes", self.desc_size)));
            }
            other => return wrong("s_desc_size", other.into()),
        }
        // 2^31 groups of at least 256 blocks: far above what a device can hold, far below any overflow
        let groups =
            self.s_blocks_count.saturating_sub(self.s_first_data_block.into()) / u64::from(per_group);
        if self.s_blocks_count <= self.s_first_data_block.into() || groups >= 1 << 31 {
            return wrong("s_blocks_count", self.s_blocks_count);
        }
        let inodes = u64::from(self.group_count()) * u64::from(self.s_inodes_per_group);
        if u64::from(self.s_inodes_count) != inodes {
            return Err(corrupt(format_args!(
                "`s_inodes_count` is {}, but the groups have {inodes}",
                self.s_inodes_count
            )));
        }
        if inodes * u64::from(self.s_inode_size) > self.byte_of_block(self.s_blocks_count) {
            return wrong("s_inodes_count", self.s_inodes_count.into());
        }
        if self.s_first_ino < 11 || self.s_first_ino > self.s_inodes_count {
            return wrong("s_first_ino", self.s_first_ino.into());
        }
        if u64::from(self.s_reserved_gdt_blocks) > u64::from(self.block_size / 4) {
            return wrong("s_reserved_gdt_blocks", self.s_reserved_gdt_blocks.into());
        }
        if u64::from(self.base_overhead(0)) >= u64::from(self.blocks_in(0)) {
            return Err(corrupt("group 0 has no room behind the group descriptors"));
        }
        self.require_counts()
    }

    fn require_counts(&self) -> Result<(), Error> {
        let wrong = |name: &str, value: u64| Err(corrupt(format_args!("`{name}` is {value}")));
        if self.s_free_blocks_count > self.s_blocks_count {
            return wrong("s_free_blocks_count", self.s_free_blocks_count);
        }
        if self.s_r_blocks_count > self.s_blocks_count {
            return wrong("s_r_blocks_count", self.s_r_blocks_count);
        }
        if self.s_free_inodes_count > self.s_inodes_count {
            return wrong("s_free_inodes_count", self.s_free_inodes_count.into());
        }
        let journal = self.features.has_compat(compat::HAS_JOURNAL);
        if journal && (self.s_journal_inum == 0 || self.s_journal_inum > self.s_inodes_count) {
            return wrong("s_journal_inum", self.s_journal_inum.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext4::checksum::Seed;
    use crate::ext4::fields::put32;
    use crate::ext4::superblock::tests::raw_superblock;
    use proptest::prelude::*;

    #[test]
    fn geometry_of_a_good_superblock() {
        let superblock = Superblock::parse(&raw_superblock()).expect("a good superblock");
        assert_eq!(superblock.s_volume_name, b"rootfs");
        assert_eq!((superblock.block_size, superblock.desc_size), (4096, 32));
        assert_eq!(
            (superblock.group_count(), superblock.blocks_in(0), superblock.blocks_in(1)),
            (2, 32_768, 7_232)
        );
        assert_eq!(
            (superblock.gdt_blocks(), superblock.base_overhead(1), superblock.inode_table_blocks()),
            (1, 11, 512)
        );
        assert_eq!(superblock.group_of_block(32_768), Some(1));
        assert_eq!(superblock.group_of_block(40_000), None);
        assert_eq!(superblock.place_of_inode(8_193), Some((1, 0)));
        assert_eq!((superblock.place_of_inode(0), superblock.place_of_inode(16_385)), (None, None));
        assert_eq!(superblock.checksum_seed(), Seed::Crc32c(0x1234_5678));
        let with_copies: Vec<u32> = (0..30).filter(|group| superblock.has_superblock(*group)).collect();
        assert_eq!(with_copies, [0, 1, 3, 5, 7, 9, 25, 27]);
        assert!(superblock.require_clean().is_ok());
    }

    /// Offsets of the fields that geometry is made of.
    const FIELDS: [usize; 14] =
        [0x0, 0x4, 0x8, 0xc, 0x10, 0x14, 0x18, 0x20, 0x24, 0x28, 0x54, 0x58, 0xcc, 0xfc];

    proptest! {
        #[test]
        fn whatever_passes_can_be_calculated_with(
            changes in proptest::collection::vec((0..FIELDS.len(), prop_oneof![any::<u32>(), 0_u32..70_000]), 0..6),
            high in prop_oneof![Just(0_u32), any::<u32>()],
        ) {
            let mut raw = raw_superblock();
            // 64bit instead of checksums, so that the changes are looked at
            put32(&mut raw, 0x60, 0x2c0);
            put32(&mut raw, 0x64, 0x3);
            put32(&mut raw, 0xfc, 64 << 16);
            put32(&mut raw, 0x150, high);
            changes.iter().for_each(|(field, value)| put32(&mut raw, FIELDS[*field], *value));
            if let Ok(superblock) = Superblock::parse(&raw) {
                let last = superblock.group_count() - 1;
                prop_assert!(superblock.blocks_in(last) >= 1);
                prop_assert_eq!(superblock.group_of_block(superblock.s_blocks_count - 1), Some(last));
                prop_assert_eq!(superblock.place_of_inode(superblock.s_inodes_count).map(|place| place.0), Some(last));
                prop_assert!(superblock.base_overhead(0) < superblock.blocks_in(0));
                prop_assert!(superblock.byte_of_block(superblock.s_blocks_count) < u64::MAX);
                prop_assert_eq!(&Superblock::parse(&superblock.to_bytes()).expect("what was read"), &superblock);
            }
        }
    }
}
