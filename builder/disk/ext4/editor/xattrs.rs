//! Extended attributes, access control lists among them.

use fs_ext4::xattr;

use super::acl::Acl;
use super::session::{DIRECTORY, Editor, Found, REGULAR, SYMLINK, conflict};
use crate::ext4::Error;
use crate::ext4::adapter::display;
use crate::ext4::raw_inode::TimeField;

pub(super) const ACCESS_ACL: &str = "system.posix_acl_access";
const DEFAULT_ACL: &str = "system.posix_acl_default";
/// The longest name behind a prefix (`e_name_len` is one byte).
const MAX_NAME: usize = 255;

impl Editor {
    /// Sets an extended attribute, `name` with its prefix: `user.`, `security.`, `trusted.`, or one of
    /// `system.posix_acl_access` and `system.posix_acl_default`.
    ///
    /// Access control lists are given in the form of `setxattr(2)` and treated as the kernel does: the
    /// permissions of the file follow an access list, and a list that says no more than permissions is not
    /// stored.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::InvalidValue`] for a name or a list that Linux refuses, and for a path
    /// that is not UTF-8; [`Error::Conflict`] where this kind of file takes no such attribute;
    /// [`Error::NoSpace`] also where the attributes of one file outgrow one block.
    pub fn set_xattr(&mut self, path: impl AsRef<[u8]>, name: &str, value: &[u8]) -> Result<(), Error> {
        let path = path.as_ref();
        check_name(name)?;
        let target = self.attribute_target(path)?;
        check_kind(path, name, target.found)?;
        if name == ACCESS_ACL || name == DEFAULT_ACL {
            return self.set_acl(path, &target, name, value);
        }
        self.store_xattr(path, &target, name, value)?;
        self.set_changed(path, target.found.number)
    }

    /// Removes an extended attribute.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the path or the attribute is missing, [`Error::InvalidValue`] as
    /// [`Editor::set_xattr`].
    pub fn remove_xattr(&mut self, path: impl AsRef<[u8]>, name: &str) -> Result<(), Error> {
        let path = path.as_ref();
        check_name(name)?;
        let target = self.attribute_target(path)?;
        self.drop_xattr(path, &target, name)?;
        self.set_changed(path, target.found.number)
    }

    /// Names of the extended attributes of `path`, with their prefixes.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Corrupt`] where they cannot be read.
    pub fn xattr_names(&mut self, path: impl AsRef<[u8]>) -> Result<Vec<String>, Error> {
        let path = path.as_ref();
        let number = self.existing_or_root(path)?.number;
        self.call(path, |fs| {
            let (inode, raw) = fs.read_inode_verified(number)?;
            xattr::list_names(fs, &inode, &raw)
        })
    }

    fn set_acl(&mut self, path: &[u8], target: &Target, name: &str, value: &[u8]) -> Result<(), Error> {
        let list = Acl::from_xattr(value)?;
        let stored = list.as_ref().filter(|list| name == DEFAULT_ACL || !list.is_plain());
        match stored {
            Some(list) => self.store_xattr(path, target, name, &list.to_disk())?,
            None if self.stored_xattr(path, target.found.number, name)?.is_some() => {
                self.drop_xattr(path, target, name)?;
            }
            None => {}
        }
        let now = self.now;
        self.edit_inode(path, target.found.number, |inode| {
            if let (ACCESS_ACL, Some(list)) = (name, &list) {
                let mode = list.apply_to(inode.mode());
                inode.set_permissions(mode & 0o7777);
            }
            inode.set_time(TimeField::Changed, now)
        })
    }

    fn stored_xattr(&mut self, path: &[u8], number: u32, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.call(path, |fs| {
            let (inode, raw) = fs.read_inode_verified(number)?;
            xattr::get_resolved(fs, &inode, &raw, name)
        })
    }

    fn store_xattr(&mut self, path: &[u8], target: &Target, name: &str, value: &[u8]) -> Result<(), Error> {
        let canonical = target.text(path)?;
        self.call(path, |fs| fs.apply_setxattr(canonical, name, value))
    }

    fn drop_xattr(&mut self, path: &[u8], target: &Target, name: &str) -> Result<(), Error> {
        let canonical = target.text(path)?;
        self.note_freed();
        match self.call(path, |fs| fs.apply_removexattr(canonical, name)) {
            Err(Error::NotFound { path }) => Err(Error::NotFound { path: format!("{path} {name}") }),
            result => result,
        }
    }

    /// Lets a stored access list follow new permissions.
    pub(super) fn set_list_mode(&mut self, path: &[u8], mode: u16) -> Result<(), Error> {
        let target = self.attribute_target(path)?;
        let Some(list) = self.stored_xattr(path, target.found.number, ACCESS_ACL)? else { return Ok(()) };
        let list = Acl::from_disk(&list)?.with_mode(mode).to_disk();
        self.store_xattr(path, &target, ACCESS_ACL, &list)
    }

    fn attribute_target(&mut self, path: &[u8]) -> Result<Target, Error> {
        if path == b"/" {
            return Ok(Target { found: self.existing_or_root(path)?, canonical: b"/".to_vec() });
        }
        let place = self.place(path)?;
        let found = self.lookup(path, place.parent, &place.name)?;
        let found = found.ok_or_else(|| Error::NotFound { path: display(path) })?;
        Ok(Target { found, canonical: place.canonical() })
    }
}

/// A file whose attributes change.
struct Target {
    found: Found,
    /// Its path without symbolic links: the crate takes attributes by path only, and does not follow any.
    canonical: Vec<u8>,
}

impl Target {
    fn text(&self, path: &[u8]) -> Result<&str, Error> {
        let text = std::str::from_utf8(&self.canonical);
        text.map_err(|_| {
            Error::InvalidValue(format!("attributes of `{}`, which is not UTF-8", display(path)))
        })
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let known = ["user.", "security.", "trusted."].iter().find_map(|prefix| name.strip_prefix(prefix));
    let fits = known.is_some_and(|rest| !rest.is_empty() && rest.len() <= MAX_NAME && !rest.contains('\0'));
    if fits || name == ACCESS_ACL || name == DEFAULT_ACL {
        return Ok(());
    }
    Err(Error::InvalidValue(format!("the attribute name `{name}`")))
}

/// What `xattr_permission` and `set_posix_acl` of the kernel refuse, whoever asks.
fn check_kind(path: &[u8], name: &str, found: Found) -> Result<(), Error> {
    if name.starts_with("user.") && !matches!(found.kind, REGULAR | DIRECTORY) {
        return Err(conflict(path, "is neither file nor directory, so it takes no user attributes"));
    }
    if name == ACCESS_ACL && found.kind == SYMLINK {
        return Err(conflict(path, "is a symbolic link"));
    }
    if name == DEFAULT_ACL && found.kind != DIRECTORY {
        return Err(conflict(path, "is not a directory"));
    }
    Ok(())
}
