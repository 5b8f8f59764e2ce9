//! The scan of all inode tables: what every inode in use has, and that it may have it.

use std::collections::BTreeMap;

use super::allocation::Allocation;
use super::resize_inode::check_resize_inode;
use crate::ext4::bitmap::Bitmap;
use crate::ext4::block_map::{Piece, for_each_piece};
use crate::ext4::features::{compat, incompat, ro_compat};
use crate::ext4::fields::{le16, le32};
use crate::ext4::inode::{EA_INODE_FL, ENCRYPT_FL, EXTENTS_FL, INLINE_DATA_FL, corrupt, verify_checksum};
use crate::ext4::xattr::{block_refcount, parse_inode_area};
use crate::ext4::{Error, Inode, Kind, Reader, Superblock};

/// Bytes of an inode table that are read at once.
const CHUNK: usize = 256 * 1024;
/// Inode of the list of bad blocks.
const BAD_BLOCKS: u32 = 1;
/// Inode of the blocks that are reserved for group descriptors.
pub(super) const RESIZE: u32 = 7;
/// Above as many names a directory may count just one.
const LINK_MAX: u32 = 65_000;
/// `i_flags` of features that the check refuses: verity and casefold beside those of the reader.
const FOREIGN_FL: u32 = INLINE_DATA_FL | ENCRYPT_FL | EA_INODE_FL | 0x10_0000 | 0x4000_0000;
/// The kernel may leave written blocks behind the end of a file within one page of memory.
const PAGE: u64 = 4096;

/// An inode in use.
pub(super) struct UsedInode {
    pub(super) kind: Kind,
    i_links_count: u16,
    /// Names that were found.
    pub(super) names: u32,
    /// Of a directory: the one that names it, and the one that it names `..`.
    pub(super) parent: Option<u32>,
    pub(super) dot_dot: Option<u32>,
}

/// The inodes in use, by number.
pub(super) struct Inodes {
    used: BTreeMap<u32, UsedInode>,
    first_ino: u32,
    orphan_file: u32,
}

/// Reads all inodes, claims their blocks, and says which are in use.
pub(super) fn scan_inodes(
    reader: &Reader<'_>,
    allocation: &mut Allocation<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Inodes, Error> {
    let superblock = reader.superblock();
    let orphan_file =
        if superblock.features.has_compat(compat::ORPHAN_FILE) { superblock.s_orphan_file_inum } else { 0 };
    let mut inodes = Inodes { used: BTreeMap::new(), first_ino: superblock.s_first_ino, orphan_file };
    let mut scan = Scan { reader, allocation, shared: BTreeMap::new() };
    let size = usize::from(superblock.s_inode_size);
    let per_chunk = u32::try_from(CHUNK / size).unwrap_or(1);
    for (group, desc) in (0_u32..).zip(reader.groups()) {
        progress(group.into());
        let count = desc.initialised_inodes(superblock);
        for first in (0..count).step_by(CHUNK / size) {
            let wanted = usize::try_from((count - first).min(per_chunk)).unwrap_or(0);
            let mut chunk = vec![0; wanted * size];
            let table = superblock.byte_of_block(desc.bg_inode_table);
            reader.read_bytes(table + u64::from(first) * size as u64, &mut chunk)?;
            for (ino, raw) in (group * superblock.s_inodes_per_group + first + 1..).zip(chunk.chunks(size)) {
                // most of a table was never written
                if raw.iter().any(|byte| *byte != 0)
                    && let Some(used) = scan.inode(ino, raw)?
                {
                    inodes.used.insert(ino, used);
                }
            }
        }
    }
    scan.check_shared()?;
    match inodes.get(Reader::ROOT).map(|root| root.kind) {
        Some(Kind::Directory) => Ok(inodes),
        _ => Err(corrupt(Reader::ROOT, "root directory is missing")),
    }
}

struct Scan<'a, 'r> {
    reader: &'a Reader<'a>,
    allocation: &'a mut Allocation<'r>,
    /// Blocks of attributes: how many inodes each says that share it, and how many do.
    shared: BTreeMap<u64, (u32, u32)>,
}

impl Scan<'_, '_> {
    fn inode(&mut self, ino: u32, raw: &[u8]) -> Result<Option<UsedInode>, Error> {
        let superblock = self.reader.superblock();
        // what a deleted inode still holds is nobody's business, but its checksum is
        if le16(raw, 0x1a) == 0 && ino != BAD_BLOCKS {
            verify_checksum(superblock, ino, raw)?;
            return check_unused(superblock, ino, raw).map(|()| None);
        }
        let inode = Inode::parse(superblock, ino, raw)?;
        if ino == BAD_BLOCKS {
            return match inode.sectors == 0 && inode.i_block == [0; 60] {
                true => Ok(None),
                false => Err(Error::Unsupported("a list of bad blocks".to_owned())),
            };
        }
        let kind = inode.kind()?;
        if inode.i_dtime != 0 {
            return Err(corrupt(ino, "is in use but has a time of deletion"));
        }
        if inode.has_flag(FOREIGN_FL) {
            return Err(corrupt(ino, format_args!("has flags {:#x} of absent features", inode.i_flags)));
        }
        let sectors_per_block = u64::from(superblock.block_size / 512);
        let blocks = self.contents(&inode, kind)? + self.attributes(&inode)?;
        if blocks * sectors_per_block != inode.sectors {
            return Err(corrupt(
                ino,
                format_args!("counts {} sectors, but has {}", inode.sectors, blocks * sectors_per_block),
            ));
        }
        let i_links_count = inode.i_links_count;
        Ok(Some(UsedInode { kind, i_links_count, names: 0, parent: None, dot_dot: None }))
    }

    /// Claims the blocks of the contents and returns how many they are.
    fn contents(&mut self, inode: &Inode, kind: Kind) -> Result<u64, Error> {
        let superblock = self.reader.superblock();
        let resize = superblock.features.has_compat(compat::RESIZE_INODE);
        if inode.ino == RESIZE && resize {
            return check_resize_inode(self.reader, inode, self.allocation);
        }
        match kind {
            Kind::Regular | Kind::Directory => {}
            Kind::Symlink if !inode.is_fast_symlink(superblock) => {}
            Kind::Symlink => {
                let target = self.reader.link_target(inode)?;
                let rest = inode.i_block.get(target.len()..).unwrap_or_default();
                if target.contains(&0) || rest.first() != Some(&0) || inode.has_flag(EXTENTS_FL) {
                    return Err(corrupt(inode.ino, "target of the symbolic link has another length"));
                }
                return Ok(0);
            }
            _ if inode.size != 0 || inode.has_flag(EXTENTS_FL) => {
                return Err(corrupt(inode.ino, "is no regular file, but has a length"));
            }
            _ => return Ok(0),
        }
        if inode.has_flag(EXTENTS_FL) && !superblock.features.has_incompat(incompat::EXTENTS) {
            return Err(corrupt(inode.ino, "has extents, which are an absent feature"));
        }
        let (mut blocks, mut end, mut written_end) = (0, 0, 0);
        for_each_piece(self.reader, inode, &mut |piece| match piece {
            Piece::Tree(block) => {
                blocks += 1;
                self.allocation.claim_for_inode(block, 1, inode.ino)
            }
            Piece::Data(extent) => {
                blocks += u64::from(extent.length);
                end = extent.logical_end();
                if extent.initialised {
                    written_end = end;
                }
                self.allocation.claim_for_inode(extent.start, extent.length, inode.ino)
            }
        })?;
        check_size(self.reader, inode, kind, end, written_end)?;
        Ok(blocks)
    }

    /// Claims the block of attributes and returns how many blocks that are.
    fn attributes(&mut self, inode: &Inode) -> Result<u64, Error> {
        parse_inode_area(&inode.extra)
            .map_err(|problem| corrupt(inode.ino, format_args!("extended attributes: {problem}")))?;
        if inode.i_file_acl == 0 {
            return Ok(0);
        }
        if let Some((_, sharing)) = self.shared.get_mut(&inode.i_file_acl) {
            *sharing = sharing.saturating_add(1);
            return Ok(1);
        }
        let (block, _) = self.reader.xattr_block(inode)?;
        self.allocation.claim_for_inode(inode.i_file_acl, 1, inode.ino)?;
        self.shared.insert(inode.i_file_acl, (block_refcount(&block), 1));
        Ok(1)
    }

    fn check_shared(&self) -> Result<(), Error> {
        match self.shared.iter().find(|(_, (stored, sharing))| stored != sharing) {
            Some((block, (stored, sharing))) => Err(Error::Corrupt(format!(
                "attributes in block {block}: counts {stored} inodes, but {sharing} share it"
            ))),
            None => Ok(()),
        }
    }
}

/// An inode that is not in use was never used or was deleted at some time.
fn check_unused(superblock: &Superblock, ino: u32, raw: &[u8]) -> Result<(), Error> {
    let (i_mode, i_dtime) = (le16(raw, 0x0), le32(raw, 0x14));
    if i_mode != 0 && i_dtime == 0 && ino >= superblock.s_first_ino {
        return Err(corrupt(ino, "has a mode, but no name and no time of deletion"));
    }
    if ino == RESIZE && superblock.features.has_compat(compat::RESIZE_INODE) {
        return Err(corrupt(ino, "resize inode is missing"));
    }
    // an inode that was deleted while open is a link in a list, which stands in the place of its time
    let clocks = [superblock.s_wtime, superblock.s_mtime];
    let clock_was_right = clocks.iter().all(|time| *time == 0 || *time >= superblock.s_inodes_count);
    if clock_was_right && i_dtime != 0 && i_dtime < superblock.s_inodes_count {
        return Err(corrupt(ino, "is on the list of orphans"));
    }
    Ok(())
}

/// Whether the length of a file goes with the logical block behind its last, and behind the last written.
fn check_size(
    reader: &Reader<'_>,
    inode: &Inode,
    kind: Kind,
    end: u64,
    written_end: u64,
) -> Result<(), Error> {
    let superblock = reader.superblock();
    let block_size = u64::from(superblock.block_size);
    let wrong = |problem: &str| {
        Err(corrupt(inode.ino, format_args!("size {} {problem} (blocks end at {end})", inode.size)))
    };
    match kind {
        Kind::Directory if inode.size != end * block_size => wrong("is not that of the directory"),
        Kind::Symlink => {
            let target = reader.link_target(inode)?;
            match target.contains(&0) || end != 1 {
                true => wrong("is not that of the symbolic link"),
                false => Ok(()),
            }
        }
        Kind::Regular if inode.size.next_multiple_of(block_size.max(PAGE)) < written_end * block_size => {
            wrong("ends before the last block")
        }
        Kind::Regular
            if inode.size >= 1 << 31 && !superblock.features.has_ro_compat(ro_compat::LARGE_FILE) =>
        {
            wrong("needs the absent feature `large_file`")
        }
        Kind::Regular if inode.size.div_ceil(block_size) > 1 << 32 => wrong("is beyond the longest file"),
        _ => Ok(()),
    }
}

impl Inodes {
    /// The inode `ino` where it is in use.
    pub(super) fn get(&self, ino: u32) -> Option<&UsedInode> {
        self.used.get(&ino)
    }

    /// The inode `ino` where it is in use, to be counted.
    pub(super) fn get_mut(&mut self, ino: u32) -> Option<&mut UsedInode> {
        self.used.get_mut(&ino)
    }

    /// All directories with their number.
    pub(super) fn all_directories(&self) -> impl Iterator<Item = (u32, &UsedInode)> {
        let used = self.used.iter().map(|(ino, inode)| (*ino, inode));
        used.filter(|(_, inode)| inode.kind == Kind::Directory)
    }

    /// How many directories there are.
    pub(super) fn directories(&self) -> u32 {
        u32::try_from(self.all_directories().count()).unwrap_or(u32::MAX)
    }

    /// Whether an inode belongs to the file system itself and has no name.
    fn is_hidden(&self, ino: u32) -> bool {
        (ino != Reader::ROOT && ino < self.first_ino) || ino == self.orphan_file
    }

    /// Whether names may name this inode.
    pub(super) fn may_be_named(&self, ino: u32) -> bool {
        !self.is_hidden(ino)
    }

    /// Compares the names that were found with the names that inodes count.
    pub(super) fn check_links(&self, superblock: &Superblock) -> Result<(), Error> {
        let dir_nlink = superblock.features.has_ro_compat(ro_compat::DIR_NLINK);
        for (ino, inode) in &self.used {
            let many = dir_nlink && inode.kind == Kind::Directory && inode.names > LINK_MAX;
            let fits = u32::from(inode.i_links_count) == inode.names || (many && inode.i_links_count == 1);
            if self.is_hidden(*ino) || fits {
                continue;
            }
            return Err(corrupt(
                *ino,
                match inode.names {
                    0 => "is in use but has no name".to_owned(),
                    names => format!("counts {} names, but has {names}", inode.i_links_count),
                },
            ));
        }
        Ok(())
    }

    /// The inode bitmap that `group` should have, and how many of its inodes are directories.
    pub(super) fn used_in(&self, superblock: &Superblock, group: u32) -> (Bitmap, u32) {
        let per_group = superblock.s_inodes_per_group;
        let first = group * per_group + 1;
        let mut bitmap = Bitmap::new(per_group.into());
        let mut directories = 0;
        (first..superblock.s_first_ino.min(first + per_group)).for_each(|ino| {
            bitmap.set(u64::from(ino - first));
        });
        for (ino, inode) in self.used.range(first..=first + (per_group - 1)) {
            bitmap.set(u64::from(ino - first));
            directories += u32::from(inode.kind == Kind::Directory);
        }
        (bitmap, directories)
    }
}
