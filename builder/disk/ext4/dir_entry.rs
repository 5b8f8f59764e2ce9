//! Directory blocks: the names in them and the checksum behind the names.
//!
//! Format: kernel documentation, `filesystems/ext4/directory.rst`, "Linear (Classic) Directories". Blocks of
//! the hash tree look like blocks with one unused entry, so that a reader that knows no trees passes over
//! them; their own contents are for [`dir_htree`](super::dir_htree).

use super::checksum::Seed;
use super::fields::{byte, le16, le32};

/// Length of the fields before the name, in bytes.
const HEADER_LEN: usize = 8;
/// Length of the checksum that is dressed up as the last entry.
pub(super) const TAIL_LEN: usize = 12;
/// `file_type` of the checksum.
const TAIL_FILE_TYPE: u8 = 0xde;

/// A name in a directory block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawEntry<'a> {
    /// Byte of the entry in its block.
    pub(super) offset: usize,
    /// Length of the entry with its padding, in bytes.
    pub(super) rec_len: usize,
    /// The inode, never 0.
    pub(super) inode: u32,
    /// The kind of file as [`Kind::file_type`](super::Kind::file_type) numbers it.
    pub(super) file_type: u8,
    /// The name.
    pub(super) name: &'a [u8],
    /// The byte behind the name; 0 behind `.` and `..`, anything elsewhere.
    pub(super) after_name: u8,
}

/// Verifies the checksum of a block of names.
pub(super) fn verify_leaf(block: &[u8], seed: Seed) -> Result<(), String> {
    let Some(start) = block.len().checked_sub(TAIL_LEN) else { return Err("is too short".to_owned()) };
    let Some(computed) = block.get(..start).and_then(|names| seed.with(names).value()) else { return Ok(()) };
    let is_tail = le32(block, start) == 0
        && usize::from(le16(block, start + 4)) == TAIL_LEN
        && byte(block, start + 6) == 0
        && byte(block, start + 7) == TAIL_FILE_TYPE;
    if !is_tail {
        return Err("has no checksum".to_owned());
    }
    let stored = le32(block, start + 8);
    if stored != computed {
        return Err(format!("checksum does not match (stored {stored:#010x}, computed {computed:#010x})"));
    }
    Ok(())
}

/// The names of a block, in order. Entries must follow each other without a gap to the end of the block.
pub(super) fn parse_entries(block: &[u8]) -> Result<Vec<RawEntry<'_>>, String> {
    let mut entries = Vec::new();
    let mut offset = 0;
    while offset < block.len() {
        let inode = le32(block, offset);
        let (rec_len, name_len) =
            (usize::from(le16(block, offset + 4)), usize::from(byte(block, offset + 6)));
        let file_type = byte(block, offset + 7);
        let bad_length = || format!("entry at byte {offset} has length {rec_len} with a name of {name_len}");
        if rec_len < HEADER_LEN + 4 || rec_len % 4 != 0 || rec_len > block.len() - offset {
            return Err(bad_length());
        }
        // the checksum is no entry, and nothing is to be said about what is left in an unused one
        if inode != 0 {
            let name = block.get(offset + HEADER_LEN..offset + HEADER_LEN + name_len);
            let name = name.filter(|_| HEADER_LEN + name_len <= rec_len).ok_or_else(bad_length)?;
            if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
                return Err(format!("entry at byte {offset} has the name `{}`", name.escape_ascii()));
            }
            let after_name = byte(block, offset + HEADER_LEN + name_len);
            entries.push(RawEntry { offset, rec_len, inode, file_type, name, after_name });
        }
        offset += rec_len;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext4::fields::{put, put16, put32};
    use proptest::prelude::*;

    /// Inode, length of the entry, name.
    type Entry<'a> = (u32, u16, &'a [u8]);

    fn block(entries: &[Entry<'_>]) -> Vec<u8> {
        let mut block = vec![0; 1024];
        let mut at = 0;
        for (inode, rec_len, name) in entries {
            put32(&mut block, at, *inode);
            put16(&mut block, at + 4, *rec_len);
            block[at + 6] = u8::try_from(name.len()).expect("a short name");
            put(&mut block, at + 8, name);
            at += usize::from(*rec_len);
        }
        block
    }

    #[test]
    fn unused_entries_are_passed_over() {
        let block = block(&[(2, 12, b"."), (0, 16, b"gone"), (12, 996, b"lost+found")]);
        let names: Vec<&[u8]> = parse_entries(&block).expect("a good block").iter().map(|e| e.name).collect();
        assert_eq!(names, [&b"."[..], b"lost+found"]);
    }

    #[test]
    fn broken_entries_are_told_by_their_place() {
        let table: [(&[Entry<'_>], &str); 6] = [
            (&[(2, 0, b".")], "entry at byte 0 has length 0 with a name of 1"),
            (&[(2, 12, b"."), (2, 1013, b"..")], "entry at byte 12 has length 1013 with a name of 2"),
            (&[(2, 12, b"."), (2, 1016, b"..")], "entry at byte 12 has length 1016 with a name of 2"),
            (&[(2, 12, b"12345")], "entry at byte 0 has length 12 with a name of 5"),
            (&[(2, 1024, b"")], "entry at byte 0 has the name ``"),
            (&[(2, 1024, b"a/b")], "entry at byte 0 has the name `a/b`"),
        ];
        for (entries, expected) in table {
            assert_eq!(parse_entries(&block(entries)), Err(expected.to_owned()));
        }
    }

    #[test]
    fn the_checksum_covers_every_byte_of_the_names() {
        let seed = Seed::Crc32c(5);
        let mut good = block(&[(2, 1012, b"."), (0, 12, b"")]);
        good[1019] = TAIL_FILE_TYPE;
        assert_eq!(verify_leaf(&good, Seed::None), Ok(()));
        let checksum = seed.with(&good[..1012]).value().expect("a checksum");
        put32(&mut good, 1020, checksum);
        assert_eq!(verify_leaf(&good, seed), Ok(()));
        for at in 0..good.len() {
            let mut flipped = good.clone();
            flipped[at] ^= 0x10;
            assert!(verify_leaf(&flipped, seed).is_err(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_names_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..1024)) {
            if let Ok(entries) = parse_entries(&bytes) {
                prop_assert!(entries.iter().all(|entry| entry.offset + entry.rec_len <= bytes.len()));
            }
            let _ = verify_leaf(&bytes, Seed::Crc32c(1));
        }
    }
}
