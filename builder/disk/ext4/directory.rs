//! Directories: their blocks, the names in them, and the way from a path to an inode.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use super::Error;
use super::block_map::{Piece, for_each_piece};
use super::dir_entry::{RawEntry, parse_entries, verify_leaf};
use super::dir_htree::{Tree, read_tree};
use super::features::compat;
use super::inode::{ENCRYPT_FL, INDEX_FL, Inode, Kind, corrupt};
use super::reader::Reader;

/// As many links in one path as the kernel follows.
const MAX_LINKS: usize = 40;

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The name, without a slash.
    pub name: Vec<u8>,
    /// The inode it names.
    pub ino: u32,
}

/// A block of a directory.
pub(super) struct DirBlock<'b> {
    /// Counted from the start of the directory.
    pub(super) logical: u32,
    /// What the block is for.
    pub(super) role: Role<'b>,
    /// The names; none in a node of the hash tree but its root.
    pub(super) entries: Vec<RawEntry<'b>>,
}

/// What a block of a directory is for.
pub(super) enum Role<'b> {
    /// It holds names, and there is no hash tree.
    Linear,
    /// It is a node of the hash tree.
    Node,
    /// It holds the names with these hashes under this version.
    Leaf(u8, &'b RangeInclusive<u32>),
    /// There is a hash tree, but it does not know the block.
    Stray,
}

impl<'t> Role<'t> {
    fn of(logical: u32, tree: Option<&'t Tree>) -> Self {
        match tree {
            None => Self::Linear,
            Some(tree) if tree.nodes.binary_search(&logical).is_ok() => Self::Node,
            Some(tree) => match tree.leaves.get(&logical) {
                Some(hashes) => Self::Leaf(tree.hash_version, hashes),
                None => Self::Stray,
            },
        }
    }
}

/// Tells `visit` every block of a directory, in order, checksums verified.
pub(super) fn for_each_dir_block(
    reader: &Reader<'_>,
    inode: &Inode,
    visit: &mut dyn FnMut(DirBlock<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    if inode.has_flag(ENCRYPT_FL) {
        return Err(Error::Unsupported(format!("`encrypt` in inode {}", inode.ino)));
    }
    let blocks = physical_blocks(reader, inode)?;
    let read = |logical: u32| match usize::try_from(logical).ok().and_then(|index| blocks.get(index)) {
        Some(block) => reader.read_block(*block),
        None => Err(corrupt(inode.ino, format_args!("directory has no block {logical}"))),
    };
    let indexed = inode.has_flag(INDEX_FL) && reader.superblock().features.has_compat(compat::DIR_INDEX);
    let count = u32::try_from(blocks.len()).unwrap_or(u32::MAX);
    let tree = match indexed {
        true => Some(read_tree(count, inode.seed, read, |problem| corrupt(inode.ino, problem))?),
        false => None,
    };
    for logical in 0..count {
        let problem = |problem| corrupt(inode.ino, format_args!("directory block {logical}: {problem}"));
        let block = read(logical)?;
        let role = Role::of(logical, tree.as_ref());
        if !matches!(role, Role::Node) {
            verify_leaf(&block, inode.seed).map_err(problem)?;
        }
        visit(DirBlock { logical, role, entries: parse_entries(&block).map_err(problem)? })?;
    }
    Ok(())
}

/// The blocks of a directory by their logical number; it has no holes.
fn physical_blocks(reader: &Reader<'_>, inode: &Inode) -> Result<Vec<u64>, Error> {
    let superblock = reader.superblock();
    let count = inode.size / u64::from(superblock.block_size);
    if !inode.size.is_multiple_of(superblock.block_size.into())
        || !(1..superblock.s_blocks_count).contains(&count)
    {
        return Err(corrupt(inode.ino, format_args!("directory of {} bytes", inode.size)));
    }
    let mut blocks = Vec::new();
    for_each_piece(reader, inode, &mut |piece| {
        let Piece::Data(extent) = piece else { return Ok(()) };
        let hole = blocks.len() as u64 != u64::from(extent.logical);
        if (hole && (blocks.len() as u64) < count) || !extent.initialised {
            return Err(corrupt(inode.ino, format_args!("directory has no block {}", blocks.len())));
        }
        let wanted = (count - blocks.len() as u64).min(extent.length.into());
        blocks.extend(extent.start..extent.start + wanted);
        Ok(())
    })?;
    if (blocks.len() as u64) < count {
        return Err(corrupt(inode.ino, format_args!("directory has no block {}", blocks.len())));
    }
    Ok(blocks)
}

impl Reader<'_> {
    /// The names in a directory without `.` and `..`, in the order of the directory.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the directory is broken or the inode is none; [`Error::Unsupported`] for
    /// encrypted names.
    pub fn read_dir(&self, ino: u32) -> Result<Vec<DirEntry>, Error> {
        self.entries_of(&self.used_inode(ino)?)
    }

    pub(super) fn entries_of(&self, inode: &Inode) -> Result<Vec<DirEntry>, Error> {
        if inode.kind()? != Kind::Directory {
            return Err(corrupt(inode.ino, "is no directory"));
        }
        let mut entries = Vec::new();
        for_each_dir_block(self, inode, &mut |block| {
            let named = block.entries.iter().filter(|entry| !matches!(entry.name, b"." | b".."));
            entries.extend(named.map(|entry| DirEntry { name: entry.name.to_vec(), ino: entry.inode }));
            Ok(())
        })?;
        Ok(entries)
    }

    fn find(&self, directory: &Inode, name: &[u8]) -> Result<Option<u32>, Error> {
        let mut found = None;
        for_each_dir_block(self, directory, &mut |block| {
            found = found.or_else(|| Some(block.entries.iter().find(|entry| entry.name == name)?.inode));
            Ok(())
        })?;
        Ok(found)
    }

    /// The inode of an absolute path; with `follow`, a symbolic link at its end is followed too. Links never
    /// lead out of the file system: absolute ones begin at its root.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] where the way leads through something that is no directory or
    /// through too many links; [`Error::Corrupt`].
    pub fn lookup(&self, path: &[u8], follow: bool) -> Result<Inode, Error> {
        let shown = || String::from_utf8_lossy(path).into_owned();
        let mut pending: VecDeque<Vec<u8>> = components(path).collect();
        let mut inode = self.used_inode(Self::ROOT)?;
        let mut links = 0;
        while let Some(name) = pending.pop_front() {
            if inode.kind()? != Kind::Directory {
                return Err(Error::Conflict {
                    path: shown(),
                    problem: "leads through what is not a directory",
                });
            }
            let found = self.find(&inode, &name)?;
            let next = self.used_inode(found.ok_or_else(|| Error::NotFound { path: shown() })?)?;
            if next.kind()? != Kind::Symlink || (pending.is_empty() && !follow) {
                inode = next;
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(Error::Conflict {
                    path: shown(),
                    problem: "leads through too many symbolic links",
                });
            }
            let target = self.link_target(&next)?;
            if target.starts_with(b"/") {
                inode = self.used_inode(Self::ROOT)?;
            }
            components(&target).rev().for_each(|name| pending.push_front(name));
        }
        Ok(inode)
    }
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b".")).map(<[u8]>::to_vec)
}
