//! Names: directories, links, device nodes, renaming and removing.

use std::collections::BTreeSet;

use super::attributes::Attributes;
use super::session::{Editor, Found, conflict};
use crate::ext4::adapter::display;
use crate::ext4::raw_inode::TimeField;
use crate::ext4::{Error, Kind};

/// What a node that holds no content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A character device: major number up to 4095, minor up to 1048575.
    CharacterDevice {
        /// Which driver.
        major: u32,
        /// Which of its devices.
        minor: u32,
    },
    /// A block device: major number up to 4095, minor up to 1048575.
    BlockDevice {
        /// Which driver.
        major: u32,
        /// Which of its devices.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl NodeKind {
    /// The type bits of the mode, and the device number.
    fn parts(self) -> (u16, Option<(u32, u32)>) {
        match self {
            Self::CharacterDevice { major, minor } => (0o020_000, Some((major, minor))),
            Self::BlockDevice { major, minor } => (0o060_000, Some((major, minor))),
            Self::Fifo => (0o010_000, None),
            Self::Socket => (0o140_000, None),
        }
    }
}

impl Editor {
    /// Whether something is at `path`: a symbolic link counts, wherever it leads.
    ///
    /// # Errors
    /// [`Error::Corrupt`], and [`Error::Conflict`] where something above is no directory.
    pub fn exists(&mut self, path: impl AsRef<[u8]>) -> Result<bool, Error> {
        let path = path.as_ref();
        let place = match self.place(path) {
            Err(Error::NotFound { .. }) => return Ok(false),
            place => place?,
        };
        Ok(self.lookup(path, place.parent, &place.name)?.is_some())
    }

    /// What is at `path`, the link at its end not followed; `None` where nothing is.
    ///
    /// # Errors
    /// [`Error::Corrupt`], and [`Error::Conflict`] where something above is no directory.
    pub fn kind(&mut self, path: impl AsRef<[u8]>) -> Result<Option<Kind>, Error> {
        let path = path.as_ref();
        if path == b"/" {
            return Ok(Some(Kind::Directory));
        }
        let place = match self.place(path) {
            Err(Error::NotFound { .. }) => return Ok(None),
            place => place?,
        };
        let Some(found) = self.lookup(path, place.parent, &place.name)? else { return Ok(None) };
        let unknown = || Error::Corrupt(format!("`{}` is of no kind that there is", display(path)));
        Kind::of_mode(found.kind).map(Some).ok_or_else(unknown)
    }

    /// Makes an empty directory. Default access control lists and set-group-id are not inherited.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the path is there already, [`Error::NotFound`] where its parent is not,
    /// [`Error::NoSpace`].
    pub fn mkdir(&mut self, path: impl AsRef<[u8]>, attributes: &Attributes) -> Result<(), Error> {
        let path = path.as_ref();
        self.check(attributes)?;
        let place = self.place(path)?;
        let number = self.call(path, |fs| fs.apply_mkdir_at(place.parent, &place.name, attributes.mode))?;
        self.touch(place.parent);
        let now = self.now;
        self.edit_inode(path, number, |inode| attributes.store(inode, now))
    }

    /// Makes a symbolic link at `path` with `target` as its text. Its permissions are always `0o777`.
    ///
    /// # Errors
    /// As [`Editor::mkdir`]; [`Error::InvalidValue`] for a target that is empty, holds a zero byte, or does not
    /// fit: 4095 bytes, and less than a block.
    pub fn symlink(
        &mut self,
        path: impl AsRef<[u8]>,
        target: impl AsRef<[u8]>,
        attributes: &Attributes,
    ) -> Result<(), Error> {
        let (path, target) = (path.as_ref(), target.as_ref());
        self.check(attributes)?;
        // the kernel wants room for a zero byte behind the target, the crate does not ask for it
        let room = self.call(path, |fs| Ok(fs.sb.block_size()))?.min(4096);
        if target.is_empty() || target.contains(&0) || target.len() as u64 >= u64::from(room) {
            return Err(Error::InvalidValue(format!(
                "the target of `{}`: expected 1 to {} bytes without a zero, got {}",
                display(path),
                room.saturating_sub(1),
                target.len()
            )));
        }
        let place = self.place(path)?;
        let number = self.call(path, |fs| fs.apply_symlink_at(place.parent, &place.name, target))?;
        self.touch(place.parent);
        let now = self.now;
        self.edit_inode(path, number, |inode| attributes.store(inode, now))
    }

    /// Makes a device node, a named pipe or a socket.
    ///
    /// # Errors
    /// As [`Editor::mkdir`]; [`Error::InvalidValue`] for a device number that Linux cannot hold.
    pub fn mknod(
        &mut self,
        path: impl AsRef<[u8]>,
        kind: NodeKind,
        attributes: &Attributes,
    ) -> Result<(), Error> {
        let path = path.as_ref();
        self.check(attributes)?;
        let (file_type, device) = kind.parts();
        if let Some((major, minor)) = device.filter(|&(major, minor)| major > 0xfff || minor > 0xf_ffff) {
            return Err(Error::InvalidValue(format!("the device number {major}:{minor}")));
        }
        let place = self.place(path)?;
        let mode = file_type | attributes.mode;
        let number = self.call(path, |fs| fs.apply_mknod_at(place.parent, &place.name, mode, 0, 0))?;
        self.touch(place.parent);
        let now = self.now;
        self.edit_inode(path, number, |inode| {
            // the crate stores numbers over 255 in an encoding that cannot hold them, and says nothing
            if let Some((major, minor)) = device {
                inode.set_device(major, minor);
            }
            attributes.store(inode, now)
        })
    }

    /// Gives the file at `existing` a second name, `path`.
    ///
    /// # Errors
    /// [`Error::Conflict`] where `existing` is a directory or `path` is there already, [`Error::NotFound`],
    /// [`Error::NoSpace`].
    pub fn hard_link(&mut self, existing: impl AsRef<[u8]>, path: impl AsRef<[u8]>) -> Result<(), Error> {
        let (existing, path) = (existing.as_ref(), path.as_ref());
        let found = self.existing(existing)?;
        if found.is_directory() {
            return Err(conflict(existing, "is a directory"));
        }
        let place = self.place(path)?;
        self.call(path, |fs| fs.apply_link_at(found.number, place.parent, &place.name))?;
        self.touch(place.parent);
        self.set_changed(path, found.number)
    }

    /// Moves an entry, replacing what is at `to`: a file by a file, an empty directory by a directory.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] where the kinds differ or the directory at `to` is not empty;
    /// [`Error::InvalidValue`] for a directory moved into itself; [`Error::NoSpace`].
    pub fn rename(&mut self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Result<(), Error> {
        let (from, to) = (from.as_ref(), to.as_ref());
        let source = self.place(from)?;
        let target = self.place(to)?;
        let missing = || Error::NotFound { path: display(from) };
        let moved = self.lookup(from, source.parent, &source.name)?.ok_or_else(missing)?;
        let replaced = self.lookup(to, target.parent, &target.name)?;
        if replaced.is_some_and(|replaced| replaced.number == moved.number) {
            return Ok(());
        }
        self.call(to, |fs| {
            fs.apply_rename_at(source.parent, &source.name, target.parent, &target.name, true)
        })?;
        self.touch(source.parent);
        self.touch(target.parent);
        if let Some(replaced) = replaced {
            self.after_unlink(to, replaced)?;
        }
        self.set_changed(to, moved.number)
    }

    /// Removes a file, a link, a node or an empty directory.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] for a directory that is not empty.
    pub fn remove(&mut self, path: impl AsRef<[u8]>) -> Result<(), Error> {
        let path = path.as_ref();
        let place = self.place(path)?;
        let found = self.lookup(path, place.parent, &place.name)?;
        let found = found.ok_or_else(|| Error::NotFound { path: display(path) })?;
        self.remove_entry(path, place.parent, &place.name, found)
    }

    /// Removes a file or a directory with everything inside.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Corrupt`] for directories that contain each other.
    pub fn remove_all(&mut self, path: impl AsRef<[u8]>) -> Result<(), Error> {
        let path = path.as_ref();
        let place = self.place(path)?;
        let found = self.lookup(path, place.parent, &place.name)?;
        let found = found.ok_or_else(|| Error::NotFound { path: display(path) })?;
        if found.is_directory() {
            self.remove_contents(path, found.number)?;
        }
        self.remove_entry(path, place.parent, &place.name, found)
    }

    /// Removes everything inside a directory, which stays as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] for anything but a directory; as [`Editor::remove_all`].
    pub fn clear(&mut self, path: impl AsRef<[u8]>) -> Result<(), Error> {
        let path = path.as_ref();
        let found = self.existing(path)?;
        if !found.is_directory() {
            return Err(conflict(path, "is not a directory"));
        }
        self.remove_contents(path, found.number)
    }

    /// Empties a directory; with a list of what is left to do rather than by recursion, as nothing bounds the
    /// depth of directories on disk.
    fn remove_contents(&mut self, path: &[u8], directory: u32) -> Result<(), Error> {
        let mut seen = BTreeSet::from([directory]);
        // directories, each behind the one it is in, so that going backwards removes children first
        let mut emptied: Vec<(u32, Vec<u8>, Found)> = Vec::new();
        let mut waiting = vec![directory];
        while let Some(parent) = waiting.pop() {
            for entry in self.call(path, |fs| fs.read_dir_ino(parent))? {
                if matches!(&entry.name[..], b"." | b"..") {
                    continue;
                }
                let found = self.lookup(path, parent, &entry.name)?;
                let found = found.ok_or_else(|| Error::NotFound { path: display(&entry.name) })?;
                if !found.is_directory() {
                    self.remove_entry(path, parent, &entry.name, found)?;
                    continue;
                }
                if !seen.insert(found.number) {
                    return Err(Error::Corrupt(format!("a directory in `{}` is in two", display(path))));
                }
                emptied.push((parent, entry.name, found));
                waiting.push(found.number);
            }
        }
        for (parent, name, found) in emptied.into_iter().rev() {
            self.remove_entry(path, parent, &name, found)?;
        }
        Ok(())
    }

    fn remove_entry(&mut self, path: &[u8], parent: u32, name: &[u8], found: Found) -> Result<(), Error> {
        if found.is_directory() {
            self.call(path, |fs| fs.apply_rmdir_at(parent, name))?;
        } else {
            self.call(path, |fs| fs.apply_unlink_at(parent, name))?;
        }
        self.touch(parent);
        self.after_unlink(path, found)
    }

    /// What follows from a name being gone: its last one frees an inode, another one changes it.
    pub(super) fn after_unlink(&mut self, path: &[u8], found: Found) -> Result<(), Error> {
        if found.is_directory() || found.links <= 1 {
            self.untouch(found.number);
            self.note_freed();
            return Ok(());
        }
        self.set_changed(path, found.number)
    }

    /// What is at `path`.
    pub(super) fn existing(&mut self, path: &[u8]) -> Result<Found, Error> {
        let place = self.place(path)?;
        let found = self.lookup(path, place.parent, &place.name)?;
        found.ok_or_else(|| Error::NotFound { path: display(path) })
    }

    /// Sets the change time of an inode to the clock.
    pub(super) fn set_changed(&mut self, path: &[u8], number: u32) -> Result<(), Error> {
        let now = self.now;
        self.edit_inode(path, number, |inode| inode.set_time(TimeField::Changed, now))
    }
}
