//! The hash tree of an indexed directory: which of its blocks hold the tree and which the names.
//!
//! Format: kernel documentation, `filesystems/ext4/directory.rst`, "Hash Tree Directories". The root is the
//! first block, behind the entries `.` and `..`; inner nodes follow in any order. The tree is never needed for
//! reading names: the reader takes all other blocks one after the other. But names that stand under the wrong
//! hash are not found by the kernel, so the checker wants the bounds of every leaf.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::checksum::Seed;
use super::fields::{byte, le16, le32};

/// Where the entries begin in the root and in the other nodes, in bytes.
const ROOT_ENTRIES: usize = 0x20;
const NODE_ENTRIES: usize = 8;
/// Length of an entry, and of the checksum behind the last possible one, in bytes.
const ENTRY_LEN: usize = 8;
/// Inner nodes on the way from the root to a leaf: one more than without `large_dir`.
const MAX_LEVELS: u8 = 2;
/// The hash of the last name is at most this.
const MAX_HASH: u32 = 0xffff_fffe;

/// What a tree says of the blocks of its directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    /// How names are hashed.
    pub(super) hash_version: u8,
    /// The logical blocks of the tree itself, the root included.
    pub(super) nodes: Vec<u32>,
    /// The logical blocks of names, with the hashes that belong there.
    pub(super) leaves: BTreeMap<u32, RangeInclusive<u32>>,
}

/// Where a node stands in its tree.
struct Place {
    logical: u32,
    levels: u8,
    hashes: RangeInclusive<u32>,
}

/// Reads the tree of a directory of `blocks` blocks; `read` gives a block by its logical number. Every node's
/// checksum, room and order are verified, and that no block is pointed at twice.
pub(super) fn read_tree(
    blocks: u32,
    seed: Seed,
    mut read: impl FnMut(u32) -> Result<Vec<u8>, super::Error>,
    corrupt: impl Fn(String) -> super::Error,
) -> Result<Tree, super::Error> {
    let root = read(0)?;
    let (info_length, levels) = (byte(&root, 0x1d), byte(&root, 0x1e));
    if le32(&root, 0x18) != 0 || info_length != 8 || levels > MAX_LEVELS || byte(&root, 0x1f) != 0 {
        return Err(corrupt(format!("root of the hash tree has {levels} levels, header of {info_length}")));
    }
    let mut tree = Tree { hash_version: byte(&root, 0x1c), ..Tree::default() };
    let mut pending = vec![Place { logical: 0, levels, hashes: 0..=MAX_HASH }];
    while let Some(Place { logical, levels, hashes }) = pending.pop() {
        // a node that is pointed at twice would make the list outgrow the directory
        tree.nodes.push(logical);
        if tree.nodes.len() > usize::try_from(blocks).unwrap_or(usize::MAX) {
            return Err(corrupt("hash tree has a loop".to_owned()));
        }
        let bytes = read(logical)?;
        let start = if logical == 0 { ROOT_ENTRIES } else { NODE_ENTRIES };
        let problem = |problem: String| corrupt(format!("hash tree node in block {logical}: {problem}"));
        let is_node = logical == 0 || (le32(&bytes, 0) == 0 && usize::from(le16(&bytes, 4)) == bytes.len());
        if !is_node {
            return Err(problem("is no node".to_owned()));
        }
        let children = parse_node(&bytes, start, seed, hashes).map_err(problem)?;
        for (child, hashes) in children {
            if child == 0 || child >= blocks {
                return Err(problem(format!("points at block {child} of {blocks}")));
            }
            if levels > 0 {
                pending.push(Place { logical: child, levels: levels - 1, hashes });
            } else if tree.leaves.insert(child, hashes).is_some() {
                return Err(problem(format!("block {child} is pointed at twice")));
            }
        }
    }
    tree.nodes.sort_unstable();
    if tree.nodes.iter().any(|node| tree.leaves.contains_key(node)) {
        return Err(corrupt("hash tree uses a block both as node and for names".to_owned()));
    }
    Ok(tree)
}

/// The children of a node, each with the hashes that belong below it.
fn parse_node(
    bytes: &[u8],
    start: usize,
    seed: Seed,
    hashes: RangeInclusive<u32>,
) -> Result<Vec<(u32, RangeInclusive<u32>)>, String> {
    let (limit, count) = (usize::from(le16(bytes, start)), usize::from(le16(bytes, start + 2)));
    let room = bytes.len().saturating_sub(start) / ENTRY_LEN;
    let expected = if seed == Seed::None { room } else { room.saturating_sub(1) };
    if limit != expected || count == 0 || count > limit {
        return Err(format!("has {count} of {limit} entries, with room for {expected}"));
    }
    verify_checksum(bytes, start + limit * ENTRY_LEN, start + count * ENTRY_LEN, seed)?;
    let entries = (0..count).map(|index| start + index * ENTRY_LEN);
    // in place of the first hash stand the limit and the count; the lowest bit says that a hash continues
    let starts: Vec<u32> =
        [*hashes.start()].into_iter().chain(entries.clone().skip(1).map(|at| le32(bytes, at) & !1)).collect();
    let ends = starts.iter().skip(1).copied().chain([*hashes.end()]);
    let mut children = Vec::new();
    for ((at, first), last) in entries.zip(starts.iter().copied()).zip(ends) {
        if first > last || first < *hashes.start() || last > *hashes.end() {
            return Err(format!("hash {first:#010x} is out of order"));
        }
        children.push((le32(bytes, at + 4) & 0x0fff_ffff, first..=last));
    }
    Ok(children)
}

fn verify_checksum(bytes: &[u8], tail: usize, used: usize, seed: Seed) -> Result<(), String> {
    let (Some(entries), Some(reserved)) = (bytes.get(..used), bytes.get(tail..tail + 4)) else {
        return if seed == Seed::None { Ok(()) } else { Err("is too short".to_owned()) };
    };
    let Some(computed) = seed.with(entries).with(reserved).with(&[0; 4]).value() else { return Ok(()) };
    let stored = le32(bytes, tail + 4);
    if stored == computed {
        return Ok(());
    }
    Err(format!("checksum does not match (stored {stored:#010x}, computed {computed:#010x})"))
}

#[cfg(test)]
mod tests {
    use super::super::Error;
    use super::*;
    use crate::ext4::fields::{put16, put32};
    use proptest::prelude::*;

    /// A node of these (hash, block) pairs, in 1024 bytes.
    fn node(start: usize, entries: &[(u32, u32)]) -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        put16(&mut bytes, 4, 1024);
        for ((hash, block), at) in entries.iter().zip((start..).step_by(8)) {
            put32(&mut bytes, at, *hash);
            put32(&mut bytes, at + 4, *block);
        }
        put16(&mut bytes, start, u16::try_from((1024 - start) / 8).expect("small"));
        put16(&mut bytes, start + 2, u16::try_from(entries.len()).expect("few"));
        bytes
    }

    fn root(levels: u8, entries: &[(u32, u32)]) -> Vec<u8> {
        let mut bytes = node(ROOT_ENTRIES, entries);
        (bytes[0x1c], bytes[0x1d], bytes[0x1e]) = (1, 8, levels);
        bytes
    }

    fn read(blocks: &[Vec<u8>]) -> Result<Tree, Error> {
        let count = u32::try_from(blocks.len()).expect("few blocks");
        let block = |logical: u32| Ok(blocks[usize::try_from(logical).expect("small")].clone());
        read_tree(count, Seed::None, block, Error::Corrupt)
    }

    #[test]
    fn leaves_get_the_hashes_between_their_neighbours() {
        let blocks = [
            root(1, &[(0, 1), (0x8000_0000, 2)]),
            node(8, &[(0, 3), (0x1001, 4)]),
            node(8, &[(0, 5)]),
            vec![],
            vec![],
            vec![],
        ];
        let tree = read(&blocks).expect("a good tree");
        assert_eq!(tree.nodes, [0, 1, 2]);
        let leaves = [(3, 0..=0x1000), (4, 0x1000..=0x8000_0000), (5, 0x8000_0000..=MAX_HASH)];
        assert_eq!(tree.leaves, BTreeMap::from(leaves));
    }

    #[test]
    fn broken_trees_are_refused() {
        let table = [
            (vec![root(3, &[(0, 1)]), vec![]], "root of the hash tree has 3 levels, header of 8"),
            (vec![root(0, &[(0, 2)]), vec![]], "hash tree node in block 0: points at block 2 of 2"),
            (
                vec![root(0, &[(0, 1), (8, 1)]), vec![]],
                "hash tree node in block 0: block 1 is pointed at twice",
            ),
            (vec![root(1, &[(0, 1)]), vec![0; 1024]], "hash tree node in block 1: is no node"),
            (
                vec![root(1, &[(0, 1)]), node(8, &[(0, 1)])],
                "hash tree uses a block both as node and for names",
            ),
            (vec![root(2, &[(0, 1)]), node(8, &[(0, 1)])], "hash tree has a loop"),
            (
                vec![root(0, &[(0, 1), (16, 2), (8, 3)]), vec![], vec![], vec![]],
                "hash tree node in block 0: hash 0x00000010 is out of order",
            ),
        ];
        for (blocks, expected) in table {
            assert_eq!(
                read(&blocks).expect_err(expected).to_string(),
                format!("corrupt ext4 file system: {expected}")
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 256), 1..8)) {
            let mut blocks = blocks;
            (blocks[0][0x18..0x1c]).fill(0);
            (blocks[0][0x1d], blocks[0][0x1e], blocks[0][0x1f]) = (8, 2, 0);
            let _ = read(&blocks);
        }
    }
}
