//! Extended attributes and times of files, as a user namespace lets them be read and set.
#![cfg_attr(not(target_os = "linux"), expect(unused, reason = "only Linux bakes"))]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags};

use super::extract::on;

type Result<T = ()> = std::result::Result<T, String>;
/// Name and value.
pub(super) type Attribute = (Vec<u8>, Vec<u8>);

/// What overlayfs notes about its files when it may not use names of root's (`userxattr`).
const OF_OVERLAY: &[u8] = b"user.overlay.";
/// Whether overlayfs hides what lies below a directory.
const OPAQUE: &str = "user.overlay.opaque";

/// Whether an attribute belongs to a file wherever it is. `trusted.` and labels of security modules do not: no user
/// namespace may set them, and packages do not bring them.
fn is_carried(name: &[u8]) -> bool {
    let is_user = name.starts_with(b"user.") && !name.starts_with(OF_OVERLAY);
    is_user || name == b"security.capability" || name.starts_with(b"system.posix_acl_")
}

/// Sets those attributes that are carried.
pub(super) fn set(path: &Path, attributes: &[Attribute]) -> Result {
    for (name, value) in attributes.iter().filter(|(name, _)| is_carried(name)) {
        rustix::fs::lsetxattr(path, OsStr::from_bytes(name), value, XattrFlags::empty())
            .map_err(|error| format!("`{}`: {}: {error}", path.display(), name.escape_ascii()))?;
    }
    Ok(())
}

/// The attributes that are carried, sorted. Capabilities come as version 2: within the namespace that has set them the
/// kernel shows them so, whatever it stores (`capabilities(7)`).
pub(super) fn get(path: &Path) -> Result<Vec<Attribute>> {
    let failed = |error: rustix::io::Errno| on(path)(error.into());
    let mut names = vec![0; rustix::fs::llistxattr_query(path).map_err(failed)?];
    let length = rustix::fs::llistxattr(path, &mut names[..]).map_err(failed)?;
    names.truncate(length);
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| is_carried(name)) {
        let name_text = OsStr::from_bytes(name);
        let mut value = vec![0; rustix::fs::lgetxattr_query(path, name_text).map_err(failed)?];
        let length = rustix::fs::lgetxattr(path, name_text, &mut value[..]).map_err(failed)?;
        value.truncate(length);
        if name == b"security.capability" {
            value = version_2(value);
        }
        found.push((name.to_vec(), value));
    }
    found.sort();
    Ok(found)
}

/// A capability without the root of a namespace, should one be stored: `struct vfs_ns_cap_data` has its number behind
/// what version 2 has, and 3 in the highest byte of its first word (`linux/capability.h`).
fn version_2(mut value: Vec<u8>) -> Vec<u8> {
    if value.len() == 24 && value.get(3) == Some(&3) {
        value.truncate(20);
        if let Some(version) = value.get_mut(3) {
            *version = 2;
        }
    }
    value
}

/// Whether overlayfs shows nothing of what lies below a directory of the upper tree.
pub(super) fn is_opaque(path: &Path) -> bool {
    let mut value = [0; 8];
    rustix::fs::lgetxattr(path, OPAQUE, &mut value[..]).is_ok_and(|length| value.get(..length) == Some(b"y"))
}

/// Sets the time of the last change, of a link itself.
pub(super) fn set_time(path: &Path, seconds: i64, nanoseconds: u32) -> Result {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|error| on(path)(error.into()))
}

#[cfg(test)]
mod tests {
    use super::version_2;

    #[test]
    fn capabilities_lose_the_namespace_that_gave_them() {
        let mut stored = vec![1, 0, 0, 3];
        stored.extend([7; 16]);
        let mut expected = stored.clone();
        expected[3] = 2;
        stored.extend([0, 0, 1, 0]);
        assert_eq!(version_2(stored), expected);
        assert_eq!(version_2(expected.clone()), expected);
    }
}
