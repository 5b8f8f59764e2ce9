//! Which clusters belong to nothing: what a copy of the volume may leave as it finds it.

use std::ops::Range;

use super::boot_sector::BootSector;
use super::check::{check, read_table};
use super::error::Error;
use crate::block::BlockRead;

/// The bytes of all clusters that are free, in order; neighbours are one range. Whatever they hold, nobody reads it
/// before it was written: a directory is zeroed when it gets its cluster, and a file ends where its entry says.
///
/// # Errors
/// As [`check`]: the FAT of a broken volume is not to be trusted.
pub fn free_space(device: &dyn BlockRead) -> Result<Vec<Range<u64>>, Error> {
    check(device)?;
    let boot = BootSector::read(device)?;
    let table = read_table(device, &boot)?;
    let mut free: Vec<Range<u64>> = Vec::new();
    for (cluster, _) in (0..).zip(&table).filter(|(_, entry)| **entry == 0) {
        // entries 0 and 1 stand for no cluster
        let Some(start) = boot.cluster_offset(cluster) else { continue };
        let end = start.saturating_add(u64::from(boot.cluster_size));
        match free.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => free.push(start..end),
        }
    }
    Ok(free)
}
