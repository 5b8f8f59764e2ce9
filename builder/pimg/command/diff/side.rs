//! One of the two sides of a file that differs, and whether it may be shown.

use pimg_disk::ext4::{Error, Inode, Kind, Reader};

use crate::command::inspect::{entry_kind, ownership};
use crate::command::outcome::FileSide;
use crate::guest::attributes;
use crate::guest::secrecy::is_secret_file;
use crate::image::base::is_closed;

/// Whether only its owner may know what is in a file, on one of both sides.
pub(super) fn is_secret(path: &str, sides: [Option<&Inode>; 2]) -> bool {
    let is_private =
        |inode: &&Inode| inode.kind().is_ok_and(|kind| kind == Kind::Regular) && is_closed(inode);
    is_secret_file(path) || sides.iter().flatten().any(is_private)
}

/// What may be said of a file.
pub(super) fn side(reader: &Reader<'_>, inode: &Inode, is_secret: bool) -> Result<FileSide, Error> {
    let kind = inode.kind()?;
    let attributes = reader.xattrs(inode.ino)?;
    let attributes = attributes.iter().map(|(name, value)| {
        let is_told =
            !is_secret || name.starts_with(b"security.capability") || name.starts_with(b"system.posix_acl");
        if is_told { attributes::to_text(name, value) } else { String::from_utf8_lossy(name).into_owned() }
    });
    Ok(FileSide {
        kind: entry_kind(kind),
        ownership: Some(ownership(inode)),
        size: (kind == Kind::Regular && !is_secret).then_some(inode.size),
        target: match kind {
            Kind::Symlink => Some(String::from_utf8_lossy(&target(reader, inode)?).into_owned()),
            _ => None,
        },
        device: matches!(kind, Kind::CharDevice | Kind::BlockDevice).then(|| inode.device()),
        attributes: attributes.collect(),
        links: Vec::new(),
    })
}

/// The text of a link.
pub(super) fn target(reader: &Reader<'_>, inode: &Inode) -> Result<Vec<u8>, Error> {
    reader.read_link(inode.ino)
}
