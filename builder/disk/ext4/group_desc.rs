//! Group descriptors: where the bitmaps and the inode table of a block group lie, and what is free in it.
//!
//! Format: kernel documentation, `filesystems/ext4/group_descr.rst`. The table lies in the blocks behind the
//! superblock, one copy in every group that has a superblock.

use super::Error;
use super::checksum::{Seed, crc16, crc32c};
use super::features::ro_compat;
use super::fields::{halves, halves16, join, le16, le32, put16, put32};
use super::superblock::Superblock;
use crate::block::BlockRead;

/// `bg_flags`: the inode bitmap was never written, no inode is used.
pub const INODE_UNINIT: u16 = 1;
/// `bg_flags`: the block bitmap was never written, only metadata is used.
pub const BLOCK_UNINIT: u16 = 2;
/// `bg_flags`: the inode table is zeroed.
pub const INODE_ZEROED: u16 = 4;

/// Length of the longest descriptor in bytes.
const LONG_LEN: usize = 64;

/// The descriptor of one block group. Fields keep the kernel's names, with low and high halves joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDesc {
    raw: [u8; LONG_LEN],
    /// Block of the block bitmap.
    pub bg_block_bitmap: u64,
    /// Block of the inode bitmap.
    pub bg_inode_bitmap: u64,
    /// First block of the inode table.
    pub bg_inode_table: u64,
    /// Free blocks.
    pub bg_free_blocks_count: u32,
    /// Free inodes.
    pub bg_free_inodes_count: u32,
    /// Inodes that are directories.
    pub bg_used_dirs_count: u32,
    /// Inodes at the end of the table that were never used.
    pub bg_itable_unused: u32,
    /// [`INODE_UNINIT`], [`BLOCK_UNINIT`], [`INODE_ZEROED`].
    pub bg_flags: u16,
    /// CRC32C of the block bitmap; with 32-byte descriptors its low half.
    pub bg_block_bitmap_csum: u32,
    /// CRC32C of the inode bitmap; with 32-byte descriptors its low half.
    pub bg_inode_bitmap_csum: u32,
}

impl GroupDesc {
    /// A descriptor of a group that is to be, all zero.
    pub fn empty() -> Self {
        Self::from_raw([0; LONG_LEN])
    }

    /// Reads the descriptor of `group` out of its `desc_size` bytes and verifies its checksum.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the checksum does not match.
    pub fn parse(superblock: &Superblock, group: u32, bytes: &[u8]) -> Result<Self, Error> {
        let mut raw = [0; LONG_LEN];
        let size = usize::from(superblock.desc_size);
        match (raw.get_mut(..size), bytes.get(..size)) {
            (Some(target), Some(source)) => target.copy_from_slice(source),
            _ => return Err(corrupt(group, "is cut off")),
        }
        if let Some(computed) = checksum(superblock, group, &raw) {
            let stored = le16(&raw, 0x1e);
            if stored != computed {
                return Err(corrupt(
                    group,
                    format_args!("checksum does not match (stored {stored:#06x}, computed {computed:#06x})"),
                ));
            }
        }
        Ok(Self::from_raw(raw))
    }

    fn from_raw(raw: [u8; LONG_LEN]) -> Self {
        // the high halves read as zero where the descriptor has but 32 bytes
        let count = |low, high| u32::from(le16(&raw, high)) << 16 | u32::from(le16(&raw, low));
        Self {
            raw,
            bg_block_bitmap: join(le32(&raw, 0x0), le32(&raw, 0x20)),
            bg_inode_bitmap: join(le32(&raw, 0x4), le32(&raw, 0x24)),
            bg_inode_table: join(le32(&raw, 0x8), le32(&raw, 0x28)),
            bg_free_blocks_count: count(0xc, 0x2c),
            bg_free_inodes_count: count(0xe, 0x2e),
            bg_used_dirs_count: count(0x10, 0x30),
            bg_flags: le16(&raw, 0x12),
            bg_block_bitmap_csum: count(0x18, 0x38),
            bg_inode_bitmap_csum: count(0x1a, 0x3a),
            bg_itable_unused: count(0x1c, 0x32),
        }
    }

    /// The `desc_size` bytes of the descriptor of `group`, with the fields as they are now and a fresh
    /// checksum.
    pub fn to_bytes(&self, superblock: &Superblock, group: u32) -> Vec<u8> {
        let mut raw = self.raw;
        let blocks = [
            (0x0, 0x20, self.bg_block_bitmap),
            (0x4, 0x24, self.bg_inode_bitmap),
            (0x8, 0x28, self.bg_inode_table),
        ];
        for (low_offset, high_offset, block) in blocks {
            let (low, high) = halves(block);
            put32(&mut raw, low_offset, low);
            put32(&mut raw, high_offset, high);
        }
        let counts = [
            (0xc, 0x2c, self.bg_free_blocks_count),
            (0xe, 0x2e, self.bg_free_inodes_count),
            (0x10, 0x30, self.bg_used_dirs_count),
            (0x18, 0x38, self.bg_block_bitmap_csum),
            (0x1a, 0x3a, self.bg_inode_bitmap_csum),
            (0x1c, 0x32, self.bg_itable_unused),
        ];
        for (low_offset, high_offset, count) in counts {
            let (low, high) = halves16(count);
            put16(&mut raw, low_offset, low);
            put16(&mut raw, high_offset, high);
        }
        put16(&mut raw, 0x12, self.bg_flags);
        if let Some(checksum) = checksum(superblock, group, &raw) {
            put16(&mut raw, 0x1e, checksum);
        }
        raw.get(..usize::from(superblock.desc_size)).unwrap_or(&raw).to_vec()
    }

    /// Takes over the checksum of the bytes of a block bitmap (a whole block).
    pub fn set_block_bitmap_csum(&mut self, superblock: &Superblock, bitmap: &[u8]) {
        if let Some(csum) = bitmap_checksum(superblock, superblock.s_blocks_per_group, bitmap) {
            self.bg_block_bitmap_csum = csum;
        }
    }

    /// Takes over the checksum of the bytes of an inode bitmap (a whole block).
    pub fn set_inode_bitmap_csum(&mut self, superblock: &Superblock, bitmap: &[u8]) {
        if let Some(csum) = bitmap_checksum(superblock, superblock.s_inodes_per_group, bitmap) {
            self.bg_inode_bitmap_csum = csum;
        }
    }

    /// Whether `flag` is set and means something: without group checksums the kernel ignores `bg_flags`.
    pub fn is_uninit(&self, superblock: &Superblock, flag: u16) -> bool {
        has_checksums(superblock) && self.bg_flags & flag != 0
    }

    /// Inodes at the start of the table that may be used, where the kernel keeps count of that.
    pub fn initialised_inodes(&self, superblock: &Superblock) -> u32 {
        let all = superblock.s_inodes_per_group;
        if self.is_uninit(superblock, INODE_UNINIT) {
            return 0;
        }
        if has_checksums(superblock) { all.saturating_sub(self.bg_itable_unused) } else { all }
    }

    /// Whether flags are set that file systems without group checksums do not have.
    pub(super) fn has_stray_flags(&self, superblock: &Superblock) -> bool {
        let uninit = self.bg_flags & (INODE_UNINIT | BLOCK_UNINIT) != 0 || self.bg_itable_unused != 0;
        uninit && !has_checksums(superblock)
    }

    pub(super) fn require_places(&self, superblock: &Superblock, group: u32) -> Result<(), Error> {
        let table_blocks = u64::from(superblock.inode_table_blocks());
        let areas = [
            ("bg_block_bitmap", self.bg_block_bitmap, 1),
            ("bg_inode_bitmap", self.bg_inode_bitmap, 1),
            ("bg_inode_table", self.bg_inode_table, table_blocks),
        ];
        for (name, block, length) in areas {
            let end = block.checked_add(length).filter(|end| *end <= superblock.s_blocks_count);
            if block <= u64::from(superblock.s_first_data_block) || end.is_none() {
                return Err(corrupt(group, format_args!("`{name}` is block {block}")));
            }
        }
        let unused = self.bg_itable_unused;
        if has_checksums(superblock) && unused > superblock.s_inodes_per_group {
            return Err(corrupt(group, format_args!("`bg_itable_unused` is {unused}")));
        }
        Ok(())
    }
}

/// Whether descriptors have checksums, without which nobody trusts `bg_flags` and `bg_itable_unused`.
fn has_checksums(superblock: &Superblock) -> bool {
    superblock.features.has_ro_compat(ro_compat::METADATA_CSUM)
        || superblock.features.has_ro_compat(ro_compat::GDT_CSUM)
}

/// The checksum that a bitmap should have in its descriptor: of the first `bits` bits, cut to what the
/// descriptor has room for. `None` without `metadata_csum`.
pub fn bitmap_checksum(superblock: &Superblock, bits: u32, bitmap: &[u8]) -> Option<u32> {
    let bytes = usize::try_from(bits / 8).ok()?;
    let csum = superblock.checksum_seed().with(bitmap.get(..bytes)?).value()?;
    Some(if superblock.desc_size >= 64 { csum } else { csum & 0xffff })
}

/// Reads the descriptors of all groups from the primary table.
///
/// # Errors
/// [`Error::Corrupt`] for a wrong checksum or an area outside of the file system, with the group's number.
pub fn read_group_descs(
    device: &(impl BlockRead + ?Sized),
    superblock: &Superblock,
) -> Result<Vec<GroupDesc>, Error> {
    let table = read_table(device, superblock, 0)?;
    let mut groups = Vec::new();
    for (group, bytes) in (0..superblock.group_count()).zip(table.chunks(superblock.desc_size.into())) {
        let desc = GroupDesc::parse(superblock, group, bytes)?;
        desc.require_places(superblock, group)?;
        groups.push(desc);
    }
    Ok(groups)
}

/// The bytes of the table of descriptors that `group` holds a copy of, whole blocks.
pub(super) fn read_table(
    device: &(impl BlockRead + ?Sized),
    superblock: &Superblock,
    group: u32,
) -> Result<Vec<u8>, Error> {
    // at most a fourth of what the groups themselves hold, and those fit the device
    let length = superblock.byte_of_block(superblock.gdt_blocks().into());
    let mut table = vec![0; usize::try_from(length).map_err(|_| corrupt(group, "table is too long"))?];
    device.read_at(superblock.byte_of_block(superblock.first_block_of(group) + 1), &mut table)?;
    Ok(table)
}

/// The table of descriptors as it goes behind the superblock, zero-filled to whole blocks.
pub fn group_desc_table(superblock: &Superblock, groups: &[GroupDesc]) -> Vec<u8> {
    let mut table = Vec::new();
    for (group, desc) in (0..).zip(groups) {
        table.extend(desc.to_bytes(superblock, group));
    }
    table.resize(table.len().next_multiple_of(superblock.block_len()), 0);
    table
}

/// The checksum of a descriptor, leaving out the checksum field itself; `None` without checksums.
fn checksum(superblock: &Superblock, group: u32, raw: &[u8; LONG_LEN]) -> Option<u16> {
    let raw = raw.get(..usize::from(superblock.desc_size))?;
    let (before, after) = (raw.get(..0x1e)?, raw.get(0x20..)?);
    if let Seed::Crc32c(seed) = superblock.checksum_seed() {
        let csum = crc32c(seed, &group.to_le_bytes());
        let csum = crc32c(crc32c(crc32c(csum, before), &[0, 0]), after);
        return Some(halves16(csum).0);
    }
    if !superblock.features.has_ro_compat(ro_compat::GDT_CSUM) {
        return None;
    }
    let csum = crc16(crc16(!0, &superblock.s_uuid), &group.to_le_bytes());
    Some(crc16(crc16(csum, before), after))
}

fn corrupt(group: u32, problem: impl std::fmt::Display) -> Error {
    Error::Corrupt(format!("descriptor of group {group}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext4::superblock::tests::raw_superblock;

    fn superblock() -> Superblock {
        Superblock::parse(&raw_superblock()).expect("a good superblock")
    }

    #[test]
    fn a_descriptor_survives_writing_and_reading() {
        let superblock = superblock();
        let mut desc = GroupDesc::empty();
        desc.bg_block_bitmap = 11;
        desc.bg_inode_bitmap = 27;
        desc.bg_inode_table = 43;
        desc.bg_free_blocks_count = 30_000;
        desc.bg_itable_unused = 8_000;
        desc.bg_flags = INODE_ZEROED;
        let bytes = desc.to_bytes(&superblock, 1);
        assert_eq!(bytes.len(), 32);
        let read = GroupDesc::parse(&superblock, 1, &bytes).expect("what was written");
        assert_eq!(read.to_bytes(&superblock, 1), bytes);
        assert_eq!((read.bg_inode_table, read.bg_free_blocks_count), (43, 30_000));
        assert_eq!(read.initialised_inodes(&superblock), 192);
        assert!(read.require_places(&superblock, 1).is_ok());
    }

    #[test]
    fn every_flipped_bit_and_the_wrong_group_are_noticed() {
        let superblock = superblock();
        let bytes = GroupDesc::empty().to_bytes(&superblock, 1);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(GroupDesc::parse(&superblock, 1, &flipped).is_err(), "bit {bit}");
        }
        let error = GroupDesc::parse(&superblock, 0, &bytes).expect_err("the descriptor of another group");
        assert!(error.to_string().contains("descriptor of group 0: checksum does not match"), "{error}");
    }

    #[test]
    fn areas_outside_of_the_file_system_are_corrupt() {
        let superblock = superblock();
        let mut desc = GroupDesc::empty();
        (desc.bg_block_bitmap, desc.bg_inode_bitmap, desc.bg_inode_table) = (11, 12, 39_900);
        let error = desc.require_places(&superblock, 1).expect_err("a table that does not fit");
        assert!(
            error.to_string().ends_with("descriptor of group 1: `bg_inode_table` is block 39900"),
            "{error}"
        );
    }
}
