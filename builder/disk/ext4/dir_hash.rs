//! The hashes that order the names of an indexed directory.
//!
//! Format: kernel documentation, `filesystems/ext4/directory.rst`, "Hash Tree Directories". The functions are
//! a cut-down MD4, the block cipher TEA, and the older "legacy" sum; each takes the bytes of a name as signed
//! or unsigned, whichever the machine did that made the file system.

use super::superblock::Superblock;

/// Stands for the end of the directory and is never the hash of a name.
const END_OF_DIRECTORY: u32 = 0xffff_fffe;
/// What MD4 begins with where the file system has no seed.
const INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The hash of `name` under the `hash_version` of a tree's root; `None` for a version that is unknown. The
/// lowest bit is always clear.
pub(super) fn dir_hash(superblock: &Superblock, hash_version: u8, name: &[u8]) -> Option<u32> {
    let seed = if superblock.s_hash_seed == [0; 4] { INITIAL } else { superblock.s_hash_seed };
    let hash = name_hash(seed, hash_version, superblock.hashes_unsigned(), name)? & !1;
    Some(if hash == END_OF_DIRECTORY { hash - 2 } else { hash })
}

fn name_hash(seed: [u32; 4], hash_version: u8, unsigned: bool, name: &[u8]) -> Option<u32> {
    // versions 3 to 5 are 0 to 2 with unsigned bytes; the kernel never stores them, but understands them
    let unsigned = unsigned || (3..=5).contains(&hash_version);
    let widen =
        move |byte: u8| if unsigned { byte.into() } else { i32::from(byte.cast_signed()).cast_unsigned() };
    match hash_version {
        0 | 3 => Some(legacy(name, widen)),
        1 | 4 => {
            let chunks = name.chunks(32);
            let rest = (0..).step_by(32).zip(chunks);
            let mixed = rest.fold(seed, |state, (done, _)| half_md4(state, words(name, done, widen)));
            Some(mixed[1])
        }
        2 | 5 => {
            let rest = (0..).step_by(16).zip(name.chunks(16));
            Some(rest.fold(seed, |state, (done, _)| tea(state, words(name, done, widen)))[0])
        }
        _ => None,
    }
}

/// The next `N` words of the name from byte `done` on, padded with its remaining length.
fn words<const N: usize>(name: &[u8], done: usize, widen: impl Fn(u8) -> u32) -> [u32; N] {
    let rest = name.get(done..).unwrap_or_default();
    let pad = u32::try_from(rest.len()).unwrap_or(0).wrapping_mul(0x0101_0101);
    let mut words = [pad; N];
    for (word, bytes) in words.iter_mut().zip(rest.chunks(4)) {
        *word = bytes.iter().fold(pad, |value, byte| widen(*byte).wrapping_add(value << 8));
    }
    words
}

fn legacy(name: &[u8], widen: impl Fn(u8) -> u32) -> u32 {
    let step = |(newer, older): (u32, u32), byte: &u8| {
        let hash = older.wrapping_add(newer ^ widen(*byte).wrapping_mul(7_152_373));
        (if hash & 0x8000_0000 != 0 { hash.wrapping_sub(0x7fff_ffff) } else { hash }, newer)
    };
    name.iter().fold((0x12a3_fe2d, 0x37ab_e8f9), step).0 << 1
}

fn tea(state: [u32; 4], key: [u32; 4]) -> [u32; 4] {
    let [start0, start1, c, d] = state;
    let (mut left, mut right, mut sum) = (start0, start1, 0_u32);
    let mix = |value: u32, sum: u32, high: u32, low: u32| {
        (value << 4).wrapping_add(high) ^ value.wrapping_add(sum) ^ (value >> 5).wrapping_add(low)
    };
    for _ in 0..16 {
        sum = sum.wrapping_add(0x9e37_79b9);
        left = left.wrapping_add(mix(right, sum, key[0], key[1]));
        right = right.wrapping_add(mix(left, sum, key[2], key[3]));
    }
    [start0.wrapping_add(left), start1.wrapping_add(right), c, d]
}

/// Of each round of the cut-down MD4: the constant, the order in which the words are taken, the rotations.
const ROUNDS: [(u32, [usize; 8], [u32; 4]); 3] = [
    (0, [0, 1, 2, 3, 4, 5, 6, 7], [3, 7, 11, 19]),
    (0x5a82_7999, [1, 3, 5, 7, 0, 2, 4, 6], [3, 5, 9, 13]),
    (0x6ed9_eba1, [3, 7, 2, 6, 1, 5, 0, 4], [3, 9, 11, 15]),
];

fn half_md4(state: [u32; 4], words: [u32; 8]) -> [u32; 4] {
    let [mut a, mut b, mut c, mut d] = state;
    for (round, (constant, order, rotations)) in ROUNDS.into_iter().enumerate() {
        for (index, rotation) in order.into_iter().zip(rotations.into_iter().cycle()) {
            let mixed = match round {
                0 => d ^ (b & (c ^ d)),
                1 => (b & c).wrapping_add((b ^ c) & d),
                _ => b ^ c ^ d,
            };
            let word = words.get(index).copied().unwrap_or(0);
            let sum = a.wrapping_add(mixed).wrapping_add(word).wrapping_add(constant);
            (a, b, c, d) = (d, sum.rotate_left(rotation), b, c);
        }
    }
    let [a0, b0, c0, d0] = state;
    [a0.wrapping_add(a), b0.wrapping_add(b), c0.wrapping_add(c), d0.wrapping_add(d)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: [u32; 4] = [0x0302_0100, 0x0706_0504, 0x0b0a_0908, 0x0f0e_0d0c];
    const LONG: &[u8] = b"a name of more than thirty-two bytes, so that it takes two rounds";

    #[test]
    fn the_same_hashes_as_debugfs() {
        // debugfs -R "dx_hash -h NAME -s 00010203-0405-0607-0809-0a0b0c0d0e0f FILE"
        let table: [(u8, &[u8], u32); 9] = [
            (0, b"hello", 0x3225_2546),
            (1, b"hello", 0xaf3d_0524),
            (2, b"hello", 0xf73b_8f7c),
            (0, LONG, 0xe543_1c6a),
            (1, LONG, 0xffad_9020),
            (2, LONG, 0xfba8_971e),
            (0, "zw\u{f6}lf".as_bytes(), 0x3979_f336),
            (1, "zw\u{f6}lf".as_bytes(), 0x5552_d106),
            (2, "zw\u{f6}lf".as_bytes(), 0xeaea_2858),
        ];
        for (version, name, expected) in table {
            let hash = name_hash(SEED, version, false, name).expect("a known version") & !1;
            assert_eq!(hash, expected, "{version} {}: {hash:#010x}", name.escape_ascii());
        }
    }

    #[test]
    fn signedness_matters_above_ascii_only() {
        let both = |name: &[u8]| (name_hash(SEED, 1, false, name), name_hash(SEED, 4, false, name));
        assert_eq!(both(b"hello").0, both(b"hello").1);
        assert_ne!(both(b"\xf6").0, both(b"\xf6").1);
        assert_eq!(name_hash(SEED, 6, false, b"hello"), None);
    }
}
