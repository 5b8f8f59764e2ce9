//! The one door for fuzz targets into rooms that are private. No part of the interface: `tests/fuzz` alone uses it.

use std::io::Cursor;

/// Reads the index of a pack of cached frames: how many frames it lists, and the bytes they have.
///
/// # Errors
/// It is no pack, or was cut off or changed.
pub fn pack_index(pack: &[u8]) -> std::io::Result<(usize, u64)> {
    let entries = crate::image::frames::read_index(Cursor::new(pack), pack.len() as u64)?;
    Ok((entries.len(), entries.iter().map(|entry| u64::from(entry.length)).sum()))
}
