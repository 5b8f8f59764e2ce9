//! The content of a new file.
//!
//! The crate writes block by block and copies each block four times on the way to the device. So it only takes the
//! blocks, as unwritten extents; the bytes go to the device from here in long pieces, and the extents are then
//! told that they were written. The pieces pass through the crate's cache of blocks, which forgets what they
//! replace.

use std::io::{self, Read};

use super::session::Editor;
use crate::ext4::Error;
use crate::ext4::adapter::display;
use crate::ext4::extent::{Extent, MAX_UNWRITTEN, Node, mark_written, parse_node};
use crate::ext4::raw_inode::RawInode;

/// How much content is read and written at a time, in bytes: a multiple of every block size, and little enough to
/// stay in a processor's cache from one to the other.
const PIECE: usize = 256 << 10;

impl Editor {
    /// Gives the empty file in inode `number` the first `len` bytes of `content`.
    pub(super) fn fill(
        &mut self,
        path: &[u8],
        number: u32,
        content: &mut dyn Read,
        len: u64,
    ) -> Result<(), Error> {
        if len == 0 {
            return Ok(());
        }
        self.take_blocks(path, number, len)?;
        let extents = self.adopt_blocks(path, number, len)?;
        let block_size = u64::from(self.superblock.block_size);
        let mut piece =
            vec![0; PIECE.min(usize::try_from(len.next_multiple_of(block_size)).unwrap_or(PIECE))];
        for extent in extents {
            let mut at = u64::from(extent.logical).saturating_mul(block_size);
            let end = extent.logical_end().saturating_mul(block_size).min(len);
            let mut place = extent.start.saturating_mul(block_size);
            while at < end {
                let wanted = usize::try_from(end - at).unwrap_or(PIECE).min(piece.len());
                let got = read_whole(content, piece.get_mut(..wanted).unwrap_or_default());
                let got = got.map_err(content_error(path))?;
                at = at.saturating_add(got as u64);
                if got < wanted {
                    return Err(Error::InvalidValue(format!(
                        "the content of `{}`: expected {len} bytes, got {at}",
                        display(path)
                    )));
                }
                // the rest of the last block is zero, as the kernel leaves it
                let whole = wanted.next_multiple_of(self.superblock.block_size as usize);
                piece.get_mut(wanted..whole).unwrap_or_default().fill(0);
                let bytes = piece.get(..whole).unwrap_or_default();
                self.call(path, |fs| fs.dev.write_at(place, bytes))?;
                place = place.saturating_add(whole as u64);
            }
        }
        Ok(())
    }

    /// Takes unwritten blocks for `len` bytes, in runs as long as there are.
    fn take_blocks(&mut self, path: &[u8], number: u32, len: u64) -> Result<(), Error> {
        let block_size = u64::from(self.superblock.block_size);
        let blocks = len.div_ceil(block_size);
        if blocks > u64::from(u32::MAX) {
            return Err(Error::InvalidValue(format!("`{}`: {len} bytes in one file", display(path))));
        }
        let mut longest = MAX_UNWRITTEN;
        let mut at = 0;
        while at < blocks {
            let run = longest.min(blocks - at);
            match self
                .call(path, |fs| fs.apply_fallocate_keep_size(number, at * block_size, run * block_size))
            {
                Ok(()) => at += run,
                Err(Error::NoSpace(_)) if run > 1 => longest = run / 2,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes the unwritten extents of an inode written ones, and `len` bytes its length. Gives the extents in the
    /// order of the file.
    fn adopt_blocks(&mut self, path: &[u8], number: u32, len: u64) -> Result<Vec<Extent>, Error> {
        let corrupt = |problem| Error::Corrupt(format!("extents of `{}`: {problem}", display(path)));
        let (_, raw) = self.call(path, |fs| fs.read_inode_verified(number))?;
        let mut inode = RawInode(raw);
        let seed = self.superblock.checksum_seed().of_inode(number, inode.generation());
        let block_size = u64::from(self.superblock.block_size);
        let mut extents = Vec::new();
        let mut waiting = Vec::new();
        let mut adopt = |node, depth: Option<u16>, waiting: &mut Vec<_>| match node {
            Node::Leaf(found) if depth.is_none_or(|depth| depth == 0) => {
                extents.extend(found);
                Ok(true)
            }
            Node::Inner(found, children) if depth.is_none_or(|depth| depth == found) => {
                waiting.extend(children.into_iter().map(|index| (index.child, found.saturating_sub(1))));
                Ok(false)
            }
            _ => Err(corrupt("a node of another depth than its parent says".to_owned())),
        };
        let root = inode.block_map_mut();
        if adopt(parse_node(&self.superblock, root, None).map_err(corrupt)?, None, &mut waiting)? {
            mark_written(root, None);
        }
        while let Some((child, depth)) = waiting.pop() {
            let mut block = self.call(path, |fs| fs.read_block(child))?;
            let node = parse_node(&self.superblock, &block, Some(seed)).map_err(corrupt)?;
            if adopt(node, Some(depth), &mut waiting)? {
                mark_written(&mut block, Some(seed));
                self.call(path, |fs| fs.dev.write_at(child.saturating_mul(block_size), &block))?;
            }
        }
        inode.set_size(len);
        inode.stamp(&self.superblock, number);
        self.call(path, |fs| fs.write_inode_raw(number, &inode.0))?;
        extents.sort_unstable_by_key(|extent| extent.logical);
        Ok(extents)
    }
}

/// Fills `buf`, or as much of it as `content` has. Gives how much that was.
fn read_whole(content: &mut dyn Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match content.read(rest) {
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn content_error(path: &[u8]) -> impl FnOnce(io::Error) -> Error {
    let path = display(path);
    move |error| Error::Io(io::Error::new(error.kind(), format!("the content of `{path}`: {error}")))
}
