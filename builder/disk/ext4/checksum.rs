//! The checksums of ext4 metadata.
//!
//! Format: kernel documentation, `filesystems/ext4/checksums.rst`. With `metadata_csum` every structure
//! carries a CRC32C that starts from a seed of the file system (and of the inode, where it belongs to one), so
//! that a structure written to the wrong place or left from an older file system does not pass. ext4 uses the
//! raw CRC: no inversion at the end.

/// CRC32C of `bytes`, continuing from `seed`.
pub fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    // the crate inverts at both ends, as everybody but ext4 does
    !crc32c::crc32c_append(!seed, bytes)
}

/// CRC16 (polynomial 0x8005, reflected) of `bytes`, continuing from `seed`: the group descriptors of
/// `uninit_bg` without `metadata_csum`.
pub fn crc16(seed: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(seed, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 })
    })
}

/// What the checksums of one file system start from, or that it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// The file system has no `metadata_csum`: nothing is stored, everything matches.
    None,
    /// `crc32c(~0, s_uuid)`, or `s_checksum_seed` where the UUID may change under it.
    Crc32c(u32),
}

impl Seed {
    /// The seed of everything that belongs to one inode: its blocks of extents, directory entries, orphans.
    pub fn of_inode(self, ino: u32, i_generation: u32) -> Self {
        self.with(&ino.to_le_bytes()).with(&i_generation.to_le_bytes())
    }

    /// The seed after some more bytes.
    pub fn with(self, bytes: &[u8]) -> Self {
        match self {
            Self::None => Self::None,
            Self::Crc32c(seed) => Self::Crc32c(crc32c(seed, bytes)),
        }
    }

    /// The checksum reached so far; `None` where the file system has no checksums.
    pub fn value(self) -> Option<u32> {
        match self {
            Self::None => None,
            Self::Crc32c(value) => Some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_catalogue() {
        // the "check" column of the CRC catalogue, for the bytes "123456789"
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
        assert_eq!(crc16(0, b"123456789"), 0xbb3d);
    }

    #[test]
    fn a_checksum_can_be_continued() {
        assert_eq!(crc32c(crc32c(7, b"12345"), b"6789"), crc32c(7, b"123456789"));
        assert_eq!(crc16(crc16(7, b"12345"), b"6789"), crc16(7, b"123456789"));
    }

    #[test]
    fn without_metadata_csum_there_is_no_value() {
        assert_eq!(Seed::None.of_inode(12, 34).with(b"x").value(), None);
        assert_eq!(Seed::Crc32c(1).with(b"x").value(), Some(crc32c(1, b"x")));
    }
}
