//! The journal, as far as it must be known to keep out of it: is there anything in it to be replayed?
//!
//! Format: kernel documentation, `filesystems/ext4/journal.rst`; the journal is big-endian. pimg neither
//! replays nor writes it. The file of orphan inodes stands here too: like the journal it is empty in a file
//! system that was unmounted properly.

use super::Error;
use super::block_map::{Piece, for_each_piece};
use super::checksum::{Seed, crc32c};
use super::features::compat;
use super::fields::{be32, byte, le32};
use super::inode::{Inode, Kind, corrupt};
use super::reader::Reader;
use super::superblock::DIRTY_JOURNAL;

/// Magic number of every block of the journal's own.
const MAGIC: u32 = 0xc03b_3998;
/// `h_blocktype` of the two versions of the superblock.
const SUPERBLOCK_V1: u32 = 3;
const SUPERBLOCK_V2: u32 = 4;
/// `s_feature_incompat`: checksums of version 2 or 3.
const INCOMPAT_CSUM: u32 = 0x8 | 0x10;
/// `s_feature_incompat`: revoke, 64bit, async_commit, csum_v2, csum_v3, fast_commit.
const KNOWN_INCOMPAT: u32 = 0x3f;
/// Magic number at the end of every block of the orphan file.
const ORPHAN_MAGIC: u32 = 0x0b10_ca04;
/// Length of the magic number and the checksum at the end of a block of the orphan file.
const ORPHAN_TAIL_LEN: usize = 8;

/// Verifies the superblock of a journal of `blocks` blocks and refuses one that must be replayed.
///
/// # Errors
/// [`Error::Corrupt`] where it is no journal; [`Error::Unsupported`] where it holds changes.
pub(super) fn require_clean_journal(block: &[u8], blocks: u64) -> Result<(), Error> {
    let problem = |problem: String| Error::Corrupt(format!("journal superblock: {problem}"));
    let (h_magic, h_blocktype) = (be32(block, 0x0), be32(block, 0x4));
    if h_magic != MAGIC || !matches!(h_blocktype, SUPERBLOCK_V1 | SUPERBLOCK_V2) {
        return Err(problem(format!(
            "found magic {h_magic:#010x} of type {h_blocktype}, expected {MAGIC:#010x}"
        )));
    }
    if h_blocktype == SUPERBLOCK_V2 {
        let s_feature_incompat = be32(block, 0x28);
        let unknown = s_feature_incompat & !KNOWN_INCOMPAT;
        if unknown != 0 {
            return Err(Error::Unsupported(format!("journal feature {unknown:#x}")));
        }
        if s_feature_incompat & INCOMPAT_CSUM != 0 {
            verify_checksum(block).map_err(problem)?;
        }
    }
    let (s_blocksize, s_maxlen, s_first) = (be32(block, 0xc), be32(block, 0x10), be32(block, 0x14));
    if usize::try_from(s_blocksize) != Ok(block.len()) {
        return Err(problem(format!("`s_blocksize` is {s_blocksize}")));
    }
    if u64::from(s_maxlen) > blocks || s_maxlen < 1024 || s_first == 0 || s_first >= s_maxlen {
        return Err(problem(format!("{s_maxlen} blocks from block {s_first} on, in a file of {blocks}")));
    }
    if be32(block, 0x20) != 0 {
        return Err(problem(format!("`s_errno` is {}", be32(block, 0x20).cast_signed())));
    }
    if be32(block, 0x1c) != 0 {
        return Err(Error::Unsupported(DIRTY_JOURNAL.to_owned()));
    }
    Ok(())
}

fn verify_checksum(block: &[u8]) -> Result<(), String> {
    let (Some(before), Some(after)) = (block.get(..0xfc), block.get(0x100..0x400)) else {
        return Err("is too short".to_owned());
    };
    let s_checksum_type = byte(block, 0x50);
    let (stored, computed) = (be32(block, 0xfc), crc32c(crc32c(crc32c(!0, before), &[0; 4]), after));
    if s_checksum_type != 4 || stored != computed {
        return Err(format!("checksum does not match (stored {stored:#010x}, computed {computed:#010x})"));
    }
    Ok(())
}

/// Verifies block `number` of the orphan file, whose inode has this `seed`, and refuses one with entries.
///
/// # Errors
/// [`Error::Corrupt`] where the block is broken; [`Error::Unsupported`] where it holds orphans.
pub(super) fn require_no_orphans(block: &[u8], number: u64, seed: Seed) -> Result<(), Error> {
    let problem = |problem: String| Error::Corrupt(format!("orphan file, block {number}: {problem}"));
    let Some((entries, tail)) = block.split_at_checked(block.len().saturating_sub(ORPHAN_TAIL_LEN)) else {
        return Err(problem("is too short".to_owned()));
    };
    let ob_magic = le32(tail, 0);
    if ob_magic != ORPHAN_MAGIC {
        return Err(problem(format!("found magic {ob_magic:#010x}, expected {ORPHAN_MAGIC:#010x}")));
    }
    let (stored, computed) = (le32(tail, 4), seed.with(&number.to_le_bytes()).with(entries).value());
    if let Some(computed) = computed.filter(|computed| *computed != stored) {
        return Err(problem(format!(
            "checksum does not match (stored {stored:#010x}, computed {computed:#010x})"
        )));
    }
    match entries.iter().any(|byte| *byte != 0) {
        true => Err(Error::Unsupported("the orphan file holds inodes that are still to be freed".to_owned())),
        false => Ok(()),
    }
}

/// Refuses a file system whose journal or orphan file has something in it.
///
/// # Errors
/// [`Error::Unsupported`] where it has; [`Error::Corrupt`] where one of the two is broken.
pub(super) fn require_nothing_pending(reader: &Reader<'_>) -> Result<(), Error> {
    let superblock = reader.superblock();
    if superblock.features.has_compat(compat::HAS_JOURNAL) {
        let journal = hidden_file(reader, superblock.s_journal_inum)?;
        let blocks = journal.size / u64::from(superblock.block_size);
        let mut block = vec![0; superblock.block_len()];
        reader.read_file(&journal, 0, &mut block)?;
        require_clean_journal(&block, blocks)?;
    }
    if superblock.features.has_compat(compat::ORPHAN_FILE) {
        let orphans = hidden_file(reader, superblock.s_orphan_file_inum)?;
        let mut found = 0;
        for_each_piece(reader, &orphans, &mut |piece| {
            let Piece::Data(extent) = piece else { return Ok(()) };
            found += u64::from(extent.length);
            (extent.start..extent.start + u64::from(extent.length))
                .try_for_each(|block| require_no_orphans(&reader.read_block(block)?, block, orphans.seed))
        })?;
        if found == 0 || found * u64::from(superblock.block_size) != orphans.size {
            return Err(corrupt(
                orphans.ino,
                format_args!("orphan file has {found} blocks, size {}", orphans.size),
            ));
        }
    }
    Ok(())
}

fn hidden_file(reader: &Reader<'_>, ino: u32) -> Result<Inode, Error> {
    let inode = reader.inode(ino)?;
    if inode.kind()? != Kind::Regular || inode.i_links_count == 0 {
        return Err(corrupt(ino, "the journal or the orphan file is no regular file"));
    }
    Ok(inode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext4::fields::{put, put32};
    use proptest::prelude::*;

    fn journal(fields: &[(usize, u32)]) -> Vec<u8> {
        let mut block = vec![0; 4096];
        let usual = [
            (0x0, MAGIC),
            (0x4, SUPERBLOCK_V2),
            (0xc, 4096),
            (0x10, 1024),
            (0x14, 1),
            (0x28, 0x12),
            (0x50, 4 << 24),
        ];
        usual.iter().chain(fields).for_each(|(offset, value)| put(&mut block, *offset, &value.to_be_bytes()));
        let checksum = crc32c(!0, &block[..0x400]);
        put(&mut block, 0xfc, &checksum.to_be_bytes());
        block
    }

    #[test]
    fn a_clean_journal_passes_and_a_dirty_one_is_no_corruption() {
        assert!(require_clean_journal(&journal(&[]), 1024).is_ok());
        let dirty = require_clean_journal(&journal(&[(0x1c, 5)]), 1024).expect_err("something to replay");
        assert!(matches!(&dirty, Error::Unsupported(what) if what == DIRTY_JOURNAL));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let table = [
            (journal(&[(0, 1)]), "found magic 0x00000001 of type 4, expected 0xc03b3998"),
            (journal(&[(0xc, 1024)]), "`s_blocksize` is 1024"),
            (journal(&[(0x10, 1025)]), "1025 blocks from block 1 on, in a file of 1024"),
            (journal(&[(0x20, 0xffff_fffb)]), "`s_errno` is -5"),
        ];
        for (block, expected) in table {
            let error = require_clean_journal(&block, 1024).expect_err(expected).to_string();
            assert_eq!(error, format!("corrupt ext4 file system: journal superblock: {expected}"));
        }
        let unknown = require_clean_journal(&journal(&[(0x28, 0x52)]), 1024).expect_err("unknown");
        assert!(matches!(&unknown, Error::Unsupported(what) if what == "journal feature 0x40"));
        let mut flipped = journal(&[]);
        flipped[0x30] ^= 1;
        let error = require_clean_journal(&flipped, 1024).expect_err("a flipped bit").to_string();
        assert!(error.contains("checksum does not match"), "{error}");
    }

    #[test]
    fn the_orphan_file_must_be_empty() {
        let seed = Seed::Crc32c(1);
        let block = |first: u32| {
            let mut block = vec![0; 4096];
            put32(&mut block, 0, first);
            put32(&mut block, 4088, ORPHAN_MAGIC);
            let checksum = seed.with(&77_u64.to_le_bytes()).with(&block[..4088]).value().expect("a checksum");
            put32(&mut block, 4092, checksum);
            block
        };
        assert!(require_no_orphans(&block(0), 77, seed).is_ok());
        assert!(matches!(require_no_orphans(&block(13), 77, seed), Err(Error::Unsupported(_))));
        assert!(matches!(require_no_orphans(&block(0), 78, seed), Err(Error::Corrupt(_))));
        assert!(matches!(require_no_orphans(&[0; 4096], 77, seed), Err(Error::Corrupt(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_pass_or_give_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            put(&mut bytes, 0, &MAGIC.to_be_bytes());
            let _ = require_clean_journal(&bytes, 7);
            let _ = require_no_orphans(&bytes, 7, Seed::Crc32c(1));
        }
    }
}
