//! The superblock: geometry, features and state of an ext4 file system.
//!
//! Format: kernel documentation, `filesystems/ext4/super.rst`; fields keep the kernel's names. What `parse`
//! accepts has a geometry in which no later calculation can overflow: every block, group and inode number that
//! passes the bounds given here fits its type. `to_bytes` is the mirror of `parse`: all bytes of the original,
//! the fields that a growing file system changes, and a fresh checksum.

use super::Error;
use super::checksum::{Seed, crc32c};
use super::features::{Features, incompat, ro_compat};
use super::fields::{byte, field, halves, join, le16, le32, put16, put32};
use crate::block::BlockRead;

/// Length of a superblock in bytes; the primary one begins at byte [`Superblock::OFFSET`].
pub const SUPERBLOCK_LEN: usize = 1024;

const MAGIC: u16 = 0xef53;
/// `s_state`: unmounted properly.
const STATE_VALID: u16 = 1;
/// `s_state`: the kernel found errors.
const STATE_ERROR: u16 = 2;
/// `s_flags`: directory hashes treat bytes as signed.
const FLAGS_SIGNED_HASH: u32 = 1;
/// `s_flags`: directory hashes treat bytes as unsigned.
const FLAGS_UNSIGNED_HASH: u32 = 2;

/// A superblock whose checksum and geometry were checked.
///
/// The fields that can be assigned are those that growing and editing change; [`Superblock::to_bytes`] writes
/// them back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    pub(super) raw: [u8; SUPERBLOCK_LEN],
    /// Inodes in all groups.
    pub s_inodes_count: u32,
    /// Blocks of the file system, whether in a group or before the first.
    pub s_blocks_count: u64,
    /// Blocks that only root may use.
    pub s_r_blocks_count: u64,
    /// Blocks that are free.
    pub s_free_blocks_count: u64,
    /// Inodes that are free.
    pub s_free_inodes_count: u32,
    /// The group that this copy of the superblock lies in.
    pub s_block_group_nr: u16,
    /// Blocks kept behind the group descriptors, for more of them.
    pub s_reserved_gdt_blocks: u16,
    /// Blocks that can never hold data; 0 where unknown.
    pub s_overhead_clusters: u32,
    /// Feature bits.
    pub features: Features,
    /// Bytes in a block: 1024, 2048 or 4096.
    pub block_size: u32,
    /// The block that group 0 begins with: 1 with blocks of 1024 bytes, else 0.
    pub s_first_data_block: u32,
    /// Blocks in every group but the last.
    pub s_blocks_per_group: u32,
    /// Inodes in every group.
    pub s_inodes_per_group: u32,
    /// Bytes of an inode: a power of two from 128 to the block size.
    pub s_inode_size: u16,
    /// Bytes of a group descriptor: 32 or 64.
    pub desc_size: u16,
    /// The first inode that is not reserved.
    pub s_first_ino: u32,
    /// 0 or the inode of the journal.
    pub s_journal_inum: u32,
    /// 0 or the head of the list of orphan inodes.
    pub s_last_orphan: u32,
    /// 0 or the inode of the orphan file.
    pub s_orphan_file_inum: u32,
    /// Bits: 1 unmounted properly, 2 errors found, 4 orphans being recovered.
    pub s_state: u16,
    /// UUID of the file system.
    pub s_uuid: [u8; 16],
    /// Label, without the zeroes behind it.
    pub s_volume_name: Vec<u8>,
    /// Seed of directory hashes.
    pub s_hash_seed: [u32; 4],
    /// Hash version of new hash trees.
    pub s_def_hash_version: u8,
    /// Time of the last mount, in seconds since 1970.
    pub s_mtime: u32,
    /// Time of the last write, in seconds since 1970.
    pub s_wtime: u32,
}

impl Superblock {
    /// Where the primary superblock begins, in bytes.
    pub const OFFSET: u64 = 1024;

    /// Reads and checks the primary superblock of `device`.
    ///
    /// # Errors
    /// Those of [`Superblock::parse`]; [`Error::Corrupt`] where the device is shorter than the file system.
    pub fn read(device: &(impl BlockRead + ?Sized)) -> Result<Self, Error> {
        let mut bytes = [0; SUPERBLOCK_LEN];
        if device.len() < Self::OFFSET + 1024 {
            return Err(corrupt("the device is too short to hold one"));
        }
        device.read_at(Self::OFFSET, &mut bytes)?;
        let superblock = Self::parse(&bytes)?;
        let wanted = superblock.byte_of_block(superblock.s_blocks_count);
        if wanted > device.len() {
            return Err(corrupt(format_args!(
                "the file system has {wanted} bytes, but its partition or image only {}",
                device.len()
            )));
        }
        Ok(superblock)
    }

    /// Reads a superblock, primary or backup.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where there is none, its checksum is wrong or its geometry impossible;
    /// [`Error::Unsupported`] for features that even reading must know, and for block and descriptor sizes
    /// that Linux on the Raspberry Pi does not make.
    pub fn parse(raw: &[u8; SUPERBLOCK_LEN]) -> Result<Self, Error> {
        let s_magic = le16(raw, 0x38);
        if s_magic != MAGIC {
            return Err(corrupt(format_args!("found magic {s_magic:#06x}, expected {MAGIC:#06x}")));
        }
        let features =
            Features { compat: le32(raw, 0x5c), incompat: le32(raw, 0x60), ro_compat: le32(raw, 0x64) };
        if features.has_ro_compat(ro_compat::METADATA_CSUM) {
            verify_checksum(raw)?;
        } else if features.has_incompat(incompat::CSUM_SEED) {
            return Err(corrupt("`metadata_csum_seed` is set without `metadata_csum`"));
        }
        let s_rev_level = le32(raw, 0x4c);
        if s_rev_level != 1 {
            return Err(Error::Unsupported(format!("revision {s_rev_level} of the format")));
        }
        features.require_readable()?;
        let block_size = block_size(le32(raw, 0x18))?;
        let sixty_four = features.has_incompat(incompat::SIXTY_FOUR_BIT);
        let high = |offset| if sixty_four { le32(raw, offset) } else { 0 };
        let name: [u8; 16] = field(raw, 0x78);
        let superblock = Self {
            raw: *raw,
            s_inodes_count: le32(raw, 0x0),
            s_blocks_count: join(le32(raw, 0x4), high(0x150)),
            s_r_blocks_count: join(le32(raw, 0x8), high(0x154)),
            s_free_blocks_count: join(le32(raw, 0xc), high(0x158)),
            s_free_inodes_count: le32(raw, 0x10),
            s_block_group_nr: le16(raw, 0x5a),
            s_reserved_gdt_blocks: le16(raw, 0xce),
            s_overhead_clusters: le32(raw, 0x248),
            features,
            block_size,
            s_first_data_block: le32(raw, 0x14),
            s_blocks_per_group: le32(raw, 0x20),
            s_inodes_per_group: le32(raw, 0x28),
            s_inode_size: le16(raw, 0x58),
            desc_size: if sixty_four { le16(raw, 0xfe) } else { 32 },
            s_first_ino: le32(raw, 0x54),
            s_journal_inum: le32(raw, 0xe0),
            s_last_orphan: le32(raw, 0xe8),
            s_orphan_file_inum: le32(raw, 0x280),
            s_state: le16(raw, 0x3a),
            s_uuid: field(raw, 0x68),
            s_volume_name: name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec(),
            s_hash_seed: [0xec, 0xf0, 0xf4, 0xf8].map(|offset| le32(raw, offset)),
            s_def_hash_version: byte(raw, 0xfc),
            s_mtime: le32(raw, 0x2c),
            s_wtime: le32(raw, 0x30),
        };
        superblock.require_geometry()?;
        Ok(superblock)
    }

    /// The superblock as it stands on disk, with the assigned fields and a fresh checksum.
    pub fn to_bytes(&self) -> [u8; SUPERBLOCK_LEN] {
        let mut raw = self.raw;
        put32(&mut raw, 0x0, self.s_inodes_count);
        let counts = [
            (0x4, 0x150, self.s_blocks_count),
            (0x8, 0x154, self.s_r_blocks_count),
            (0xc, 0x158, self.s_free_blocks_count),
        ];
        for (low_offset, high_offset, count) in counts {
            let (low, high) = halves(count);
            put32(&mut raw, low_offset, low);
            if self.features.has_incompat(incompat::SIXTY_FOUR_BIT) {
                put32(&mut raw, high_offset, high);
            }
        }
        put32(&mut raw, 0x10, self.s_free_inodes_count);
        put16(&mut raw, 0x5a, self.s_block_group_nr);
        put16(&mut raw, 0xce, self.s_reserved_gdt_blocks);
        put32(&mut raw, 0x248, self.s_overhead_clusters);
        if self.features.has_ro_compat(ro_compat::METADATA_CSUM) {
            let checksum = crc32c(!0, raw.get(..0x3fc).unwrap_or_default());
            put32(&mut raw, 0x3fc, checksum);
        }
        raw
    }

    /// Bytes of a block, as an index.
    pub fn block_len(&self) -> usize {
        usize::try_from(self.block_size).unwrap_or(usize::MAX)
    }

    /// The byte that `block` begins at.
    pub fn byte_of_block(&self, block: u64) -> u64 {
        block.saturating_mul(u64::from(self.block_size))
    }

    /// What the checksums of all metadata start from.
    pub fn checksum_seed(&self) -> Seed {
        if !self.features.has_ro_compat(ro_compat::METADATA_CSUM) {
            return Seed::None;
        }
        if self.features.has_incompat(incompat::CSUM_SEED) {
            return Seed::Crc32c(le32(&self.raw, 0x270));
        }
        Seed::Crc32c(crc32c(!0, &self.s_uuid))
    }

    /// Whether directory hashes of this file system take bytes as unsigned (set when a machine whose `char` is
    /// unsigned, such as arm, mounted it first).
    pub fn hashes_unsigned(&self) -> bool {
        let s_flags = le32(&self.raw, 0x160);
        s_flags & FLAGS_UNSIGNED_HASH != 0 && s_flags & FLAGS_SIGNED_HASH == 0
    }

    /// Refuses a file system that was not left in a clean state: what the kernel would replay or repair at the
    /// next mount, an editor or a checker would take for the truth.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where a mount would put it right; [`Error::Corrupt`] where the kernel has
    /// recorded errors.
    pub fn require_clean(&self) -> Result<(), Error> {
        if self.s_state & STATE_ERROR != 0 {
            return Err(corrupt("the kernel recorded errors in this file system; run `e2fsck -f` on it"));
        }
        if self.features.has_incompat(incompat::RECOVER) {
            return Err(Error::Unsupported(DIRTY_JOURNAL.to_owned()));
        }
        if self.s_last_orphan != 0 || self.features.has_ro_compat(ro_compat::ORPHAN_PRESENT) {
            return Err(Error::Unsupported(
                "files that were deleted while in use are still to be freed; mount the image once or run \
                 `e2fsck -p` on it"
                    .to_owned(),
            ));
        }
        if self.s_state & STATE_VALID == 0 {
            return Err(Error::Unsupported(
                "it was not unmounted; mount and unmount it once or run `e2fsck -p` on it".to_owned(),
            ));
        }
        Ok(())
    }
}

/// What to say of a journal that must be replayed.
pub(crate) const DIRTY_JOURNAL: &str = "the journal holds changes that were never written back; mount the \
                                        image once or run `e2fsck -p` on it";

pub(super) fn corrupt(problem: impl std::fmt::Display) -> Error {
    Error::Corrupt(format!("superblock: {problem}"))
}

fn verify_checksum(raw: &[u8; SUPERBLOCK_LEN]) -> Result<(), Error> {
    let s_checksum_type = byte(raw, 0x175);
    if s_checksum_type != 1 {
        return Err(corrupt(format_args!("`s_checksum_type` is {s_checksum_type}")));
    }
    let (stored, computed) = (le32(raw, 0x3fc), crc32c(!0, raw.get(..0x3fc).unwrap_or_default()));
    if stored != computed {
        return Err(corrupt(format_args!(
            "checksum does not match (stored {stored:#010x}, computed {computed:#010x})"
        )));
    }
    Ok(())
}

fn block_size(s_log_block_size: u32) -> Result<u32, Error> {
    match s_log_block_size {
        0..=2 => Ok(1024 << s_log_block_size),
        3..=6 => Err(Error::Unsupported(format!("blocks of {} KiB", 1 << s_log_block_size))),
        other => Err(corrupt(format_args!("`s_log_block_size` is {other}"))),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The superblock of a Pi OS like file system of 40,000 blocks in two groups.
    pub(crate) fn raw_superblock() -> [u8; SUPERBLOCK_LEN] {
        let mut raw = [0; SUPERBLOCK_LEN];
        let fields = [
            (0x0, 16_384),
            (0x4, 40_000),
            (0x8, 2_000),
            (0xc, 30_000),
            (0x10, 16_000),
            (0x18, 2),
            (0x1c, 2),
            (0x20, 32_768),
            (0x24, 32_768),
            (0x28, 8_192),
            (0x38, 0x0001_ef53),
            (0x4c, 1),
            (0x54, 11),
            (0x58, 256),
            (0x5c, 0x103c),
            (0x60, 0x2242),
            (0x64, 0x463),
            (0xcc, 9 << 16),
            (0xe0, 8),
            (0x174, 0x0000_0104),
            (0x270, 0x1234_5678),
            (0x280, 12),
        ];
        fields.iter().for_each(|(offset, value)| put32(&mut raw, *offset, *value));
        raw[0x78..0x7e].copy_from_slice(b"rootfs");
        seal(raw)
    }

    fn seal(mut raw: [u8; SUPERBLOCK_LEN]) -> [u8; SUPERBLOCK_LEN] {
        let checksum = crc32c(!0, &raw[..0x3fc]);
        put32(&mut raw, 0x3fc, checksum);
        raw
    }

    fn with(offset: usize, value: u32) -> [u8; SUPERBLOCK_LEN] {
        let mut raw = raw_superblock();
        put32(&mut raw, offset, value);
        seal(raw)
    }

    fn message(raw: &[u8; SUPERBLOCK_LEN]) -> String {
        Superblock::parse(raw).expect_err("a damaged superblock").to_string()
    }

    #[test]
    fn writing_back_changes_nothing_but_what_was_assigned() {
        let raw = raw_superblock();
        let mut superblock = Superblock::parse(&raw).expect("a good superblock");
        assert_eq!(superblock.to_bytes(), raw);
        superblock.s_blocks_count = 41_000;
        assert_eq!(superblock.to_bytes(), with(0x4, 41_000));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let corrupt = |problem: &str| format!("corrupt ext4 file system: superblock: {problem}");
        let unsupported =
            |what: &str| format!("this ext4 file system uses a feature pimg cannot edit: {what}");
        let table = [
            (0x38, 0x1_0000, corrupt("found magic 0x0000, expected 0xef53")),
            (0x4c, 0, unsupported("revision 0 of the format")),
            (0x60, 0x2242 | 0x800, unsupported("`incompat 0x800`")),
            (0x18, 4, unsupported("blocks of 16 KiB")),
            (0x18, 70, corrupt("`s_log_block_size` is 70")),
            (0x14, 1, corrupt("`s_first_data_block` is 1")),
            (0x20, 0, corrupt("`s_blocks_per_group` is 0")),
            (0x20, 32_769, corrupt("`s_blocks_per_group` is 32769")),
            (0x24, 0, corrupt("`s_clusters_per_group` is 0")),
            (0x28, 0, corrupt("`s_inodes_per_group` is 0")),
            (0x58, 255, corrupt("`s_inode_size` is 255")),
            (0x58, 8_192, corrupt("`s_inode_size` is 8192")),
            (0x4, 0, corrupt("`s_blocks_count` is 0")),
            (0x0, 16_383, corrupt("`s_inodes_count` is 16383, but the groups have 16384")),
            (0x54, 2, corrupt("`s_first_ino` is 2")),
            (0xcc, 0xffff << 16, corrupt("`s_reserved_gdt_blocks` is 65535")),
            (0xc, 40_001, corrupt("`s_free_blocks_count` is 40001")),
            (0x10, 16_385, corrupt("`s_free_inodes_count` is 16385")),
            (0xe0, 0, corrupt("`s_journal_inum` is 0")),
            (0x174, 0, corrupt("`s_checksum_type` is 0")),
            (0x64, 0x63, corrupt("`metadata_csum_seed` is set without `metadata_csum`")),
        ];
        for (offset, value, expected) in table {
            assert_eq!(message(&with(offset, value)), expected);
        }
        let mut raw = raw_superblock();
        raw[0x3fc] ^= 1;
        assert!(message(&raw).starts_with(&corrupt("checksum does not match (stored 0x")));
    }

    #[test]
    fn a_state_that_is_not_clean_is_no_corruption() {
        let refusal = |offset, value| {
            let superblock = Superblock::parse(&with(offset, value)).expect("readable all the same");
            superblock.require_clean().expect_err("not clean")
        };
        let dirty = refusal(0x60, 0x2242 | incompat::RECOVER);
        assert!(matches!(&dirty, Error::Unsupported(what) if what.starts_with("the journal holds changes")));
        for (offset, value) in [(0x64, 0x463 | ro_compat::ORPHAN_PRESENT), (0xe8, 77), (0x38, 0xef53)] {
            assert!(matches!(refusal(offset, value), Error::Unsupported(_)));
        }
        assert!(matches!(refusal(0x38, 0x0003_ef53), Error::Corrupt(_)));
    }
}
