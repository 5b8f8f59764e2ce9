//! The fields of an inode that are written by us, because the crate below sets them one transaction at a time,
//! wrongly, or not at all. Format: kernel documentation, `filesystems/ext4/inodes.rst`.

use super::Error;
use super::fields::{halves, le16, le32, put, put16};
use super::inode::{Timestamp, inode_checksum};
use super::superblock::Superblock;

const MODE: usize = 0x00;
const UID_LOW: usize = 0x02;
const SIZE_LOW: usize = 0x04;
const GID_LOW: usize = 0x18;
const BLOCK: usize = 0x28;
/// Length of `i_block` in bytes.
const BLOCK_LEN: usize = 60;
const GENERATION: usize = 0x64;
const SIZE_HIGH: usize = 0x6c;
const UID_HIGH: usize = 0x78;
const GID_HIGH: usize = 0x7a;
const CHECKSUM_LOW: usize = 0x7c;
const EXTRA_SIZE: usize = 0x80;
const CHECKSUM_HIGH: usize = 0x82;
/// Where the fields that `i_extra_isize` counts begin.
const EXTRA_START: usize = 0x80;

/// The type bits of a mode.
pub(super) const TYPE_MASK: u16 = 0o170_000;
/// All but the type bits: set-user-id, set-group-id, sticky, and nine permissions.
pub(super) const PERMISSION_MASK: u16 = 0o7777;

/// 1901-12-13 to 2310-04-04. The era behind that exists too, but `e2fsck` takes it for a mistake that early
/// kernels made with times before 1970, and "repairs" it.
const SECONDS: std::ops::RangeInclusive<i64> = -(1 << 31)..=(1 << 31) - 1 + 2 * (1 << 32);

impl Timestamp {
    /// The start of a second.
    pub fn at(seconds: i64) -> Self {
        Self { seconds, nanoseconds: 0 }
    }

    /// Refuses what no inode can hold.
    pub(super) fn check(self) -> Result<(), Error> {
        if SECONDS.contains(&self.seconds) && self.nanoseconds < 1_000_000_000 {
            return Ok(());
        }
        Err(Error::InvalidValue(format!("the time {}.{:09}", self.seconds, self.nanoseconds)))
    }
}

/// One of the four times of an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeField {
    Accessed,
    Changed,
    Modified,
    Created,
}

impl TimeField {
    /// Offsets of the seconds, and of the word with two era bits below thirty bits of nanoseconds.
    fn offsets(self) -> (usize, usize) {
        match self {
            Self::Accessed => (0x08, 0x8c),
            Self::Changed => (0x0c, 0x84),
            Self::Modified => (0x10, 0x88),
            Self::Created => (0x90, 0x94),
        }
    }
}

/// The bytes of one inode, of the size the superblock says.
pub(super) struct RawInode(pub(super) Vec<u8>);

impl RawInode {
    pub(super) fn mode(&self) -> u16 {
        le16(&self.0, MODE)
    }

    /// Sets the permissions; the type stays.
    pub(super) fn set_permissions(&mut self, permissions: u16) {
        let mode = (self.mode() & TYPE_MASK) | (permissions & PERMISSION_MASK);
        put(&mut self.0, MODE, &mode.to_le_bytes());
    }

    pub(super) fn set_owner(&mut self, uid: u32, gid: u32) {
        for (id, low, high) in [(uid, UID_LOW, UID_HIGH), (gid, GID_LOW, GID_HIGH)] {
            let [a, b, c, d] = id.to_le_bytes();
            put(&mut self.0, low, &[a, b]);
            put(&mut self.0, high, &[c, d]);
        }
    }

    /// Sets the length in bytes.
    pub(super) fn set_size(&mut self, size: u64) {
        let (low, high) = halves(size);
        put(&mut self.0, SIZE_LOW, &low.to_le_bytes());
        put(&mut self.0, SIZE_HIGH, &high.to_le_bytes());
    }

    pub(super) fn generation(&self) -> u32 {
        le32(&self.0, GENERATION)
    }

    /// The root of the extent tree, or the block map.
    pub(super) fn block_map_mut(&mut self) -> &mut [u8] {
        self.0.get_mut(BLOCK..BLOCK + BLOCK_LEN).unwrap_or_default()
    }

    /// The device number in the encoding the kernel writes: the old one where both halves fit a byte, else the
    /// new one behind a zero, which tells a reader to look there (`__ext4_iget` in `fs/ext4/inode.c`).
    pub(super) fn set_device(&mut self, major: u32, minor: u32) {
        let (old, new) = if major < 256 && minor < 256 {
            ((major << 8) | minor, 0)
        } else {
            (0, (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12))
        };
        put(&mut self.0, BLOCK, &old.to_le_bytes());
        put(&mut self.0, BLOCK + 4, &new.to_le_bytes());
    }

    /// Whether the four bytes at `offset` belong to this inode.
    fn has_extra(&self, offset: usize) -> bool {
        let used = EXTRA_START.saturating_add(usize::from(le16(&self.0, EXTRA_SIZE)));
        self.0.len() > EXTRA_START && offset.saturating_add(4) <= used.min(self.0.len())
    }

    /// Sets one time.
    ///
    /// An inode without room for eras and nanoseconds keeps whole seconds up to 2038.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] where the second does not fit.
    pub(super) fn set_time(&mut self, field: TimeField, time: Timestamp) -> Result<(), Error> {
        time.check()?;
        let (base, extra) = field.offsets();
        if field == TimeField::Created && !self.has_extra(base) {
            return Ok(());
        }
        let [a, b, c, d, ..] = time.seconds.to_le_bytes();
        let low = i32::from_le_bytes([a, b, c, d]);
        // what the signed base lacks is a whole number of eras of 2^32 seconds, 0 to 2 after `check`
        let era = u32::try_from((time.seconds - i64::from(low)) >> 32).unwrap_or(0);
        if self.has_extra(extra) {
            put(&mut self.0, extra, &((time.nanoseconds << 2) | era).to_le_bytes());
        } else if era != 0 {
            return Err(Error::InvalidValue(format!("the second {} in an inode of 128 bytes", time.seconds)));
        }
        put(&mut self.0, base, &low.to_le_bytes());
        Ok(())
    }

    /// Stores the checksum of inode `ino`, both halves of it where the inode has room for both.
    pub(super) fn stamp(&mut self, superblock: &Superblock, ino: u32) {
        let Some((low, high)) = inode_checksum(superblock, ino, &self.0) else { return };
        put16(&mut self.0, CHECKSUM_LOW, low);
        if let Some(high) = high {
            put16(&mut self.0, CHECKSUM_HIGH, high);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inode(extra: u16) -> RawInode {
        let mut raw = RawInode(vec![0; 256]);
        put(&mut raw.0, EXTRA_SIZE, &extra.to_le_bytes());
        raw
    }

    #[test]
    fn times_take_the_documented_words() {
        // the table of inodes.rst, "Inode Timestamps", at its seams
        for (seconds, base, era) in [
            (-1_i64 << 31, 0x8000_0000_u32, 0_u32),
            (-1, 0xffff_ffff, 0),
            (0x7fff_ffff, 0x7fff_ffff, 0),
            (0x8000_0000, 0x8000_0000, 1),
            (0x1_7fff_ffff, 0x7fff_ffff, 1),
            (0x1_8000_0000, 0x8000_0000, 2),
            (0x2_7fff_ffff, 0x7fff_ffff, 2),
        ] {
            let mut raw = inode(32);
            raw.set_time(TimeField::Modified, Timestamp { seconds, nanoseconds: 999_999_999 }).unwrap();
            assert_eq!(raw.0[0x10..0x14], base.to_le_bytes(), "{seconds}");
            assert_eq!(raw.0[0x88..0x8c], ((999_999_999 << 2) | era).to_le_bytes(), "{seconds}");
        }
        assert!(inode(32).set_time(TimeField::Modified, Timestamp::at(0x2_8000_0000)).is_err());
        assert!(inode(0).set_time(TimeField::Modified, Timestamp::at(0x8000_0000)).is_err());
    }

    #[test]
    fn device_numbers_take_the_kernels_words() {
        for (major, minor, old, new) in [
            (8_u32, 1_u32, 0x0801_u32, 0_u32),
            (255, 255, 0xffff, 0),
            (259, 1, 0, 0x1_0301),
            (300, 70000, 0, 0x1111_2c70),
            (1, 256, 0, 0x10_0100),
        ] {
            let mut raw = inode(32);
            raw.set_device(major, minor);
            assert_eq!(raw.0[BLOCK..BLOCK + 4], old.to_le_bytes(), "{major}:{minor}");
            assert_eq!(raw.0[BLOCK + 4..BLOCK + 8], new.to_le_bytes(), "{major}:{minor}");
        }
    }

    #[test]
    fn permissions_leave_the_type_alone() {
        let mut raw = inode(32);
        put(&mut raw.0, MODE, &0o100_644_u16.to_le_bytes());
        raw.set_permissions(0o6755);
        assert_eq!(raw.mode(), 0o106_755);
    }
}
