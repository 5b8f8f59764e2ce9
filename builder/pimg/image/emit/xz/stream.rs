//! What stands around the blocks: stream header (section 2.1.1), index (4) and stream footer (2.1.2).

use std::io;

use super::block::{Check, crc32, put_number, take_number};

const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
const FOOTER_MAGIC: [u8; 2] = *b"YZ";

/// Bytes of a stream header, and of a footer.
pub(super) const ENDS: usize = 12;

/// A stream header.
pub(super) fn header(check: Check) -> Vec<u8> {
    let flags = [0, check as u8];
    [MAGIC.as_slice(), &flags, &crc32(&flags)].concat()
}

/// The index of these blocks (unpadded and raw length in bytes), and the footer.
///
/// # Errors
/// There are more blocks than the format can hold.
pub(super) fn index_and_footer(records: &[(u64, u64)], check: Check) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0];
    put_number(records.len() as u64, &mut bytes);
    for (unpadded, raw) in records {
        put_number(*unpadded, &mut bytes);
        put_number(*raw, &mut bytes);
    }
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend_from_slice(&crc32(&bytes));
    let backward = u32::try_from(bytes.len() / 4 - 1).map_err(io::Error::other)?;
    let fields = [backward.to_le_bytes().as_slice(), &[0, check as u8]].concat();
    bytes.extend_from_slice(&crc32(&fields));
    bytes.extend_from_slice(&fields);
    bytes.extend_from_slice(&FOOTER_MAGIC);
    Ok(bytes)
}

/// The check that a stream header names.
pub(super) fn read_header(header: &[u8]) -> Option<Check> {
    let (magic, rest) = header.split_first_chunk()?;
    let (flags, checksum) = rest.split_first_chunk::<2>()?;
    let check = Check::from_number(flags[1])?;
    (*magic == MAGIC && flags[0] == 0 && *checksum == crc32(flags)).then_some(check)
}

/// The length in bytes of the index before this footer.
pub(super) fn read_footer(footer: &[u8], check: Check) -> Option<u64> {
    let (checksum, rest) = footer.split_first_chunk()?;
    let (fields, magic) = rest.split_first_chunk::<6>()?;
    let (backward, flags) = fields.split_first_chunk()?;
    let is_good = crc32(fields) == *checksum && magic == FOOTER_MAGIC && flags == [0, check as u8];
    is_good.then(|| (u64::from(u32::from_le_bytes(*backward)) + 1) * 4)
}

/// The unpadded and raw lengths of all blocks.
pub(super) fn read_index(index: &[u8]) -> Option<Vec<(u64, u64)>> {
    let (fields, checksum) = index.split_last_chunk()?;
    let (indicator, mut rest) = fields.split_first()?;
    if crc32(fields) != *checksum || *indicator != 0 {
        return None;
    }
    // each record has two bytes at least: a number that lies asks for no memory
    let count = take_number(&mut rest).filter(|count| *count <= rest.len() as u64 / 2)?;
    (0..count).map(|_| Some((take_number(&mut rest)?, take_number(&mut rest)?))).collect()
}
