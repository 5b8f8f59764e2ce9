//! The order of the passes.

use super::allocation::Allocation;
use super::backups::check_backups;
use super::directories::check_directories;
use super::inodes::scan_inodes;
use crate::ext4::{Error, Reader};

/// What a file system holds that passed the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Block groups.
    pub groups: u32,
    /// Inodes in use, reserved ones included.
    pub used_inodes: u32,
    /// Directories among them.
    pub directories: u32,
    /// Blocks in use.
    pub used_blocks: u64,
    /// Blocks that are free.
    pub free_blocks: u64,
}

/// Verifies all metadata: checksums, and that blocks, inodes, names and counts agree with each other. Contents
/// of files are not read. Memory is a bit for every block and some bytes for every inode in use.
///
/// `progress` is told the work that is done and all the work there is, in steps of no particular size.
///
/// # Errors
/// [`Error::Corrupt`] with the first thing that is wrong and where; [`Error::Unsupported`] where the file
/// system was not left in a clean state or has features that the check does not follow.
pub fn check(reader: &Reader<'_>, progress: &mut dyn FnMut(u64, u64)) -> Result<Summary, Error> {
    let superblock = reader.superblock();
    superblock.features.require_checkable()?;
    reader.require_clean()?;
    check_backups(reader)?;
    let mut allocation = Allocation::of_metadata(reader)?;
    let groups = u64::from(superblock.group_count());
    // names are read group by group of their directories' inodes, hence twice the groups
    let total = groups * 2;
    let mut inodes = scan_inodes(reader, &mut allocation, &mut |group| progress(group, total))?;
    check_directories(reader, &mut inodes, &mut |group| progress(groups + group, total))?;
    inodes.check_links(superblock)?;
    allocation.check_bitmaps(&inodes)?;
    progress(total, total);
    Ok(Summary {
        groups: superblock.group_count(),
        used_inodes: superblock.s_inodes_count - superblock.s_free_inodes_count,
        directories: inodes.directories(),
        used_blocks: superblock.s_blocks_count - superblock.s_free_blocks_count,
        free_blocks: superblock.s_free_blocks_count,
    })
}
