//! Inodes: what the file system knows of a file but its names and its bytes.
//!
//! Format: kernel documentation, `filesystems/ext4/inodes.rst`; fields keep the kernel's names.

use super::Error;
use super::checksum::Seed;
use super::features::{incompat, ro_compat};
use super::fields::{field, halves16, join, le16, le32};
use super::superblock::Superblock;

/// `i_flags`: a directory with a hash tree.
pub const INDEX_FL: u32 = 0x1000;
/// `i_flags`: `i_blocks` counts blocks of the file system, not sectors.
pub const HUGE_FILE_FL: u32 = 0x4_0000;
/// `i_flags`: blocks are found by extents.
pub const EXTENTS_FL: u32 = 0x8_0000;
/// `i_flags`: the inode holds a long attribute value.
pub const EA_INODE_FL: u32 = 0x20_0000;
/// `i_flags`: the data lies in the inode.
pub const INLINE_DATA_FL: u32 = 0x1000_0000;
/// `i_flags`: encrypted.
pub const ENCRYPT_FL: u32 = 0x800;

/// Length of the part of an inode that every revision has, in bytes.
const GOOD_OLD_LEN: usize = 128;

/// What kind of file an inode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A symbolic link.
    Symlink,
}

impl Kind {
    /// The kind that the upper bits of `i_mode` tell.
    pub fn of_mode(i_mode: u16) -> Option<Self> {
        Some(match i_mode & 0xf000 {
            0x1000 => Self::Fifo,
            0x2000 => Self::CharDevice,
            0x4000 => Self::Directory,
            0x6000 => Self::BlockDevice,
            0x8000 => Self::Regular,
            0xa000 => Self::Symlink,
            0xc000 => Self::Socket,
            _ => return None,
        })
    }

    /// The byte that stands for the kind in a directory entry.
    pub fn file_type(self) -> u8 {
        match self {
            Self::Regular => 1,
            Self::Directory => 2,
            Self::CharDevice => 3,
            Self::BlockDevice => 4,
            Self::Fifo => 5,
            Self::Socket => 6,
            Self::Symlink => 7,
        }
    }

    /// The letter of `ls -l`.
    pub fn letter(self) -> char {
        match self {
            Self::Regular => '-',
            Self::Directory => 'd',
            Self::CharDevice => 'c',
            Self::BlockDevice => 'b',
            Self::Fifo => 'p',
            Self::Socket => 's',
            Self::Symlink => 'l',
        }
    }
}

/// A time of an inode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds; 0 in small inodes.
    pub nanoseconds: u32,
}

impl Timestamp {
    fn new(seconds: u32, extra: u32) -> Self {
        // two bits of `extra` prolong the signed seconds past 2038, the rest are nanoseconds
        let seconds = i64::from(seconds.cast_signed()) + (i64::from(extra & 3) << 32);
        Self { seconds, nanoseconds: extra >> 2 }
    }
}

/// An inode whose checksum was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inode {
    /// Number of the inode.
    pub ino: u32,
    /// Kind and permissions, as stored.
    pub i_mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Names of the inode; 0 where it is not in use.
    pub i_links_count: u16,
    /// Sectors of 512 bytes that belong to the inode, its metadata included.
    pub sectors: u64,
    /// Flags such as [`EXTENTS_FL`].
    pub i_flags: u32,
    /// Distinguishes successive uses of one number.
    pub i_generation: u32,
    /// 0 or the block of further extended attributes.
    pub i_file_acl: u64,
    /// Time of deletion, in seconds since 1970; 0 in a file that is in use.
    pub i_dtime: u32,
    /// Time of the last access.
    pub atime: Timestamp,
    /// Time of the last change of the inode.
    pub ctime: Timestamp,
    /// Time of the last change of the contents.
    pub mtime: Timestamp,
    /// Time of creation; zero in small inodes.
    pub crtime: Timestamp,
    /// Extent root, block map, device number or short symbolic link.
    pub i_block: [u8; 60],
    /// The area behind the fields of a large inode, for extended attributes.
    pub(super) extra: Vec<u8>,
    pub(super) seed: Seed,
    sectors_huge: bool,
}

impl Inode {
    /// Reads inode `ino` out of its `s_inode_size` bytes and verifies the checksum.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the checksum or `i_extra_isize` is wrong.
    pub fn parse(superblock: &Superblock, ino: u32, raw: &[u8]) -> Result<Self, Error> {
        if raw.len() != usize::from(superblock.s_inode_size) {
            return Err(corrupt(ino, format_args!("has {} bytes", raw.len())));
        }
        verify_checksum(superblock, ino, raw)?;
        let i_extra_isize = extra_isize(raw);
        let fields_end = GOOD_OLD_LEN + i_extra_isize;
        if fields_end > raw.len() || !i_extra_isize.is_multiple_of(4) {
            return Err(corrupt(ino, format_args!("`i_extra_isize` is {i_extra_isize}")));
        }
        let extra_field = |offset: usize| if offset + 4 <= fields_end { le32(raw, offset) } else { 0 };
        let time = |offset, extra| Timestamp::new(le32(raw, offset), extra_field(extra));
        let id = |low, high| u32::from(le16(raw, high)) << 16 | u32::from(le16(raw, low));
        let (i_mode, i_flags) = (le16(raw, 0x0), le32(raw, 0x20));
        let has_size_high = Kind::of_mode(i_mode) == Some(Kind::Regular)
            || superblock.features.has_incompat(incompat::LARGEDIR);
        let huge = superblock.features.has_ro_compat(ro_compat::HUGE_FILE);
        let i_blocks = join(le32(raw, 0x1c), if huge { le16(raw, 0x74).into() } else { 0 });
        let counts_blocks = huge && i_flags & HUGE_FILE_FL != 0;
        let i_generation = le32(raw, 0x64);
        Ok(Self {
            ino,
            i_mode,
            uid: id(0x2, 0x78),
            gid: id(0x18, 0x7a),
            size: join(le32(raw, 0x4), if has_size_high { le32(raw, 0x6c) } else { 0 }),
            i_links_count: le16(raw, 0x1a),
            sectors: if counts_blocks { i_blocks * u64::from(superblock.block_size / 512) } else { i_blocks },
            i_flags,
            i_generation,
            i_file_acl: join(le32(raw, 0x68), le16(raw, 0x76).into()),
            i_dtime: le32(raw, 0x14),
            atime: time(0x8, 0x8c),
            ctime: time(0xc, 0x84),
            mtime: time(0x10, 0x88),
            crtime: Timestamp::new(extra_field(0x90), extra_field(0x94)),
            i_block: field(raw, 0x28),
            extra: if i_extra_isize == 0 {
                Vec::new()
            } else {
                raw.get(fields_end..).unwrap_or_default().to_vec()
            },
            seed: superblock.checksum_seed().of_inode(ino, i_generation),
            sectors_huge: counts_blocks,
        })
    }

    /// What kind of file it is.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the mode tells none.
    pub fn kind(&self) -> Result<Kind, Error> {
        Kind::of_mode(self.i_mode)
            .ok_or_else(|| corrupt(self.ino, format_args!("mode {:#o} is no kind of file", self.i_mode)))
    }

    /// Permissions with setuid, setgid and sticky: the lower twelve bits of the mode.
    pub fn permissions(&self) -> u16 {
        self.i_mode & 0o7777
    }

    /// Major and minor number of a device.
    pub fn device(&self) -> (u32, u32) {
        let (old, new) = (le32(&self.i_block, 0), le32(&self.i_block, 4));
        match old {
            // the wide encoding stands in the second word where the first, old one is zero
            0 => ((new & 0xf_ff00) >> 8, (new & 0xff) | (new >> 12 & 0xfff_ff00)),
            old => (old >> 8 & 0xff, old & 0xff),
        }
    }

    /// Whether any of `flags` is set.
    pub fn has_flag(&self, flags: u32) -> bool {
        self.i_flags & flags != 0
    }

    /// Whether this is a symbolic link whose target stands in the inode.
    pub fn is_fast_symlink(&self, superblock: &Superblock) -> bool {
        let of_attributes = if self.i_file_acl == 0 { 0 } else { u64::from(superblock.block_size / 512) };
        self.i_mode & 0xf000 == 0xa000 && self.sectors == of_attributes && !self.has_flag(INLINE_DATA_FL)
    }

    /// Whether the inode counts its blocks in blocks rather than sectors.
    pub fn counts_blocks(&self) -> bool {
        self.sectors_huge
    }
}

fn extra_isize(raw: &[u8]) -> usize {
    if raw.len() > GOOD_OLD_LEN { le16(raw, 0x80).into() } else { 0 }
}

/// Whether the inode has room for the high half of its checksum.
fn has_checksum_high(raw: &[u8]) -> bool {
    extra_isize(raw) >= 4
}

/// The checksum that the bytes of inode `ino` should carry, as its low and high half (the high one where the
/// inode has room for it); `None` without `metadata_csum`.
pub fn inode_checksum(superblock: &Superblock, ino: u32, raw: &[u8]) -> Option<(u16, Option<u16>)> {
    let seed = superblock.checksum_seed().of_inode(ino, le32(raw, 0x64));
    let seed = seed.with(raw.get(..0x7c)?).with(&[0, 0]).with(raw.get(0x7e..GOOD_OLD_LEN)?);
    if raw.len() <= GOOD_OLD_LEN {
        return seed.value().map(|csum| (halves16(csum).0, None));
    }
    if !has_checksum_high(raw) {
        return seed.with(raw.get(GOOD_OLD_LEN..)?).value().map(|csum| (halves16(csum).0, None));
    }
    let seed = seed.with(raw.get(0x80..0x82)?).with(&[0, 0]).with(raw.get(0x84..)?);
    seed.value().map(halves16).map(|(low, high)| (low, Some(high)))
}

pub(super) fn verify_checksum(superblock: &Superblock, ino: u32, raw: &[u8]) -> Result<(), Error> {
    let Some((low, high)) = inode_checksum(superblock, ino, raw) else { return Ok(()) };
    let stored = (le16(raw, 0x7c), has_checksum_high(raw).then(|| le16(raw, 0x82)));
    // an inode that was never written is all zero and has no checksum
    let never_written = || raw.iter().take(GOOD_OLD_LEN).all(|byte| *byte == 0);
    if stored == (low, high) || never_written() {
        return Ok(());
    }
    let number = |(low, high): (u16, Option<u16>)| u32::from(high.unwrap_or(0)) << 16 | u32::from(low);
    Err(corrupt(
        ino,
        format_args!(
            "checksum does not match (stored {:#x}, computed {:#x})",
            number(stored),
            number((low, high))
        ),
    ))
}

pub(super) fn corrupt(ino: u32, problem: impl std::fmt::Display) -> Error {
    Error::Corrupt(format!("inode {ino}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext4::fields::{put16, put32};
    use crate::ext4::superblock::tests::raw_superblock;
    use proptest::prelude::*;

    fn superblock() -> Superblock {
        Superblock::parse(&raw_superblock()).expect("a good superblock")
    }

    fn raw_inode(fields: &[(usize, u32)]) -> Vec<u8> {
        let mut raw = vec![0; 256];
        put16(&mut raw, 0x80, 32);
        fields.iter().for_each(|(offset, value)| put32(&mut raw, *offset, *value));
        let (low, high) = inode_checksum(&superblock(), 12, &raw).expect("a file system with checksums");
        put16(&mut raw, 0x7c, low);
        put16(&mut raw, 0x82, high.expect("a large inode"));
        raw
    }

    #[test]
    fn times_reach_past_2038_and_before_1970() {
        assert_eq!(Timestamp::new(0x8000_0000, 5), Timestamp { seconds: 0x8000_0000, nanoseconds: 1 });
        assert_eq!(Timestamp::new(0xffff_ffff, 0), Timestamp { seconds: -1, nanoseconds: 0 });
    }

    #[test]
    fn fields_of_an_inode() {
        let raw =
            raw_inode(&[(0x0, 0x2345_81ed), (0x4, 7), (0x6c, 1), (0x78, 0xabcd_0001), (0x18, 0x0002_6789)]);
        let inode = Inode::parse(&superblock(), 12, &raw).expect("a good inode");
        assert_eq!((inode.kind().expect("a kind"), inode.permissions()), (Kind::Regular, 0o755));
        assert_eq!((inode.uid, inode.gid), (0x0001_2345, 0xabcd_6789));
        assert_eq!((inode.size, inode.i_links_count), (1 << 32 | 7, 2));
    }

    #[test]
    fn both_encodings_of_device_numbers() {
        let device = |old, new| {
            let raw = raw_inode(&[(0x0, 0x2180), (0x28, old), (0x2c, new)]);
            Inode::parse(&superblock(), 12, &raw).expect("a good inode").device()
        };
        assert_eq!(device(0x0803, 0), (8, 3));
        assert_eq!(device(0, 0x1111_2c70), (300, 70_000));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let raw = raw_inode(&[(0x0, 0x81ed)]);
        for bit in 0..raw.len() * 8 {
            let mut flipped = raw.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Inode::parse(&superblock(), 12, &flipped).is_err(), "bit {bit}");
        }
        assert!(Inode::parse(&superblock(), 13, &raw).is_err(), "an inode in the place of another");
        assert!(Inode::parse(&superblock(), 13, &[0; 256]).is_ok(), "an inode that was never written");
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_inode_or_an_error(mut raw in proptest::collection::vec(any::<u8>(), 256), extra in 0_u16..200) {
            put16(&mut raw, 0x80, extra);
            let (low, high) = inode_checksum(&superblock(), 12, &raw).expect("a file system with checksums");
            put16(&mut raw, 0x7c, low);
            if let Some(high) = high {
                put16(&mut raw, 0x82, high);
            }
            if let Ok(inode) = Inode::parse(&superblock(), 12, &raw) {
                let _ = (inode.kind(), inode.device(), inode.is_fast_symlink(&superblock()));
            } else {
                prop_assert!(extra > 128 || extra % 4 != 0);
            }
        }
    }
}
