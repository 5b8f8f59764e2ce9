//! The reader: an opened file system, its inodes, attributes and links.
//!
//! It reads whatever the features allow, clean or not, and verifies every checksum on the way.
//! [`Reader::require_editable`] is what stands before a first write.

use super::Error;
use super::block_map::{Piece, for_each_piece};
use super::extent::Extent;
use super::file::File;
use super::group_desc::{GroupDesc, read_group_descs};
use super::inode::{ENCRYPT_FL, Inode, Kind, corrupt};
use super::journal::require_nothing_pending;
use super::superblock::Superblock;
use super::xattr::{Xattr, parse_block, parse_inode_area};
use crate::block::BlockRead;

/// An ext4 file system that can be read.
pub struct Reader<'d> {
    device: Box<dyn BlockRead + 'd>,
    superblock: Superblock,
    groups: Vec<GroupDesc>,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("superblock", &self.superblock).finish_non_exhaustive()
    }
}

impl<'d> Reader<'d> {
    /// Inode of the root directory.
    pub const ROOT: u32 = 2;

    /// Opens the file system that begins at the first byte of `device`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where superblock or group descriptors are broken or there is no ext4 at all;
    /// [`Error::Unsupported`] for features that the reader does not know.
    pub fn open(device: impl BlockRead + 'd) -> Result<Self, Error> {
        let superblock = Superblock::read(&device)?;
        let groups = read_group_descs(&device, &superblock)?;
        Ok(Self { device: Box::new(device), superblock, groups })
    }

    /// The superblock.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// The descriptors of all groups, in order.
    pub fn groups(&self) -> &[GroupDesc] {
        &self.groups
    }

    /// Refuses a file system that must not be edited as it is: for its features, for a journal or orphans that
    /// a mount would first have to deal with, for errors that the kernel recorded.
    ///
    /// # Errors
    /// [`Error::Unsupported`] or, where something is broken, [`Error::Corrupt`].
    pub fn require_editable(&self) -> Result<(), Error> {
        self.superblock.features.require_editable()?;
        self.require_clean()
    }

    /// Refuses a file system that was not left in a clean state: superblock, journal and orphan file.
    ///
    /// # Errors
    /// [`Error::Unsupported`] or, where something is broken, [`Error::Corrupt`].
    pub fn require_clean(&self) -> Result<(), Error> {
        self.superblock.require_clean()?;
        require_nothing_pending(self)
    }

    /// Reads inode `ino`, used or not.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where there is no such inode or its checksum does not match.
    pub fn inode(&self, ino: u32) -> Result<Inode, Error> {
        let no_such = || corrupt(ino, "no such inode");
        let (group, index) = self.superblock.place_of_inode(ino).ok_or_else(no_such)?;
        let desc =
            usize::try_from(group).ok().and_then(|group| self.groups.get(group)).ok_or_else(no_such)?;
        let table = self.superblock.byte_of_block(desc.bg_inode_table);
        let mut raw = vec![0; usize::from(self.superblock.s_inode_size)];
        self.device.read_at(table + u64::from(index) * u64::from(self.superblock.s_inode_size), &mut raw)?;
        Inode::parse(&self.superblock, ino, &raw)
    }

    /// Reads an inode that a directory names: it must be in use.
    pub(super) fn used_inode(&self, ino: u32) -> Result<Inode, Error> {
        let inode = self.inode(ino)?;
        if inode.i_links_count == 0 {
            return Err(corrupt(ino, "has a name but is not in use"));
        }
        Ok(inode)
    }

    /// Opens the contents of a file for reading.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where its blocks are not to be found; [`Error::Unsupported`] where they are
    /// encrypted or lie in the inode.
    pub fn file(&self, ino: u32) -> Result<File<'_>, Error> {
        self.file_of(&self.used_inode(ino)?)
    }

    pub(super) fn file_of(&self, inode: &Inode) -> Result<File<'_>, Error> {
        if inode.has_flag(ENCRYPT_FL) {
            return Err(Error::Unsupported(format!("`encrypt` in inode {}", inode.ino)));
        }
        Ok(File::new(self, inode.size, self.extents(inode)?))
    }

    /// Reads bytes of a file from `offset` on and says how many there were before its end. Who reads a file in
    /// pieces takes [`Reader::file`].
    ///
    /// # Errors
    /// As [`Reader::file`].
    pub fn read_at(&self, ino: u32, offset: u64, buf: &mut [u8]) -> Result<usize, Error> {
        self.file(ino)?.read_at(offset, buf)
    }

    /// Reads a whole file of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Reader::file`]; [`Error::InvalidValue`] where the file is longer.
    pub fn read_all(&self, ino: u32, limit: usize) -> Result<Vec<u8>, Error> {
        let file = self.file(ino)?;
        let length = usize::try_from(file.len()).ok().filter(|length| *length <= limit);
        let length = length.ok_or_else(|| {
            Error::InvalidValue(format!("inode {ino} in {limit} bytes: it has {}", file.len()))
        })?;
        let mut bytes = vec![0; length];
        file.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads the target of a symbolic link.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the inode is no link or its target is empty or longer than a block.
    pub fn read_link(&self, ino: u32) -> Result<Vec<u8>, Error> {
        self.link_target(&self.used_inode(ino)?)
    }

    pub(super) fn link_target(&self, inode: &Inode) -> Result<Vec<u8>, Error> {
        if inode.kind()? != Kind::Symlink {
            return Err(corrupt(inode.ino, "is no symbolic link"));
        }
        let bad_length = || corrupt(inode.ino, format_args!("symbolic link of {} bytes", inode.size));
        let size = usize::try_from(inode.size).map_err(|_| bad_length())?;
        if inode.is_fast_symlink(&self.superblock) {
            let target = inode.i_block.get(..size).filter(|_| (1..60).contains(&size));
            return target.map(<[u8]>::to_vec).ok_or_else(bad_length);
        }
        if size == 0 || size >= self.superblock.block_len() {
            return Err(bad_length());
        }
        let mut target = vec![0; size];
        self.file_of(inode)?.read_at(0, &mut target)?;
        Ok(target)
    }

    /// The extended attributes of an inode, sorted by name.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where they are broken.
    pub fn xattrs(&self, ino: u32) -> Result<Vec<Xattr>, Error> {
        self.xattrs_of(&self.used_inode(ino)?)
    }

    pub(super) fn xattrs_of(&self, inode: &Inode) -> Result<Vec<Xattr>, Error> {
        let problem = |problem| corrupt(inode.ino, format_args!("extended attributes: {problem}"));
        let mut xattrs = parse_inode_area(&inode.extra).map_err(problem)?;
        if inode.i_file_acl != 0 {
            xattrs.extend(self.xattr_block(inode)?.1);
        }
        xattrs.sort();
        Ok(xattrs)
    }

    /// The bytes of an inode's block of attributes and the attributes in it.
    pub(super) fn xattr_block(&self, inode: &Inode) -> Result<(Vec<u8>, Vec<Xattr>), Error> {
        let number = inode.i_file_acl;
        if number <= u64::from(self.superblock.s_first_data_block) || number >= self.superblock.s_blocks_count
        {
            return Err(corrupt(inode.ino, format_args!("`i_file_acl` is block {number}")));
        }
        let block = self.read_block(number)?;
        let xattrs = parse_block(&block, number, self.superblock.checksum_seed()).map_err(|problem| {
            corrupt(inode.ino, format_args!("extended attributes in block {number}: {problem}"))
        })?;
        Ok((block, xattrs))
    }

    /// The runs of blocks with the contents of an inode, in order.
    pub(super) fn extents(&self, inode: &Inode) -> Result<Vec<Extent>, Error> {
        let mut extents = Vec::new();
        for_each_piece(self, inode, &mut |piece| {
            if let Piece::Data(extent) = piece {
                extents.push(extent);
            }
            Ok(())
        })?;
        Ok(extents)
    }

    /// Reads into `buf` of `inode`, hidden ones included; behind the end of the file it stays as it is.
    pub(super) fn read_file(&self, inode: &Inode, offset: u64, buf: &mut [u8]) -> Result<usize, Error> {
        self.file_of(inode)?.read_at(offset, buf)
    }

    /// Reads one block.
    pub(super) fn read_block(&self, block: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; self.superblock.block_len()];
        self.read_bytes(self.superblock.byte_of_block(block), &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `buf` from byte `offset` of the file system on.
    pub(super) fn read_bytes(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        Ok(self.device.read_at(offset, buf)?)
    }

    /// The device below.
    pub(super) fn device(&self) -> &dyn BlockRead {
        &*self.device
    }
}
