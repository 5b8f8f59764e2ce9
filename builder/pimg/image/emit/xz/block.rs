//! Blocks (section 3), and the numbers and checks in them.

use crc::{CRC_32_ISO_HDLC, CRC_64_XZ, Crc, Table};
use sha2::{Digest as _, Sha256};

static CRC32: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);
static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);

/// What stands behind the data of a block (section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image::emit) enum Check {
    None = 0,
    Crc32 = 1,
    Crc64 = 4,
    Sha256 = 10,
}

impl Check {
    /// The check with this number (section 2.1.1.2).
    pub(super) fn from_number(number: u8) -> Option<Self> {
        [Self::None, Self::Crc32, Self::Crc64, Self::Sha256].into_iter().find(|check| *check as u8 == number)
    }

    /// Its length in bytes.
    fn len(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Crc32 => 4,
            Self::Crc64 => 8,
            Self::Sha256 => 32,
        }
    }

    fn of(self, raw: &[u8]) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Crc32 => crc32(raw).to_vec(),
            Self::Crc64 => CRC64.checksum(raw).to_le_bytes().to_vec(),
            Self::Sha256 => Sha256::digest(raw).to_vec(),
        }
    }
}

/// The checksum of everything but data (section 1.3).
pub(super) fn crc32(bytes: &[u8]) -> [u8; 4] {
    CRC32.checksum(bytes).to_le_bytes()
}

/// Appends a number: seven bits a byte, the lowest first (section 1.2).
pub(super) fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

/// Takes a number from the front; at most 63 bits.
pub(super) fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A block of the LZMA2 stream `data`, whose raw bytes are `raw`. Its header says both lengths, as readers with several
/// threads need it.
pub(super) fn block(data: &[u8], raw: &[u8], check: Check) -> Vec<u8> {
    // flags: one filter, both sizes; the size byte is set below (section 3.1)
    let mut block = vec![0, 0xc0];
    put_number(data.len() as u64, &mut block);
    put_number(raw.len() as u64, &mut block);
    block.extend_from_slice(&[super::lzma2::FILTER_ID, 1, super::lzma2::DICTIONARY_BYTE]);
    block.resize(block.len().next_multiple_of(4), 0);
    // in units of four bytes, less one, with the checksum
    let size = u8::try_from(block.len() / 4).unwrap_or(u8::MAX);
    if let Some(first) = block.first_mut() {
        *first = size;
    }
    block.extend_from_slice(&crc32(&block));
    block.extend_from_slice(data);
    block.resize(block.len().next_multiple_of(4), 0);
    block.extend_from_slice(&check.of(raw));
    block
}

/// The length of a block without its padding, from its header; `None` where the header does not say it.
pub(super) fn unpadded_size(block: &[u8], check: Check) -> Option<u64> {
    let (first, _) = block.split_first()?;
    let header_len = (usize::from(*first) + 1) * 4;
    let header = block.get(..header_len).filter(|_| *first != 0)?;
    let (fields, checksum) = header.split_last_chunk()?;
    let (flags, mut sizes) = (fields.get(1)?, fields.get(2..)?);
    if crc32(fields) != *checksum || flags & 0xc0 != 0xc0 {
        return None;
    }
    (header_len as u64).checked_add(take_number(&mut sizes)?)?.checked_add(check.len())
}
