//! Bitmaps of blocks and inodes: one bit each, the lowest bit of a byte first, set where used.

/// A bitmap in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    bytes: Vec<u8>,
}

impl Bitmap {
    /// A bitmap of at least `bits` clear bits.
    pub fn new(bits: u64) -> Self {
        Self { bytes: vec![0; usize::try_from(bits.div_ceil(8)).unwrap_or(0)] }
    }

    /// The bitmap as it stands in a block.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// The bytes, as they go into a block.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether `bit` is set; bits behind the end are clear.
    pub fn get(&self, bit: u64) -> bool {
        let byte = usize::try_from(bit / 8).ok().and_then(|index| self.bytes.get(index));
        byte.is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
    }

    /// Sets `bit` and says whether it was clear before; a bit behind the end cannot be set.
    pub fn set(&mut self, bit: u64) -> bool {
        let byte = usize::try_from(bit / 8).ok().and_then(|index| self.bytes.get_mut(index));
        let Some(byte) = byte else { return false };
        let mask = 1 << (bit % 8);
        let was_clear = *byte & mask == 0;
        *byte |= mask;
        was_clear
    }

    /// Clears `bit`.
    pub fn clear(&mut self, bit: u64) {
        if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|index| self.bytes.get_mut(index)) {
            *byte &= !(1 << (bit % 8));
        }
    }

    /// How many of the first `bits` bits are set.
    pub fn count(&self, bits: u64) -> u64 {
        let whole = usize::try_from(bits / 8).unwrap_or(usize::MAX).min(self.bytes.len());
        let in_bytes: u64 = self.bytes.iter().take(whole).map(|byte| u64::from(byte.count_ones())).sum();
        in_bytes + (bits - bits % 8..bits).filter(|bit| self.get(*bit)).count() as u64
    }

    /// The bits `first .. first + bits` as a bitmap of their own; `first` is a multiple of 8.
    pub fn part(&self, first: u64, bits: u64) -> Self {
        let mut part = Self::new(bits);
        let start = usize::try_from(first / 8).unwrap_or(usize::MAX);
        for (target, source) in part.bytes.iter_mut().zip(self.bytes.iter().skip(start)) {
            *target = *source;
        }
        (bits..bits.next_multiple_of(8)).for_each(|bit| part.clear(bit));
        part
    }

    /// The first of `bits` bits in which the two differ.
    pub fn first_difference(&self, other: &Self, bits: u64) -> Option<u64> {
        let whole = usize::try_from(bits / 8).unwrap_or(usize::MAX);
        let pairs = self.bytes.iter().zip(&other.bytes).take(whole);
        let differing = pairs.enumerate().find(|(_, (mine, theirs))| mine != theirs).map(|(index, _)| index);
        let start = differing.map_or(bits - bits % 8, |index| index as u64 * 8);
        (start..bits).find(|bit| self.get(*bit) != other.get(*bit))
    }

    /// The first of the bits `from .. until` that is clear.
    pub fn first_clear(&self, from: u64, until: u64) -> Option<u64> {
        (from..until).find(|bit| !self.get(*bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_counting_and_comparing() {
        let mut bitmap = Bitmap::new(20);
        assert!(bitmap.set(3) && bitmap.set(17) && !bitmap.set(3) && !bitmap.set(24));
        assert_eq!((bitmap.count(20), bitmap.count(17), bitmap.count(3)), (2, 1, 0));
        assert_eq!(bitmap.as_bytes(), [8, 0, 2]);
        let mut other = bitmap.clone();
        assert_eq!(bitmap.first_difference(&other, 20), None);
        other.set(19);
        assert_eq!(bitmap.first_difference(&other, 20), Some(19));
        assert_eq!(bitmap.first_difference(&other, 19), None);
        other.clear(3);
        assert_eq!(bitmap.first_difference(&other, 20), Some(3));
    }

    #[test]
    fn a_part_has_no_bits_of_its_neighbours() {
        let bitmap = Bitmap::from_bytes(vec![0xff; 4]);
        assert_eq!(bitmap.part(8, 11).as_bytes(), [0xff, 0x07]);
        assert_eq!(bitmap.part(24, 16).as_bytes(), [0xff, 0]);
        assert_eq!(bitmap.first_clear(0, 32), None);
        assert_eq!(bitmap.part(8, 11).first_clear(8, 16), Some(11));
    }
}
