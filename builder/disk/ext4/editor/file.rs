//! Regular files: making, replacing and extending them.

use std::io::Read;

use super::attributes::Attributes;
use super::path::Place;
use super::session::{Editor, Found, REGULAR, conflict};
use crate::ext4::Error;

/// How much is added to a file at a time, in bytes. Each piece looks for one run of free blocks of its size first,
/// so larger pieces mean fewer extents; memory use is a few times this.
const PIECE: usize = 4 << 20;
/// The name of a file that is going to replace another one.
const SUCCESSOR: &[u8] = b".pimg-new";

impl Editor {
    /// Makes a regular file of exactly `len` bytes, read from `content` a few MiB at a time.
    ///
    /// Anything there but a directory is replaced: the new content goes to a new inode and to blocks that were
    /// free before, the old inode loses this name. Default access control lists are not inherited.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] where `content` ends early, [`Error::Conflict`] for a directory, and
    /// [`Error::NoSpace`]. The old file, if any, is left as it was.
    pub fn create_file(
        &mut self,
        path: impl AsRef<[u8]>,
        attributes: &Attributes,
        content: &mut dyn Read,
        len: u64,
    ) -> Result<(), Error> {
        let path = path.as_ref();
        self.check(attributes)?;
        self.check_length(path, len)?;
        let place = self.place(path)?;
        let old = self.lookup(path, place.parent, &place.name)?;
        if old.is_some_and(|old| old.is_directory()) {
            return Err(conflict(path, "is a directory"));
        }
        let name = if old.is_some() { self.successor_name(path, place.parent)? } else { place.name.clone() };
        let number = self.call(path, |fs| fs.apply_create_at(place.parent, &name, attributes.mode))?;
        self.touch(place.parent);
        let made = self.fill(path, number, content, len).and_then(|()| {
            let now = self.now;
            self.edit_inode(path, number, |inode| attributes.store(inode, now))?;
            old.map_or(Ok(()), |old| self.replace(path, &place, &name, old))
        });
        if made.is_err() {
            // the first error is the one to report, also where removing what was written fails too
            let _ = self.call(path, |fs| fs.apply_unlink_at(place.parent, &name));
            self.note_freed();
        }
        made
    }

    /// Adds `bytes` to the end of a regular file.
    ///
    /// # Errors
    /// [`Error::Conflict`] for anything but a regular file, [`Error::NotFound`], [`Error::NoSpace`].
    pub fn append(&mut self, path: impl AsRef<[u8]>, bytes: &[u8]) -> Result<(), Error> {
        let path = path.as_ref();
        let found = self.existing(path)?;
        if found.kind != REGULAR {
            return Err(conflict(path, "is not a regular file"));
        }
        let mut offset = found.size;
        self.check_length(path, offset.saturating_add(bytes.len() as u64))?;
        for piece in bytes.chunks(PIECE) {
            offset = self.write_piece(path, found.number, offset, piece)?;
        }
        Ok(())
    }

    /// Writes one piece and gives the offset behind it.
    fn write_piece(&mut self, path: &[u8], number: u32, offset: u64, piece: &[u8]) -> Result<u64, Error> {
        self.call(path, |fs| fs.apply_pwrite_ino(number, offset, piece))?;
        Ok(offset.saturating_add(piece.len() as u64))
    }

    /// A name that is not taken in `parent`.
    fn successor_name(&mut self, path: &[u8], parent: u32) -> Result<Vec<u8>, Error> {
        let mut name = SUCCESSOR.to_vec();
        while name.len() < 255 {
            if self.lookup(path, parent, &name)?.is_none() {
                return Ok(name);
            }
            name.push(b'~');
        }
        Err(conflict(path, "lies in a directory without a free name for its successor"))
    }

    /// Gives the file under `successor` the name of `old`.
    fn replace(&mut self, path: &[u8], place: &Place, successor: &[u8], old: Found) -> Result<(), Error> {
        self.call(path, |fs| fs.apply_rename_at(place.parent, successor, place.parent, &place.name, true))?;
        self.after_unlink(path, old)
    }
}
