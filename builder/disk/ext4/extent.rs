//! Extent trees: which blocks hold which part of a file.
//!
//! Format: kernel documentation, `filesystems/ext4/ifork.rst`. One function reads one node, be it the root in
//! the inode or a block; walking the tree is for [`block_map`](super::block_map).

use super::checksum::Seed;
use super::fields::{join, le16, le32, put16, put32};
use super::superblock::Superblock;

/// Magic number of every node.
const MAGIC: u16 = 0xf30a;
/// The kernel makes no deeper tree.
const MAX_DEPTH: u16 = 5;
/// Length of the header, and of every entry, in bytes.
const ENTRY_LEN: usize = 12;
/// Longest initialised extent in blocks; above it the length of an unwritten one is stored.
const MAX_INITIALISED: u16 = 32_768;
/// Longest unwritten extent in blocks.
pub(super) const MAX_UNWRITTEN: u64 = 32_767;

/// A run of blocks of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First block, counted from the start of the file.
    pub logical: u32,
    /// Blocks in the run.
    pub length: u32,
    /// First block, counted from the start of the file system.
    pub start: u64,
    /// Whether the blocks were written; unwritten ones read as zeroes.
    pub initialised: bool,
}

impl Extent {
    /// The logical block behind the run.
    pub fn logical_end(&self) -> u64 {
        u64::from(self.logical) + u64::from(self.length)
    }
}

/// An entry of an inner node: the first logical block below it, and the block of the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) logical: u32,
    pub(super) child: u64,
}

/// A node of an extent tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Depth 0.
    Leaf(Vec<Extent>),
    /// The depth, at least 1, and the children.
    Inner(u16, Vec<Index>),
}

/// Reads the node in `bytes` (60 of the inode or a block): its magic, depth, order, bounds and, in a block,
/// its checksum. The error is what is wrong, for the caller to say where.
pub(super) fn parse_node(superblock: &Superblock, bytes: &[u8], seed: Option<Seed>) -> Result<Node, String> {
    let (eh_magic, eh_entries, eh_max, eh_depth) =
        (le16(bytes, 0), le16(bytes, 2), le16(bytes, 4), le16(bytes, 6));
    if eh_magic != MAGIC {
        return Err(format!("found magic {eh_magic:#06x}, expected {MAGIC:#06x}"));
    }
    let room = (bytes.len() / ENTRY_LEN).saturating_sub(1);
    // a block may leave room for two entries at its end, for the checksum
    if usize::from(eh_max) > room || usize::from(eh_max) + 2 < room || eh_entries > eh_max {
        return Err(format!("has {eh_entries} of {eh_max} entries, with room for {room}"));
    }
    if eh_depth > MAX_DEPTH {
        return Err(format!("depth is {eh_depth}"));
    }
    if let Some(computed) = seed.and_then(|seed| tail_checksum(bytes, eh_max, seed)) {
        let stored = le32(bytes, ENTRY_LEN * (usize::from(eh_max) + 1));
        if stored != computed {
            return Err(format!(
                "checksum does not match (stored {stored:#010x}, computed {computed:#010x})"
            ));
        }
    }
    let entries = bytes.chunks_exact(ENTRY_LEN).skip(1).take(eh_entries.into());
    if eh_depth == 0 {
        return parse_leaf(superblock, entries).map(Node::Leaf);
    }
    parse_inner(superblock, entries).map(|children| Node::Inner(eh_depth, children))
}

/// Says of all extents of the leaf in `bytes`, which [`parse_node`] has read, that they were written.
pub(super) fn mark_written(bytes: &mut [u8], seed: Option<Seed>) {
    let (eh_entries, eh_max) = (le16(bytes, 2), le16(bytes, 4));
    for entry in bytes.chunks_exact_mut(ENTRY_LEN).skip(1).take(eh_entries.into()) {
        let ee_len = le16(entry, 4);
        if ee_len > MAX_INITIALISED {
            put16(entry, 4, ee_len - MAX_INITIALISED);
        }
    }
    if let Some(computed) = seed.and_then(|seed| tail_checksum(bytes, eh_max, seed)) {
        put32(bytes, ENTRY_LEN * (usize::from(eh_max) + 1), computed);
    }
}

fn tail_checksum(bytes: &[u8], eh_max: u16, seed: Seed) -> Option<u32> {
    seed.with(bytes.get(..ENTRY_LEN * (usize::from(eh_max) + 1))?).value()
}

fn parse_leaf<'a>(
    superblock: &Superblock,
    entries: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<Extent>, String> {
    let mut extents: Vec<Extent> = Vec::new();
    for entry in entries {
        let ee_len = le16(entry, 4);
        let initialised = ee_len <= MAX_INITIALISED;
        let extent = Extent {
            logical: le32(entry, 0),
            length: u32::from(if initialised { ee_len } else { ee_len - MAX_INITIALISED }),
            start: join(le32(entry, 8), le16(entry, 6).into()),
            initialised,
        };
        let end = extent.start + u64::from(extent.length);
        if extent.length == 0
            || extent.start <= u64::from(superblock.s_first_data_block)
            || end > superblock.s_blocks_count
        {
            return Err(format!("extent of {} blocks at block {}", extent.length, extent.start));
        }
        if extent.logical_end() > 1 << 32
            || extents.last().is_some_and(|last| last.logical_end() > extent.logical.into())
        {
            return Err(format!("extent at logical block {} is out of order", extent.logical));
        }
        extents.push(extent);
    }
    Ok(extents)
}

fn parse_inner<'a>(
    superblock: &Superblock,
    entries: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<Index>, String> {
    let mut children: Vec<Index> = Vec::new();
    for entry in entries {
        let index = Index { logical: le32(entry, 0), child: join(le32(entry, 4), le16(entry, 8).into()) };
        if index.child <= u64::from(superblock.s_first_data_block) || index.child >= superblock.s_blocks_count
        {
            return Err(format!("node at block {}", index.child));
        }
        if children.last().is_some_and(|last| last.logical >= index.logical) {
            return Err(format!("node for logical block {} is out of order", index.logical));
        }
        children.push(index);
    }
    if children.is_empty() {
        return Err("inner node without children".to_owned());
    }
    Ok(children)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext4::superblock::tests::raw_superblock;
    use proptest::prelude::*;

    fn root(depth: u16, entries: &[(u32, u16, u32)]) -> [u8; 60] {
        let mut bytes = [0; 60];
        put16(&mut bytes, 0, MAGIC);
        put16(&mut bytes, 2, u16::try_from(entries.len()).expect("few entries"));
        put16(&mut bytes, 4, 4);
        put16(&mut bytes, 6, depth);
        for ((logical, length, start), at) in entries.iter().zip((12..).step_by(12)) {
            put32(&mut bytes, at, *logical);
            put16(&mut bytes, at + 4, *length);
            put32(&mut bytes, at + 8, *start);
        }
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Node, String> {
        parse_node(&Superblock::parse(&raw_superblock()).expect("a good superblock"), bytes, None)
    }

    #[test]
    fn unwritten_extents_store_their_length_above_32768() {
        let extents = parse(&root(0, &[(0, 32_768, 100), (40_000, 32_769, 200)])).expect("good extents");
        let expected = [
            Extent { logical: 0, length: 32_768, start: 100, initialised: true },
            Extent { logical: 40_000, length: 1, start: 200, initialised: false },
        ];
        assert_eq!(extents, Node::Leaf(expected.to_vec()));
    }

    #[test]
    fn what_is_marked_as_written_has_its_checksum() {
        let mut block = vec![0; 1024];
        block[..60].copy_from_slice(&root(0, &[(0, 32_768, 100), (40_000, 32_768 + 300, 200)]));
        put16(&mut block, 4, 84);
        let seed = Some(Seed::Crc32c(7));
        mark_written(&mut block, seed);
        let superblock = Superblock::parse(&raw_superblock()).expect("a good superblock");
        let expected = [
            Extent { logical: 0, length: 32_768, start: 100, initialised: true },
            Extent { logical: 40_000, length: 300, start: 200, initialised: true },
        ];
        assert_eq!(parse_node(&superblock, &block, seed), Ok(Node::Leaf(expected.to_vec())));
    }

    #[test]
    fn impossible_nodes_are_refused() {
        let table = [
            (root(0, &[(0, 0, 100)]), "extent of 0 blocks at block 100"),
            (root(0, &[(0, 2, 39_999)]), "extent of 2 blocks at block 39999"),
            (root(0, &[(0, 2, 0)]), "extent of 2 blocks at block 0"),
            (root(0, &[(5, 2, 100), (6, 2, 200)]), "extent at logical block 6 is out of order"),
            (root(0, &[(u32::MAX, 2, 100)]), "extent at logical block 4294967295 is out of order"),
            (root(6, &[]), "depth is 6"),
            (root(1, &[]), "inner node without children"),
            ([0; 60], "found magic 0x0000, expected 0xf30a"),
        ];
        for (bytes, expected) in table {
            assert_eq!(parse(&bytes), Err(expected.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_node_or_an_error(
            mut bytes in proptest::collection::vec(any::<u8>(), 60),
            entries in 0_u16..5,
            depth in 0_u16..7,
        ) {
            put16(&mut bytes, 0, MAGIC);
            put16(&mut bytes, 2, entries);
            put16(&mut bytes, 4, 4);
            put16(&mut bytes, 6, depth);
            if let Ok(Node::Leaf(extents)) = parse(&bytes) {
                prop_assert!(extents.iter().all(|extent| extent.start + u64::from(extent.length) <= 40_000));
            }
        }
    }
}
