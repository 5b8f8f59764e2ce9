//! The copies of superblock and descriptors in other groups.
//!
//! The kernel does not keep them up to date, so only what cannot have changed is compared: the geometry, and
//! where bitmaps and tables lie.

use crate::ext4::fields::field;
use crate::ext4::group_desc::read_table;
use crate::ext4::{Error, Reader, SUPERBLOCK_LEN, Superblock};

/// Verifies every backup.
pub(super) fn check_backups(reader: &Reader<'_>) -> Result<(), Error> {
    let primary = reader.superblock();
    for group in (1..primary.group_count()).filter(|group| primary.has_superblock(*group)) {
        let mut raw = [0; SUPERBLOCK_LEN];
        reader.read_bytes(primary.byte_of_block(primary.first_block_of(group)), &mut raw)?;
        let backup = Superblock::parse(&raw).map_err(|error| match error {
            Error::Corrupt(problem) => corrupt(group, problem),
            Error::Unsupported(what) => corrupt(group, format_args!("superblock: has {what}")),
            other => other,
        })?;
        if geometry(&backup) != geometry(primary) {
            return Err(corrupt(group, "superblock: has another geometry than the primary one"));
        }
        if u32::from(backup.s_block_group_nr) != group {
            return Err(corrupt(
                group,
                format_args!("superblock: says that it is in group {}", backup.s_block_group_nr),
            ));
        }
        check_table(reader, group)?;
    }
    Ok(())
}

fn geometry(superblock: &Superblock) -> [u64; 10] {
    [
        superblock.s_blocks_count,
        superblock.s_inodes_count.into(),
        superblock.s_blocks_per_group.into(),
        superblock.s_inodes_per_group.into(),
        superblock.block_size.into(),
        superblock.s_inode_size.into(),
        superblock.desc_size.into(),
        superblock.s_reserved_gdt_blocks.into(),
        superblock.s_first_ino.into(),
        superblock.s_first_data_block.into(),
    ]
}

fn check_table(reader: &Reader<'_>, group: u32) -> Result<(), Error> {
    let superblock = reader.superblock();
    let table = read_table(reader.device(), superblock, group)?;
    for ((index, bytes), desc) in (0..).zip(table.chunks(superblock.desc_size.into())).zip(reader.groups()) {
        // the three places, low halves and high halves
        let low: [u8; 12] = field(bytes, 0x0);
        let high: [u8; 12] = field(bytes, 0x20);
        let primary = desc.to_bytes(superblock, index);
        if low != field(&primary, 0x0) || high != field(&primary, 0x20) {
            return Err(corrupt(group, format_args!("descriptor of group {index} has other places")));
        }
    }
    Ok(())
}

fn corrupt(group: u32, problem: impl std::fmt::Display) -> Error {
    Error::Corrupt(format!("backup in group {group}: {problem}"))
}
