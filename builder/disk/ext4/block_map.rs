//! From an inode to its blocks: by extents, or by the older map of direct and indirect blocks.
//!
//! Both walks end on any bytes. Extent nodes get shallower on the way down and every node must begin where its
//! parent says, so none is seen twice; the indirect map has three levels; and no file may map more blocks than
//! the file system has.

use super::Error;
use super::extent::{Extent, Index, Node, parse_node};
use super::fields::le32;
use super::inode::{EXTENTS_FL, INLINE_DATA_FL, Inode, corrupt};
use super::reader::Reader;

/// What belongs to an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Blocks with the contents.
    Data(Extent),
    /// A block of the extent tree or of the indirect map.
    Tree(u64),
}

/// Who is told of the pieces.
type Visit<'v> = dyn FnMut(Piece) -> Result<(), Error> + 'v;

/// Tells `visit` all pieces of `inode`, data in the order of the file.
pub(super) fn for_each_piece(reader: &Reader<'_>, inode: &Inode, visit: &mut Visit<'_>) -> Result<(), Error> {
    if inode.has_flag(INLINE_DATA_FL) {
        return Err(Error::Unsupported(format!("`inline_data` in inode {}", inode.ino)));
    }
    let limit = reader.superblock().s_blocks_count;
    let mut mapped = 0;
    let mut counted = |piece: Piece| {
        mapped += match piece {
            Piece::Data(extent) => u64::from(extent.length),
            Piece::Tree(_) => 1,
        };
        if mapped > limit {
            return Err(corrupt(inode.ino, "maps more blocks than the file system has"));
        }
        visit(piece)
    };
    if inode.has_flag(EXTENTS_FL) {
        let root = parse_node(reader.superblock(), &inode.i_block, None)
            .map_err(|problem| corrupt(inode.ino, format_args!("extent root: {problem}")))?;
        return walk_extents(reader, inode, root, 0..1 << 32, &mut counted);
    }
    walk_indirect(reader, inode, &mut counted)
}

fn walk_extents(
    reader: &Reader<'_>,
    inode: &Inode,
    node: Node,
    bounds: std::ops::Range<u64>,
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    let outside = |logical: u32| {
        corrupt(inode.ino, format_args!("extent at logical block {logical} is not below its node"))
    };
    let (depth, children) = match node {
        Node::Leaf(extents) => {
            for extent in extents {
                if u64::from(extent.logical) < bounds.start || extent.logical_end() > bounds.end {
                    return Err(outside(extent.logical));
                }
                visit(Piece::Data(extent))?;
            }
            return Ok(());
        }
        Node::Inner(depth, children) => (depth, children),
    };
    let ends = children.iter().skip(1).map(|next| u64::from(next.logical)).chain([bounds.end]);
    for (Index { logical, child }, end) in children.iter().copied().zip(ends) {
        let problem = |problem| corrupt(inode.ino, format_args!("extent node at block {child}: {problem}"));
        visit(Piece::Tree(child))?;
        let bytes = reader.read_block(child)?;
        let node = parse_node(reader.superblock(), &bytes, Some(inode.seed)).map_err(problem)?;
        let (child_depth, first) = match &node {
            Node::Leaf(extents) => (0, extents.first().map(|first| first.logical)),
            Node::Inner(depth, children) => (*depth, children.first().map(|first| first.logical)),
        };
        if child_depth + 1 != depth {
            return Err(problem(format!("depth is {child_depth}, below depth {depth}")));
        }
        if first != Some(logical) || u64::from(logical) < bounds.start || u64::from(logical) >= end {
            return Err(problem(format!("does not begin at logical block {logical}, as its parent says")));
        }
        walk_extents(reader, inode, node, logical.into()..end, visit)?;
    }
    Ok(())
}

fn walk_indirect(reader: &Reader<'_>, inode: &Inode, visit: &mut Visit<'_>) -> Result<(), Error> {
    let mut walk = IndirectWalk { reader, inode, visit, run: None, logical: 0 };
    for word in 0..15 {
        let level = if word < 12 { 0 } else { word - 11 };
        walk.entry(le32(&inode.i_block, word as usize * 4), level)?;
    }
    walk.flush()
}

/// Gathers neighbouring blocks of an indirect map into extents.
struct IndirectWalk<'a, 'v> {
    reader: &'a Reader<'a>,
    inode: &'a Inode,
    visit: &'a mut Visit<'v>,
    run: Option<Extent>,
    logical: u64,
}

impl IndirectWalk<'_, '_> {
    /// Follows one number of the map; `level` is how many indirect blocks lie between it and data.
    fn entry(&mut self, block: u32, level: u32) -> Result<(), Error> {
        let per_block = u64::from(self.reader.superblock().block_size / 4);
        let span = per_block.pow(level);
        if block == 0 {
            self.logical += span;
            return Ok(());
        }
        let superblock = self.reader.superblock();
        if block <= superblock.s_first_data_block || u64::from(block) >= superblock.s_blocks_count {
            return Err(corrupt(self.inode.ino, format_args!("maps block {block}")));
        }
        if level == 0 {
            return self.data(block);
        }
        self.flush()?;
        (self.visit)(Piece::Tree(block.into()))?;
        let bytes = self.reader.read_block(block.into())?;
        for word in 0..bytes.len() / 4 {
            self.entry(le32(&bytes, word * 4), level - 1)?;
        }
        Ok(())
    }

    fn data(&mut self, block: u32) -> Result<(), Error> {
        let logical = u32::try_from(self.logical)
            .map_err(|_| corrupt(self.inode.ino, "maps blocks behind the longest possible file"))?;
        self.logical += 1;
        if let Some(run) = &mut self.run
            && run.logical_end() == u64::from(logical)
            && run.start + u64::from(run.length) == u64::from(block)
        {
            run.length += 1;
            return Ok(());
        }
        self.flush()?;
        self.run = Some(Extent { logical, length: 1, start: block.into(), initialised: true });
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.run.take().map_or(Ok(()), |run| (self.visit)(Piece::Data(run)))
    }
}
