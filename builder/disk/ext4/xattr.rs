//! Extended attributes, in the inode and in a block of their own.
//!
//! Format: kernel documentation, `filesystems/ext4/attributes.rst`. Names are stored with a number for their
//! prefix and are given here as `getfattr` shows them; POSIX ACLs are given in the form of the system calls
//! (version 2), which differs from the one on disk.

use super::checksum::Seed;
use super::fields::{byte, le16, le32};

/// Magic number of both kinds of area.
const MAGIC: u32 = 0xea02_0000;
/// Length of the header of a block, in bytes; in an inode there is only the magic number.
const BLOCK_HEADER_LEN: usize = 32;
/// Length of an entry without its name, in bytes.
const ENTRY_LEN: usize = 16;

/// An extended attribute: full name and value.
pub type Xattr = (Vec<u8>, Vec<u8>);

/// Reads the attributes behind the fields of an inode; an area without the magic number holds none.
pub(super) fn parse_inode_area(area: &[u8]) -> Result<Vec<Xattr>, String> {
    match area.get(4..) {
        Some(entries) if le32(area, 0) == MAGIC => parse_entries(entries, 0, false),
        _ => Ok(Vec::new()),
    }
}

/// The number of inodes that share a block of attributes.
pub(super) fn block_refcount(block: &[u8]) -> u32 {
    le32(block, 4)
}

/// Reads a block of attributes, `number` being its place, and verifies its checksum.
pub(super) fn parse_block(block: &[u8], number: u64, seed: Seed) -> Result<Vec<Xattr>, String> {
    let (h_magic, h_blocks) = (le32(block, 0), le32(block, 8));
    if h_magic != MAGIC || h_blocks != 1 {
        return Err(format!(
            "found magic {h_magic:#010x} and {h_blocks} blocks, expected {MAGIC:#010x} and 1"
        ));
    }
    let seed = seed.with(&number.to_le_bytes());
    let computed = match (block.get(..0x10), block.get(0x14..)) {
        (Some(before), Some(after)) => seed.with(before).with(&[0; 4]).with(after).value(),
        _ => return Err("is too short".to_owned()),
    };
    let stored = le32(block, 0x10);
    if let Some(computed) = computed.filter(|computed| *computed != stored) {
        return Err(format!("checksum does not match (stored {stored:#010x}, computed {computed:#010x})"));
    }
    parse_entries(block, BLOCK_HEADER_LEN, true)
}

/// Reads entries from byte `first` of `area` on; their values lie at offsets from the start of `area`.
fn parse_entries(area: &[u8], first: usize, in_block: bool) -> Result<Vec<Xattr>, String> {
    let mut xattrs = Vec::new();
    let mut values = Vec::new();
    let mut at = first;
    loop {
        let word = area.get(at..at + 4).ok_or("list of attributes does not end")?;
        if word == [0; 4] {
            break;
        }
        let (name_len, name_index) = (usize::from(byte(area, at)), byte(area, at + 1));
        let name = area.get(at + ENTRY_LEN..at + ENTRY_LEN + name_len);
        let name = name.ok_or("name of an attribute is cut off")?;
        let full_name = [prefix(name_index).ok_or(format!("prefix {name_index} is unknown"))?, name].concat();
        let shown = full_name.escape_ascii();
        if le32(area, at + 4) != 0 {
            return Err(format!("value of `{shown}` lies in an inode of its own"));
        }
        let (offset, size) = (usize::from(le16(area, at + 2)), le32(area, at + 8));
        let end = usize::try_from(size).ok().and_then(|size| offset.checked_add(size));
        let value =
            end.and_then(|end| area.get(offset..end)).ok_or(format!("value of `{shown}` is cut off"))?;
        if let Some(end) = end.filter(|end| *end > offset) {
            values.push((offset, end.next_multiple_of(4)));
        }
        let e_hash = le32(area, at + 12);
        // the kernel gives values in the inode no hash, other writers do
        if (in_block || e_hash != 0) && !hash_matches(e_hash, name, value) {
            return Err(format!("hash of `{shown}` does not match"));
        }
        xattrs.push((full_name, value.to_vec()));
        at += (ENTRY_LEN + name_len).next_multiple_of(4);
    }
    values.push((first, at + 4));
    values.sort_unstable();
    if values.iter().zip(values.iter().skip(1)).any(|(this, next)| this.1 > next.0) {
        return Err("values of attributes overlap".to_owned());
    }
    xattrs
        .into_iter()
        .map(|(name, value)| to_system_call_form(&name, value).map(|value| (name, value)))
        .collect()
}

fn prefix(name_index: u8) -> Option<&'static [u8]> {
    Some(match name_index {
        0 => b"",
        1 => b"user.",
        2 => b"system.posix_acl_access",
        3 => b"system.posix_acl_default",
        4 => b"trusted.",
        5 => b"lustre.",
        6 => b"security.",
        7 => b"system.",
        8 => b"system.richacl",
        _ => return None,
    })
}

/// Whether `e_hash` is the hash of name and value; older machines took the bytes of the name as unsigned.
fn hash_matches(e_hash: u32, name: &[u8], value: &[u8]) -> bool {
    let of_name =
        |widen: fn(u8) -> u32| name.iter().fold(0_u32, |hash, byte| hash.rotate_left(5) ^ widen(*byte));
    let with_value = |hash: u32| {
        value.chunks(4).fold(hash, |hash, word| {
            let mut padded = [0; 4];
            padded.iter_mut().zip(word).for_each(|(target, source)| *target = *source);
            hash.rotate_left(16) ^ u32::from_le_bytes(padded)
        })
    };
    e_hash == with_value(of_name(u32::from))
        || e_hash == with_value(of_name(|byte| i32::from(byte.cast_signed()).cast_unsigned()))
}

/// ACLs from the form on disk (version 1, identifiers only where one belongs) to that of the system calls.
fn to_system_call_form(name: &[u8], value: Vec<u8>) -> Result<Vec<u8>, String> {
    if !name.starts_with(b"system.posix_acl_") || value.is_empty() {
        return Ok(value);
    }
    if le32(&value, 0) != 1 {
        return Err(format!("ACL has version {}", le32(&value, 0)));
    }
    let mut acl = 2_u32.to_le_bytes().to_vec();
    let mut at = 4;
    while at < value.len() {
        let e_tag = le16(&value, at);
        // ACL_USER and ACL_GROUP name somebody
        let length = if matches!(e_tag, 2 | 8) { 8 } else { 4 };
        let entry = value.get(at..at + length).ok_or("ACL is cut off")?;
        acl.extend_from_slice(entry);
        if length == 4 {
            acl.extend_from_slice(&[0xff; 4]);
        }
        at += length;
    }
    Ok(acl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext4::fields::{put, put16, put32};
    use proptest::prelude::*;

    /// An area in an inode with one attribute, its value at the end.
    fn area(name_index: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
        let mut area = vec![0; 96];
        put32(&mut area, 0, MAGIC);
        (area[4], area[5]) = (u8::try_from(name.len()).expect("short"), name_index);
        let offset = (92 - value.len()) & !3;
        put16(&mut area, 6, u16::try_from(offset).expect("small"));
        put32(&mut area, 12, u32::try_from(value.len()).expect("small"));
        put(&mut area, 20, name);
        put(&mut area, 4 + offset, value);
        area
    }

    #[test]
    fn names_are_given_in_full() {
        let xattrs = parse_inode_area(&area(6, b"capability", b"12345")).expect("a good area");
        assert_eq!(xattrs, [(b"security.capability".to_vec(), b"12345".to_vec())]);
        assert_eq!(parse_inode_area(&[0; 96]), Ok(vec![]));
        assert_eq!(parse_inode_area(&[]), Ok(vec![]));
    }

    #[test]
    fn an_acl_is_given_as_the_system_calls_do() {
        let on_disk = [1, 0, 0, 0, 1, 0, 6, 0, 2, 0, 4, 0, 0xe8, 3, 0, 0];
        let xattrs = parse_inode_area(&area(2, b"", &on_disk)).expect("a good area");
        let expected = [2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0xe8, 3, 0, 0];
        assert_eq!(xattrs, [(b"system.posix_acl_access".to_vec(), expected.to_vec())]);
    }

    #[test]
    fn broken_areas_are_refused() {
        let mut cut_off = area(1, b"a", b"1234");
        put32(&mut cut_off, 12, 5);
        assert_eq!(parse_inode_area(&cut_off), Err("value of `user.a` is cut off".to_owned()));
        let mut overlap = area(1, b"a", b"1234");
        put16(&mut overlap, 6, 16);
        assert_eq!(parse_inode_area(&overlap), Err("values of attributes overlap".to_owned()));
        let mut hashed = area(1, b"a", b"1234");
        put32(&mut hashed, 16, 1);
        assert_eq!(parse_inode_area(&hashed), Err("hash of `user.a` does not match".to_owned()));
        let error = parse_block(&[0; 1024], 7, Seed::None).expect_err("no magic number");
        assert!(error.starts_with("found magic 0x00000000"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_give_attributes_or_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 40..512)) {
            put32(&mut bytes, 0, MAGIC);
            let _ = parse_inode_area(&bytes);
            put32(&mut bytes, 8, 1);
            let _ = parse_block(&bytes, 7, Seed::None);
        }
    }
}
