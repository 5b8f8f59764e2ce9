//! POSIX access control lists: the form that `setxattr(2)` takes (version 2, eight bytes an entry) and the form
//! that ext4 stores (version 1, ids only where they mean something).
//!
//! Sources: Linux `include/uapi/linux/posix_acl_xattr.h` and `fs/ext4/acl.h`; what a list must hold and what it
//! does to the mode: `posix_acl_valid` and `posix_acl_update_mode` in `fs/posix_acl.c`.

use crate::ext4::Error;
use crate::ext4::fields::{le16, le32};

const XATTR_VERSION: u32 = 2;
const DISK_VERSION: u32 = 1;

const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    tag: u16,
    permissions: u16,
    id: u32,
}

impl Entry {
    fn is_named(&self) -> bool {
        matches!(self.tag, USER | GROUP)
    }
}

/// A list that the kernel would accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acl(Vec<Entry>);

fn invalid(problem: &str) -> Error {
    Error::InvalidValue(format!("an access control list {problem}"))
}

impl Acl {
    /// Reads the form of `setxattr(2)`. `None` for a list without entries, which asks to remove the attribute.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for what the kernel would refuse.
    pub(super) fn from_xattr(value: &[u8]) -> Result<Option<Self>, Error> {
        if value.len() < 4 || le32(value, 0) != XATTR_VERSION {
            return Err(invalid("that is not in the version-2 form of setxattr(2)"));
        }
        let body = value.get(4..).unwrap_or_default();
        if body.len() % 8 != 0 {
            return Err(invalid("that ends within an entry"));
        }
        let entries: Vec<Entry> = body
            .chunks_exact(8)
            .map(|entry| Entry { tag: le16(entry, 0), permissions: le16(entry, 2), id: le32(entry, 4) })
            .collect();
        if entries.is_empty() {
            return Ok(None);
        }
        let acl = Self(entries);
        acl.check()?;
        Ok(Some(acl))
    }

    /// Reads the form on disk.
    pub(super) fn from_disk(value: &[u8]) -> Result<Self, Error> {
        let corrupt = || Error::Corrupt("an access control list that cannot be read".to_owned());
        let mut entries = Vec::new();
        if value.len() < 4 || le32(value, 0) != DISK_VERSION {
            return Err(corrupt());
        }
        let mut rest = value.get(4..).unwrap_or_default();
        while !rest.is_empty() {
            let named = matches!(le16(rest, 0), USER | GROUP);
            let (entry, behind) = rest.split_at_checked(if named { 8 } else { 4 }).ok_or_else(corrupt)?;
            let id = if named { le32(entry, 4) } else { u32::MAX };
            entries.push(Entry { tag: le16(entry, 0), permissions: le16(entry, 2), id });
            rest = behind;
        }
        let acl = Self(entries);
        acl.check().map_err(|_| corrupt())?;
        Ok(acl)
    }

    /// The form on disk.
    pub(super) fn to_disk(&self) -> Vec<u8> {
        let mut bytes = DISK_VERSION.to_le_bytes().to_vec();
        for entry in &self.0 {
            bytes.extend(entry.tag.to_le_bytes());
            bytes.extend(entry.permissions.to_le_bytes());
            if entry.is_named() {
                bytes.extend(entry.id.to_le_bytes());
            }
        }
        bytes
    }

    /// Exactly one of owner, group and other, each tag in its order, and a mask as soon as somebody is named.
    fn check(&self) -> Result<(), Error> {
        let mut last = 0;
        for entry in &self.0 {
            if entry.permissions > 7 {
                return Err(invalid("with permissions beyond rwx"));
            }
            let repeated = entry.tag == last && !entry.is_named();
            if !matches!(entry.tag, USER_OBJ | USER | GROUP_OBJ | GROUP | MASK | OTHER)
                || entry.tag < last
                || repeated
            {
                return Err(invalid("whose entries are unknown, repeated or out of order"));
            }
            if entry.is_named() && entry.id == u32::MAX {
                return Err(invalid("that names nobody"));
            }
            last = entry.tag;
        }
        let has = |tag| self.0.iter().any(|entry| entry.tag == tag);
        if !(has(USER_OBJ) && has(GROUP_OBJ) && has(OTHER)) {
            return Err(invalid("without owner, group or other"));
        }
        if self.0.iter().any(Entry::is_named) && !has(MASK) {
            return Err(invalid("that names somebody but has no mask"));
        }
        Ok(())
    }

    /// Whether nine permission bits say the same: such a list is not stored.
    pub(super) fn is_plain(&self) -> bool {
        self.0.len() == 3
    }

    fn permissions_of(&self, tag: u16) -> Option<u16> {
        self.0.iter().find(|entry| entry.tag == tag).map(|entry| entry.permissions)
    }

    /// `mode` with the permissions the list stands for: the group bits show the mask where there is one.
    pub(super) fn apply_to(&self, mode: u16) -> u16 {
        let user = self.permissions_of(USER_OBJ).unwrap_or(0);
        let group = self.permissions_of(MASK).or_else(|| self.permissions_of(GROUP_OBJ)).unwrap_or(0);
        let other = self.permissions_of(OTHER).unwrap_or(0);
        (mode & !0o777) | (user << 6) | (group << 3) | other
    }

    /// The list after a `chmod` to `mode` (`posix_acl_chmod`).
    pub(super) fn with_mode(mut self, mode: u16) -> Self {
        let group = if self.permissions_of(MASK).is_some() { MASK } else { GROUP_OBJ };
        for entry in &mut self.0 {
            if entry.tag == USER_OBJ {
                entry.permissions = (mode >> 6) & 7;
            } else if entry.tag == group {
                entry.permissions = (mode >> 3) & 7;
            } else if entry.tag == OTHER {
                entry.permissions = mode & 7;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xattr(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut bytes = XATTR_VERSION.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    const NOBODY: u32 = u32::MAX;

    #[test]
    fn the_disk_form_keeps_ids_of_named_entries_only() {
        let value = xattr(&[
            (USER_OBJ, 6, NOBODY),
            (USER, 7, 70_000),
            (GROUP_OBJ, 4, NOBODY),
            (MASK, 5, NOBODY),
            (OTHER, 0, NOBODY),
        ]);
        let acl = Acl::from_xattr(&value).unwrap().unwrap();
        let disk = acl.to_disk();
        assert_eq!(disk.len(), 4 + 4 + 8 + 4 + 4 + 4);
        assert_eq!(disk[..4], [1, 0, 0, 0]);
        assert_eq!(Acl::from_disk(&disk).unwrap(), acl);
        assert_eq!(acl.apply_to(0o104_777), 0o104_650);
        assert_eq!(acl.with_mode(0o7521).apply_to(0), 0o521);
    }

    #[test]
    fn a_list_without_entries_removes_and_a_plain_one_is_mode_bits() {
        assert_eq!(Acl::from_xattr(&xattr(&[])).unwrap(), None);
        let plain = xattr(&[(USER_OBJ, 7, NOBODY), (GROUP_OBJ, 5, NOBODY), (OTHER, 1, NOBODY)]);
        let acl = Acl::from_xattr(&plain).unwrap().unwrap();
        assert!(acl.is_plain());
        assert_eq!(acl.apply_to(0o100_000), 0o100_751);
    }

    #[test]
    fn what_the_kernel_refuses_is_refused() {
        let base = [(USER_OBJ, 7, NOBODY), (GROUP_OBJ, 5, NOBODY), (OTHER, 1, NOBODY)];
        for bad in [
            vec![base[0], base[1]],
            vec![base[1], base[0], base[2]],
            vec![base[0], base[0], base[1], base[2]],
            vec![base[0], (USER, 7, 1), base[1], base[2]],
            vec![base[0], base[1], (MASK, 9, NOBODY), base[2]],
            vec![base[0], (USER, 7, NOBODY), base[1], (MASK, 7, NOBODY), base[2]],
            vec![base[0], base[1], base[2], (0x40, 1, NOBODY)],
        ] {
            assert!(Acl::from_xattr(&xattr(&bad)).is_err(), "{bad:?}");
        }
        assert!(Acl::from_xattr(&[1, 0, 0, 0]).is_err());
        assert!(Acl::from_xattr(&xattr(&base)[..10]).is_err());
    }
}
