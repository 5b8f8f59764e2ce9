//! Looking at an image that was just edited, with code that did not edit it.
//!
//! The file systems are checked as a whole by `disk`'s own checkers, which share no code with the editors, and
//! every change of the plan is read back. A file of the golden layer was read when the layer was made: if it still
//! lies in the same blocks and none of them was written since, it is not read again. What this finds is a fault of
//! pimg, never of the operator.

use std::sync::Arc;

use pimg_disk::Slice;
use pimg_disk::ext4::{self, File, Inode, Kind, Reader};
use pimg_disk::fat;
use pimg_fetch::digest::Sha256Digest;
use sha2::{Digest, Sha256};

use super::base::{BaseError, BaseImage};
use super::digests::sha256_of;
use super::working::WorkingImage;
use crate::failure::{Class, Fault};
use crate::plan::change::{Action, Change, Content, Ownership, Partition};
use crate::plan::layers::{Golden, Layered};
use crate::progress::Reporter;

/// Bytes of a file that are compared at once.
const PIECE: usize = 1 << 20;

/// An image that is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The image cannot be opened again.
    #[error("the edited image cannot be opened again")]
    Open(#[from] BaseError),
    /// The root file system contradicts itself.
    #[error("the edited root file system does not pass the check")]
    Root(#[source] ext4::Error),
    /// The boot partition cannot be read back.
    #[error("the edited boot partition does not pass the check")]
    Boot(#[from] fat::Error),
    /// A change is not there.
    #[error("`{path}` was {action}, and reads back otherwise: {found}")]
    Differs {
        /// The path.
        path: String,
        /// What was done.
        action: &'static str,
        /// What is there instead.
        found: String,
    },
    /// The person asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Fault for CheckError {
    fn class(&self) -> Class {
        match self {
            Self::Interrupted => Class::Interrupted,
            // what was written cannot be read: that is the disk, and says nothing about what is on it
            Self::Open(BaseError::Io(_)) | Self::Root(ext4::Error::Io(_)) | Self::Boot(fat::Error::Io(_)) => {
                Class::Host
            }
            _ => Class::Internal,
        }
    }
}

/// Checks both file systems of an image over its golden layer, and reads every change back.
///
/// # Errors
/// The first thing that is not as it should be.
pub fn check(image: &WorkingImage, changes: &Layered, reporter: &dyn Reporter) -> Result<(), CheckError> {
    let task = reporter.begin("checking the result", None);
    let edited = BaseImage::open(image.device())?;
    let summary = ext4::check(edited.root(), &mut |_, _| {}).map_err(CheckError::Root)?;
    let golden = GoldenFiles::of(image, &edited)?;
    read_back(&edited, changes.golden().changes(), Some(&golden), reporter)?;
    read_back(&edited, changes.host(), None, reporter)?;
    reporter.finish(task, &format!("{} files and directories", summary.used_inodes));
    Ok(())
}

/// Reads the changes of a golden layer back. Its file systems are checked with every image that is made from it.
///
/// # Errors
/// The first thing that is not as it should be.
pub fn check_golden(
    image: &WorkingImage,
    changes: &Golden,
    reporter: &dyn Reporter,
) -> Result<(), CheckError> {
    read_back(&BaseImage::open(image.device())?, changes.changes(), None, reporter)
}

/// The golden layer of an image: what was read when it was made.
struct GoldenFiles<'a> {
    image: &'a WorkingImage,
    root_at: u64,
    reader: Reader<'static>,
}

impl<'a> GoldenFiles<'a> {
    fn of(image: &'a WorkingImage, edited: &BaseImage) -> Result<Self, CheckError> {
        let root = edited.root_partition();
        let below = Slice::new(Arc::clone(image.below()), "golden layer", root.start, root.length);
        let reader = Reader::open(below.map_err(BaseError::from)?).map_err(CheckError::Root)?;
        Ok(Self { image, root_at: root.start, reader })
    }

    /// Whether a file at this path lies where it lay in the layer, in blocks that were not written since.
    fn has(&self, path: &str, file: &File<'_>) -> Result<bool, ext4::Error> {
        let Ok(inode) = self.reader.lookup(path.as_bytes(), false) else { return Ok(false) };
        if inode.kind()? != Kind::Regular || inode.size != file.len() {
            return Ok(false);
        }
        let superblock = self.reader.superblock();
        let is_clean = |extent: &ext4::Extent| {
            let start = self.root_at + superblock.byte_of_block(extent.start);
            let length = superblock.byte_of_block(extent.length.into());
            !self.image.overlay().is_dirty(start..start + length)
        };
        Ok(self.reader.file(inode.ino)?.extents() == file.extents() && file.extents().iter().all(is_clean))
    }
}

fn read_back(
    image: &BaseImage,
    changes: &[Change],
    golden: Option<&GoldenFiles<'_>>,
    reporter: &dyn Reporter,
) -> Result<(), CheckError> {
    for change in changes {
        if reporter.interrupted() {
            return Err(CheckError::Interrupted);
        }
        let found = match change.partition {
            Partition::Boot => found_on_boot(image, change)?,
            Partition::Root => found_on_root(image, change, golden).map_err(CheckError::Root)?,
        };
        if let Some(found) = found {
            let path = change.path.to_string();
            return Err(CheckError::Differs { path, action: change.action.verb(), found });
        }
    }
    Ok(())
}

/// What is on the boot partition instead of what the change asked for.
fn found_on_boot(image: &BaseImage, change: &Change) -> Result<Option<String>, fat::Error> {
    let mut volume = image.boot();
    let path = change.path.as_str();
    let metadata = volume.metadata(path)?;
    Ok(match (&change.action, metadata) {
        (Action::Remove, Some(_)) => Some("it is still there".to_owned()),
        (Action::Remove, None) => None,
        (Action::PutFile { content, .. }, Some(metadata)) if !metadata.is_dir => {
            let bytes = volume.read(path, metadata.len)?;
            other_content(content, metadata.len, |offset, buffer| {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                let rest = bytes.get(from..).unwrap_or_default();
                let length = rest.len().min(buffer.len());
                buffer[..length].copy_from_slice(&rest[..length]);
                Ok::<_, fat::Error>(length)
            })?
        }
        (Action::MakeDir { .. }, Some(metadata)) if metadata.is_dir => None,
        _ => Some("it is missing or of another kind".to_owned()),
    })
}

/// What is on the root file system instead of what the change asked for.
fn found_on_root(
    image: &BaseImage,
    change: &Change,
    golden: Option<&GoldenFiles<'_>>,
) -> Result<Option<String>, ext4::Error> {
    let path = change.path.as_str();
    let Some(inode) = image.entry(path)? else {
        let missing = (!matches!(change.action, Action::Remove)).then(|| "it is missing".to_owned());
        return Ok(missing);
    };
    let kind = inode.kind()?;
    Ok(match &change.action {
        Action::Remove => Some("it is still there".to_owned()),
        Action::PutFile { content, ownership } if kind == Kind::Regular => {
            let file = image.root().file(inode.ino)?;
            let is_known = match golden {
                Some(golden) => inode.size == content.len() && golden.has(path, &file)?,
                None => false,
            };
            let other = if is_known {
                None
            } else {
                other_content(content, inode.size, |offset, buffer| file.read_at(offset, buffer))?
            };
            other.or_else(|| other_owner(&inode, *ownership))
        }
        Action::MakeDir { ownership } if kind == Kind::Directory => other_owner(&inode, *ownership),
        Action::SetOwnership { ownership } => other_owner(&inode, *ownership),
        Action::Symlink { target } if kind == Kind::Symlink => {
            let text = image.root().read_link(inode.ino)?;
            (text != target.as_bytes()).then(|| format!("a link to `{}`", String::from_utf8_lossy(&text)))
        }
        _ => Some("it is of another kind".to_owned()),
    })
}

fn other_owner(inode: &Inode, wanted: Ownership) -> Option<String> {
    let Ownership { uid, gid, mode } = wanted;
    if (inode.uid, inode.gid, inode.permissions()) == (uid, gid, mode) {
        return None;
    }
    Some(format!("owner {}:{}, mode {:04o}", inode.uid, inode.gid, inode.permissions()))
}

/// Compares what is there with what was asked for, a piece at a time: files may be larger than memory.
fn other_content<E>(
    wanted: &Content,
    length: u64,
    mut read_at: impl FnMut(u64, &mut [u8]) -> Result<usize, E>,
) -> Result<Option<String>, E> {
    let wanted_length = wanted.len();
    if length != wanted_length {
        return Ok(Some(format!("{length} bytes instead of {wanted_length}")));
    }
    let mut digest = Sha256::new();
    // most files are short, and there are many
    let mut buffer = vec![0; usize::try_from(length).unwrap_or(PIECE).clamp(1, PIECE)];
    let mut offset = 0;
    while offset < length {
        let read = read_at(offset, &mut buffer)?;
        digest.update(&buffer[..read]);
        offset += read as u64;
        if read == 0 {
            return Ok(Some(format!("it ends after {offset} bytes")));
        }
    }
    let found = Sha256Digest::from_bytes(digest.finalize().into());
    Ok((found.to_string() != sha256_of(wanted)).then(|| "other bytes".to_owned()))
}
