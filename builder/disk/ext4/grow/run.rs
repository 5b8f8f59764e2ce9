//! The order of growing.

use super::{geometry, groups, resize_inode};
use crate::block::BlockWrite;
use crate::ext4::group_desc::group_desc_table;
use crate::ext4::{Error, Reader, Superblock};

/// Makes the file system on `device` as long as fits into `len` bytes, and says how long it became.
///
/// Blocks that hold anything stay where they are; new groups hold their own metadata. A remainder too short
/// for a useful group is left unused. No clock is read or written, and what reads as zero is not written
/// where zero is wanted, so a sparse device stays sparse.
///
/// Where the file system cannot become longer nothing is written.
///
/// # Errors
/// [`Error::InvalidValue`] for a length below that of the file system (it never shrinks) or beyond the device;
/// [`Error::NoSpace`] where the format or the reserve for group descriptors ends before `len`, with the length
/// that is possible; [`Error::Unsupported`] and [`Error::Corrupt`] as for editing.
pub fn grow(device: &(impl BlockWrite + ?Sized), len: u64) -> Result<u64, Error> {
    let reader = Reader::open(device)?;
    reader.require_editable()?;
    let old = reader.superblock().clone();
    let mut descs = reader.groups().to_vec();
    drop(reader);
    let old_len = old.byte_of_block(old.s_blocks_count);
    if len < old_len {
        return Err(Error::InvalidValue(format!("{old_len} bytes in {len}; it never shrinks")));
    }
    if len > device.len() {
        return Err(Error::InvalidValue(format!("{len} bytes on a device of {}", device.len())));
    }
    let Some(mut new) = geometry::enlarge(&old, len)? else { return Ok(old_len) };
    let first = descs.first().ok_or_else(|| Error::Corrupt("there is no group".to_owned()))?;
    resize_inode::update(device, &old, &new, first)?;

    let completed = groups::complete_last(device, &old, &new, &mut descs)?;
    new.s_free_blocks_count = old.s_free_blocks_count.saturating_add(completed.into());
    for group in old.group_count()..new.group_count() {
        let desc = groups::make(device, &new, group)?;
        new.s_free_blocks_count = new.s_free_blocks_count.saturating_add(desc.bg_free_blocks_count.into());
        new.s_free_inodes_count = new.s_free_inodes_count.saturating_add(desc.bg_free_inodes_count);
        // 0 tells the kernel to count itself
        if old.s_overhead_clusters != 0 {
            let overhead = geometry::overhead(&new, group);
            new.s_overhead_clusters = new.s_overhead_clusters.saturating_add(overhead);
        }
        descs.push(desc);
    }
    let table = group_desc_table(&new, &descs);
    for group in (1..new.group_count()).filter(|group| new.has_superblock(*group)) {
        write_backup(device, &new, group, &table)?;
    }
    device.write_at(new.byte_of_block(u64::from(new.s_first_data_block).saturating_add(1)), &table)?;
    device.write_at(Superblock::OFFSET, &new.to_bytes())?;
    Ok(new.byte_of_block(new.s_blocks_count))
}

/// Writes the copies of the superblock and of the descriptors that `group` begins with.
fn write_backup(
    device: &(impl BlockWrite + ?Sized),
    superblock: &Superblock,
    group: u32,
    table: &[u8],
) -> Result<(), Error> {
    let mut copy = superblock.clone();
    // the field has 16 bits, the kernel fills it with the low ones
    let [low, high, ..] = group.to_le_bytes();
    copy.s_block_group_nr = u16::from_le_bytes([low, high]);
    let mut head = copy.to_bytes().to_vec();
    head.resize(superblock.block_len(), 0);
    head.extend_from_slice(table);
    device.write_at(superblock.byte_of_block(superblock.first_block_of(group)), &head)?;
    Ok(())
}
