//! A layer that was just applied, read back entry by entry with code that did not apply it. The file systems as a whole
//! are checked where the result is taken into use, as every base is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use pimg_disk::ext4::{self, Inode, Kind as Found, Xattr};

use super::archive::walk;
use super::boot;
use super::entry::{Entry, Kind, Place};
use super::error::{BakedError, shown};
use super::layer::LayerFile;
use crate::image::base::BaseImage;
use crate::progress::Reporter;

/// Bytes of a file that are compared at once.
const PIECE: usize = 256 << 10;

/// Length of an access control list that says no more than nine permission bits, in the form of `setxattr(2)`: such a list
/// is not stored.
const PLAIN_ACL: usize = 4 + 3 * 8;

/// Reads everything back.
///
/// # Errors
/// The first thing that is not as the layer has it.
pub(super) fn check(image: &BaseImage, layer: &LayerFile, reporter: &dyn Reporter) -> Result<(), BakedError> {
    let mut hiding: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>> = BTreeMap::new();
    walk(layer, "reading the baked layer back", reporter, |entry, content| {
        let found = match entry.place()? {
            Place::Root(path) => {
                note(&mut hiding, &path, &entry.kind);
                found_instead(image, &path, entry, content)?
            }
            Place::Boot(path) => boot::found_instead(image, &path, entry, content)?.map(str::to_owned),
            Place::BootMount => None,
        };
        found.map_or(Ok(()), |found| Err(BakedError::ReadBack { path: shown(&entry.path), found }))
    })?;
    hiding.iter().try_for_each(|(path, names)| {
        let left = left_over(image, path, names).map_err(at(path))?;
        left.map_or(Ok(()), |found| Err(BakedError::ReadBack { path: shown(path), found }))
    })
}

/// Remembers what may be in directories that hide what the base had in them.
fn note(hiding: &mut BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>, path: &[u8], kind: &Kind) {
    if *kind == Kind::Opaque {
        hiding.insert(path.to_vec(), BTreeSet::new());
        return;
    }
    let cut = path.iter().rposition(|byte| *byte == b'/').unwrap_or_default();
    let (above, name) = path.split_at(cut);
    if let Some(names) = hiding.get_mut(above) {
        names.insert(name.strip_prefix(b"/").unwrap_or(name).to_vec());
    }
}

/// The first name in a directory that the layer does not have there.
fn left_over(
    image: &BaseImage,
    path: &[u8],
    names: &BTreeSet<Vec<u8>>,
) -> Result<Option<String>, ext4::Error> {
    let inode = image.root().lookup(path, false)?;
    let entries = image.root().read_dir(inode.ino)?;
    let left =
        entries.iter().find(|entry| !matches!(&entry.name[..], b"." | b"..") && !names.contains(&entry.name));
    Ok(left.map(|entry| format!("`{}` of the base shows", shown(&entry.name))))
}

/// What is on the root file system instead of what an entry asked for.
fn found_instead(
    image: &BaseImage,
    path: &[u8],
    entry: &Entry,
    content: &mut dyn Read,
) -> Result<Option<String>, BakedError> {
    let inode = lookup(image, path).map_err(at(path))?;
    let Some(inode) = inode else {
        return Ok((entry.kind != Kind::Whiteout).then(|| "it is missing".to_owned()));
    };
    let kind = inode.kind().map_err(at(path))?;
    let found = match &entry.kind {
        Kind::Whiteout => Some("it is still there".to_owned()),
        Kind::Opaque => None,
        Kind::Directory if kind == Found::Directory => {
            other_attributes(image, &inode, entry).map_err(at(path))?
        }
        Kind::File(len) if kind == Found::Regular => match other_bytes(image, &inode, *len, content, path)? {
            None => other_attributes(image, &inode, entry).map_err(at(path))?,
            other => other,
        },
        Kind::Symlink(target) if kind == Found::Symlink => {
            let text = image.root().read_link(inode.ino).map_err(at(path))?;
            match text == *target {
                true => other_attributes(image, &inode, entry).map_err(at(path))?,
                false => Some(format!("a link to `{}`", shown(&text))),
            }
        }
        Kind::HardLink(target) => {
            let target = lookup(image, &[b"/", &target[..]].concat()).map_err(at(path))?;
            let is_same = target.is_some_and(|target| target.ino == inode.ino);
            (!is_same).then(|| "it is no other name of the same file".to_owned())
        }
        Kind::Node(_) if !matches!(kind, Found::Regular | Found::Directory | Found::Symlink) => {
            other_attributes(image, &inode, entry).map_err(at(path))?
        }
        _ => Some("it is of another kind".to_owned()),
    };
    Ok(found)
}

fn lookup(image: &BaseImage, path: &[u8]) -> Result<Option<Inode>, ext4::Error> {
    match image.root().lookup(path, false) {
        Ok(inode) => Ok(Some(inode)),
        Err(ext4::Error::NotFound { .. } | ext4::Error::Conflict { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn other_attributes(image: &BaseImage, inode: &Inode, entry: &Entry) -> Result<Option<String>, ext4::Error> {
    let wanted = entry.ownership;
    let is_link = matches!(entry.kind, Kind::Symlink(_));
    let same_mode = is_link || inode.permissions() == wanted.mode;
    if (inode.uid, inode.gid) != (wanted.uid, wanted.gid) || !same_mode {
        let mode = inode.permissions();
        return Ok(Some(format!("owner {}:{}, mode {mode:04o}", inode.uid, inode.gid)));
    }
    if inode.mtime.seconds != entry.mtime {
        return Ok(Some(format!("time {}", inode.mtime.seconds)));
    }
    let mut wanted: Vec<Xattr> = entry
        .xattrs
        .iter()
        .filter(|(name, value)| !is_left_out(name, value))
        .map(|(name, value)| (name.clone().into_bytes(), value.clone()))
        .collect();
    wanted.sort();
    let found = image.root().xattrs(inode.ino)?;
    Ok((found != wanted).then(|| format!("{} extended attributes, or others", found.len())))
}

/// Whether nothing is stored for an attribute: as in the kernel, a list that only repeats the mode.
fn is_left_out(name: &str, value: &[u8]) -> bool {
    match name {
        "system.posix_acl_access" => value.len() <= PLAIN_ACL,
        "system.posix_acl_default" => value.len() <= 4,
        _ => false,
    }
}

fn other_bytes(
    image: &BaseImage,
    inode: &Inode,
    len: u64,
    content: &mut dyn Read,
    path: &[u8],
) -> Result<Option<String>, BakedError> {
    if inode.size != len {
        return Ok(Some(format!("{} bytes instead of {len}", inode.size)));
    }
    let file = image.root().file(inode.ino).map_err(at(path))?;
    let size = usize::try_from(len).unwrap_or(PIECE).clamp(1, PIECE);
    let (mut wanted, mut found) = (vec![0; size], vec![0; size]);
    let mut offset = 0;
    while offset < len {
        let piece = usize::try_from(len - offset).unwrap_or(PIECE).min(size);
        let read = content.read_exact(&mut wanted[..piece]);
        read.map_err(|error: io::Error| BakedError::entry(path, format!("cannot be read: {error}")))?;
        let got = file.read_at(offset, &mut found[..piece]).map_err(at(path))?;
        if got != piece || wanted[..piece] != found[..piece] {
            return Ok(Some(format!("other bytes from byte {offset} on")));
        }
        offset += piece as u64;
    }
    Ok(None)
}

fn at(path: &[u8]) -> impl FnOnce(ext4::Error) -> BakedError {
    let path = shown(path);
    move |source| BakedError::Root { path, source }
}
