//! A block of bits: which blocks of a group are in use.

use std::ops::Range;

/// A bitmap as it stands on disk.
pub(super) struct Bitmap(Vec<u8>);

impl Bitmap {
    /// All free; `len` bytes are one block.
    pub(super) fn free(len: usize) -> Self {
        Self(vec![0; len])
    }

    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bits there are.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.0.len().saturating_mul(8)).unwrap_or(u32::MAX)
    }

    /// Marks bits as in use (or free); those behind the end are none.
    pub(super) fn fill(&mut self, bits: Range<u32>, used: bool) {
        for bit in bits.start..bits.end.min(self.len()) {
            let byte = usize::try_from(bit / 8).ok().and_then(|index| self.0.get_mut(index));
            match byte {
                Some(byte) if used => *byte |= 1 << (bit % 8),
                Some(byte) => *byte &= !(1 << (bit % 8)),
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_count_from_the_lowest_of_the_first_byte() {
        let mut bitmap = Bitmap::free(3);
        bitmap.fill(3..10, true);
        bitmap.fill(5..6, false);
        bitmap.fill(23..99, true);
        assert_eq!(bitmap.bytes(), [0b1101_1000, 0b0000_0011, 0b1000_0000]);
    }
}
