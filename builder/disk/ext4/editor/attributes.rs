//! Permissions, owners and times.

use super::session::{DIRECTORY, Editor, Found, SYMLINK, conflict};
use crate::ext4::raw_inode::{PERMISSION_MASK, RawInode, TimeField};
use crate::ext4::{Error, Timestamp};

/// What a new file, directory, link or node looks like beside its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Permissions with set-user-id, set-group-id and sticky bit: at most `0o7777`. Symbolic links ignore it.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When the content was last changed. The other three times are the editor's clock.
    pub mtime: Timestamp,
}

impl Attributes {
    /// Gives a new inode its owner and times; permissions it was made with.
    pub(super) fn store(&self, inode: &mut RawInode, now: Timestamp) -> Result<(), Error> {
        inode.set_owner(self.uid, self.gid);
        inode.set_time(TimeField::Accessed, now)?;
        inode.set_time(TimeField::Changed, now)?;
        inode.set_time(TimeField::Created, now)?;
        inode.set_time(TimeField::Modified, self.mtime)
    }
}

/// Refuses type bits in permissions.
fn check_mode(mode: u16) -> Result<(), Error> {
    if mode & !PERMISSION_MASK == 0 {
        return Ok(());
    }
    Err(Error::InvalidValue(format!("the permissions {mode:#o}, got bits beyond 0o7777")))
}

/// Refuses the numbers that mean "no such user or group" to every kernel.
fn check_owner(uid: u32, gid: u32) -> Result<(), Error> {
    if uid != u32::MAX && gid != u32::MAX {
        return Ok(());
    }
    Err(Error::InvalidValue(format!("the owner {uid}:{gid}")))
}

impl Editor {
    /// Sets the permissions of anything but a symbolic link, at most `0o7777`. An access control list follows,
    /// as in `chmod(2)`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::InvalidValue`], [`Error::Conflict`] for a symbolic link.
    pub fn chmod(&mut self, path: impl AsRef<[u8]>, mode: u16) -> Result<(), Error> {
        let path = path.as_ref();
        check_mode(mode)?;
        let found = self.existing_or_root(path)?;
        if found.kind == SYMLINK {
            return Err(conflict(path, "is a symbolic link"));
        }
        self.set_list_mode(path, mode)?;
        let now = self.now;
        self.edit_inode(path, found.number, |inode| {
            inode.set_permissions(mode);
            inode.set_time(TimeField::Changed, now)
        })
    }

    /// Sets owner and group; of a symbolic link its own. Set-user-id and set-group-id bits stay.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::InvalidValue`] for 4294967295, which means "nobody".
    pub fn chown(&mut self, path: impl AsRef<[u8]>, uid: u32, gid: u32) -> Result<(), Error> {
        let path = path.as_ref();
        check_owner(uid, gid)?;
        let found = self.existing_or_root(path)?;
        let now = self.now;
        self.edit_inode(path, found.number, |inode| {
            inode.set_owner(uid, gid);
            inode.set_time(TimeField::Changed, now)
        })
    }

    /// Sets the times of last access and last change of content; of a symbolic link its own.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::InvalidValue`] for a time the inode cannot hold.
    pub fn set_times(
        &mut self,
        path: impl AsRef<[u8]>,
        accessed: Timestamp,
        modified: Timestamp,
    ) -> Result<(), Error> {
        let path = path.as_ref();
        self.check_time(accessed)?;
        self.check_time(modified)?;
        let found = self.existing_or_root(path)?;
        let now = self.now;
        self.edit_inode(path, found.number, |inode| {
            inode.set_time(TimeField::Accessed, accessed)?;
            inode.set_time(TimeField::Modified, modified)?;
            inode.set_time(TimeField::Changed, now)
        })?;
        self.untouch(found.number);
        Ok(())
    }

    /// Refuses what no inode of this file system can hold.
    pub(super) fn check(&self, attributes: &Attributes) -> Result<(), Error> {
        check_mode(attributes.mode)?;
        check_owner(attributes.uid, attributes.gid)?;
        self.check_time(attributes.mtime)
    }

    /// What is at `path`, which may be the root here.
    pub(super) fn existing_or_root(&mut self, path: &[u8]) -> Result<Found, Error> {
        if path == b"/" {
            let inode = self.call(path, |fs| fs.stat_ino(2))?;
            return Ok(Found { number: 2, kind: DIRECTORY, links: inode.links_count, size: inode.size });
        }
        self.existing(path)
    }
}
