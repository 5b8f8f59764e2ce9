//! Little-endian fields at the byte offsets that the format documentation gives.
//!
//! A field that lies behind the end of its bytes reads as zero, which is also what the format says of fields
//! that an older, shorter structure lacks. Whoever parses checks the length where it matters.

/// Reads the 16-bit field at `offset`.
pub(crate) fn le16(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(field(bytes, offset))
}

/// Reads the 32-bit field at `offset`.
pub(crate) fn le32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(field(bytes, offset))
}

/// Reads the 32-bit big-endian field at `offset`; the journal is written so.
pub(crate) fn be32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(field(bytes, offset))
}

/// Reads the byte at `offset`.
pub(crate) fn byte(bytes: &[u8], offset: usize) -> u8 {
    bytes.get(offset).copied().unwrap_or(0)
}

/// Reads `N` bytes at `offset`.
pub(crate) fn field<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut value = [0; N];
    if let Some(source) = offset.checked_add(N).and_then(|end| bytes.get(offset..end)) {
        value.copy_from_slice(source);
    }
    value
}

/// A 64-bit value out of its two halves.
pub(crate) fn join(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// The low and the high half of a 64-bit value.
pub(crate) fn halves(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// The low and the high half of a 32-bit value.
pub(crate) fn halves16(value: u32) -> (u16, u16) {
    let [a, b, c, d] = value.to_le_bytes();
    (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
}

/// Writes `value` at `offset`; nothing where it does not fit.
pub(crate) fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    if let Some(target) = offset.checked_add(value.len()).and_then(|end| bytes.get_mut(offset..end)) {
        target.copy_from_slice(value);
    }
}

/// Writes a 16-bit field at `offset`; nothing where it does not fit.
pub(crate) fn put16(bytes: &mut [u8], offset: usize, value: u16) {
    put(bytes, offset, &value.to_le_bytes());
}

/// Writes a 32-bit field at `offset`; nothing where it does not fit.
pub(crate) fn put32(bytes: &mut [u8], offset: usize, value: u32) {
    put(bytes, offset, &value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_behind_the_end_reads_as_zero_and_writes_nowhere() {
        let mut bytes = [1, 2, 3, 4, 5];
        assert_eq!((le16(&bytes, 1), le32(&bytes, 1), be32(&bytes, 1)), (0x0302, 0x0504_0302, 0x0203_0405));
        assert_eq!(
            (le16(&bytes, 4), le32(&bytes, 2), byte(&bytes, 5), le16(&bytes, usize::MAX)),
            (0, 0, 0, 0)
        );
        put32(&mut bytes, 2, 0);
        put16(&mut bytes, 3, 0x0908);
        assert_eq!(bytes, [1, 2, 3, 8, 9]);
    }

    #[test]
    fn halves_and_join_are_inverse() {
        assert_eq!(halves(0x0123_4567_89ab_cdef), (0x89ab_cdef, 0x0123_4567));
        assert_eq!(join(0x89ab_cdef, 0x0123_4567), 0x0123_4567_89ab_cdef);
        assert_eq!(halves16(0x0123_4567), (0x4567, 0x0123));
    }
}
