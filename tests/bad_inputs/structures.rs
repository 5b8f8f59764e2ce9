//! A base that is cut at, or has bits flipped in, each structure of a disk.
//!
//! Where structures are is read from the base itself: `dumpe2fs` would say the same.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::bench::{Bench, sound_base};
use crate::{BUILD, Case};

/// Where the boot partition begins.
const BOOT: u64 = 4 << 20;
/// Where the root partition begins.
const ROOT: u64 = 40 << 20;

fn number(file: &File, at: u64, length: usize) -> u64 {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes[..length], at).expect("reading a base");
    u64::from_le_bytes(bytes)
}

/// A structure: what it is called, where it is, and how long it is.
struct Structure(&'static str, u64, u64);

/// Of the sound base, in the order of the disk.
fn structures() -> Vec<Structure> {
    let file = File::open(sound_base()).expect("the base");
    let sector = number(&file, BOOT + 11, 2);
    let (reserved, fats) = (number(&file, BOOT + 14, 2), number(&file, BOOT + 16, 1));
    let fat_length = number(&file, BOOT + 36, 4) * sector;
    let fat = BOOT + reserved * sector;
    let data = fat + fats * fat_length;
    let superblock = ROOT + 1024;
    let block = 1024 << number(&file, superblock + 24, 4);
    let descriptors = ROOT + (number(&file, superblock + 20, 4) + 1) * block;
    let block_of = |field: u64| ROOT + number(&file, descriptors + field, 4) * block;
    let (block_bitmap, inode_bitmap, inode_table) = (block_of(0), block_of(4), block_of(8));
    let inode_size = number(&file, superblock + 88, 2);
    let inode = |number: u64| inode_table + (number - 1) * inode_size;
    // the first extent of an inode: header of 12 bytes, then block, length, high and low half of the place
    let first_block = |of: u64| ROOT + number(&file, inode(of) + 40 + 12 + 8, 4) * block;
    vec![
        Structure("the partition table", 446, 66),
        Structure("the boot sector", BOOT, 90),
        Structure("the information sector", BOOT + 512, 512),
        Structure("the first FAT", fat, 64),
        Structure("the second FAT", fat + fat_length, 64),
        Structure("the root directory of the boot partition", data, 256),
        Structure("the superblock", superblock, 1024),
        Structure("the group descriptors", descriptors, 32),
        Structure("the bitmap of blocks", block_bitmap, 512),
        Structure("the bitmap of inodes", inode_bitmap, 64),
        Structure("the inode of the root directory", inode(2), inode_size),
        Structure("the inode of the journal", inode(8), inode_size),
        Structure("the inode of lost+found", inode(11), inode_size),
        Structure("the block of the root directory", first_block(2), 256),
        Structure("the journal", first_block(8), 1024),
    ]
}

/// What is done to the bytes of a structure.
type Damage = fn(&mut [u8]);

pub(crate) fn cases() -> Vec<Case> {
    let damages: [(&str, Damage); 3] = [
        ("zeroes", |bytes| bytes.fill(0)),
        ("ones", |bytes| bytes.fill(0xff)),
        ("garbage", |bytes| {
            (0..=u8::MAX).cycle().zip(bytes).for_each(|(n, byte)| *byte = n.wrapping_mul(151) ^ 0x5a)
        }),
    ];
    let mut cases = Vec::new();
    for Structure(name, at, length) in structures() {
        cases.push(Case::new(format!("cut at {name}"), BUILD, move |bench| {
            bench.own_base().set_len(at + length / 2).expect("cutting");
        }));
        for (what, damage) in damages {
            // a sector of information may say that it knows nothing, an empty journal may be empty, and the bitmap is
            // what it was where it is full of ones
            let is_in_order =
                matches!((name, what), ("the information sector", _) | ("the journal", "zeroes"));
            if !is_in_order {
                cases.push(Case::new(format!("{what} in {name}"), BUILD, move |bench| {
                    let length = usize::try_from(length).expect("short");
                    change(bench, at, length, damage);
                }));
            }
        }
    }
    for (name, at, bytes) in numbers() {
        cases.push(Case::new(name, BUILD, move |bench| {
            bench.own_base().write_all_at(&bytes, at).expect("changing the base");
        }));
    }
    for name in [
        "the superblock",
        "the group descriptors",
        "the inode of the root directory",
        "the block of the root directory",
    ] {
        let places = structures();
        let found = places.iter().find(|structure| structure.0 == name).expect("a structure");
        let (at, middle) = (found.1, usize::try_from(found.2 / 2).expect("short"));
        cases.push(Case::new(format!("one bit in {name}"), BUILD, move |bench| {
            change(bench, at, middle + 1, |bytes| {
                let last = bytes.len() - 1;
                bytes[last] ^= 0x10;
            });
        }));
    }
    cases
}

fn change(bench: &Bench, at: u64, length: usize, damage: Damage) {
    let file = bench.own_base();
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at).expect("reading the base");
    damage(&mut bytes);
    file.write_all_at(&bytes, at).expect("changing the base");
}

/// Numbers that are larger, smaller or elsewhere than they can be.
fn numbers() -> Vec<(&'static str, u64, Vec<u8>)> {
    let long = |number: u32| number.to_le_bytes().to_vec();
    let second = 446 + 16;
    vec![
        ("a partition of 2^32-1 sectors", second + 12, long(u32::MAX)),
        ("a partition that begins at sector 2^32-1", second + 8, long(u32::MAX)),
        ("a partition of no sectors", second + 12, long(0)),
        ("a partition that begins at sector 0", second + 8, long(0)),
        ("partitions that overlap", second + 8, long(8192 + 100)),
        ("an extended partition", second + 4, vec![5]),
        ("no mark of a partition table", 510, vec![0, 0]),
        ("sectors of 0 bytes", BOOT + 11, vec![0, 0]),
        ("sectors of 65535 bytes", BOOT + 11, vec![0xff, 0xff]),
        ("clusters of 0 sectors", BOOT + 13, vec![0]),
        ("clusters of 255 sectors", BOOT + 13, vec![255]),
        ("no reserved sectors", BOOT + 14, vec![0, 0]),
        ("255 FATs", BOOT + 16, vec![255]),
        ("a FAT of 2^32-1 sectors", BOOT + 36, long(u32::MAX)),
        ("a volume of 2^32-1 sectors", BOOT + 32, long(u32::MAX)),
        ("a root directory at cluster 2^32-1", BOOT + 44, long(u32::MAX)),
        ("a root directory at cluster 0", BOOT + 44, long(0)),
        ("blocks of 2^42 bytes", ROOT + 1024 + 24, long(32)),
        ("2^32-1 blocks", ROOT + 1024 + 4, long(u32::MAX)),
        ("2^32-1 inodes", ROOT + 1024, long(u32::MAX)),
        ("no blocks in a group", ROOT + 1024 + 32, long(0)),
        ("no inodes in a group", ROOT + 1024 + 40, long(0)),
        ("inodes of 0 bytes", ROOT + 1024 + 88, vec![0, 0]),
        ("a revision of 2^32-1", ROOT + 1024 + 76, long(u32::MAX)),
        ("features that nobody knows", ROOT + 1024 + 96, long(u32::MAX)),
        ("another file system", ROOT + 1024 + 56, vec![0x12, 0x34]),
    ]
}
