//! A plan becomes writes: the only caller of everything in `disk` that changes an image.

mod read_ahead;

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use pimg_disk::ext4::{self, Attributes, Editor, Timestamp};
use pimg_disk::fat;
use pimg_disk::overlay::BLOCK_SIZE;
use pimg_fetch::digest::HashingReader;

use super::working::WorkingImage;
use crate::plan::change::{Action, Change, Content, Ownership, Partition};
use crate::plan::path::GuestPath;
use crate::progress::Reporter;

/// Parents that a plan leaves out belong to root and are open to all, as in Debian's own packages.
const IMPLIED_DIRECTORY: Ownership = Ownership::root(0o755);

/// Why a change cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The boot partition refuses it.
    #[error("cannot change `{path}` on the boot partition")]
    Boot {
        /// The path of the change.
        path: GuestPath,
        /// What the file system said.
        #[source]
        source: fat::Error,
    },
    /// The root file system refuses it.
    #[error("cannot change `{path}` on the root file system")]
    Root {
        /// The path of the change.
        path: GuestPath,
        /// What the file system said.
        #[source]
        source: ext4::Error,
    },
    /// A partition cannot be opened for editing, or not be left in a clean state.
    #[error("cannot edit the boot partition")]
    BootVolume(#[source] fat::Error),
    /// As [`ApplyError::BootVolume`].
    #[error("cannot edit the root file system")]
    RootVolume(#[source] ext4::Error),
    /// The boot partition knows neither links nor owners.
    #[error("the boot partition is FAT and cannot hold what `{path}` asks for")]
    NotOnFat {
        /// The path of the change.
        path: GuestPath,
    },
    /// A file of the host is not what it was when it was planned.
    #[error("`{}` changed while the image was built", path.display())]
    HostFileChanged {
        /// The file.
        path: PathBuf,
    },
    /// A file of the host cannot be read.
    #[error("cannot read `{}`", path.display())]
    HostFile {
        /// The file.
        path: PathBuf,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// The person asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Makes all changes, in their order. `epoch` in seconds since 1970 is the time of everything written.
///
/// # Errors
/// The first change that cannot be made; the working image is of no use then.
pub fn apply(
    image: &WorkingImage,
    changes: &[Change],
    epoch: i64,
    reporter: &dyn Reporter,
) -> Result<(), ApplyError> {
    apply_as("applying the plan", image, changes, epoch, reporter)
}

/// As [`apply`], told under another name.
///
/// # Errors
/// As [`apply`].
pub fn apply_as(
    task: &str,
    image: &WorkingImage,
    changes: &[Change],
    epoch: i64,
    reporter: &dyn Reporter,
) -> Result<(), ApplyError> {
    let task = reporter.begin(task, Some(changes.len() as u64));
    let mut boot = fat::Volume::open(image.boot()).map_err(ApplyError::BootVolume)?;
    let mut root = Editor::open(image.root(), epoch).map_err(ApplyError::RootVolume)?;
    for change in changes {
        if reporter.interrupted() {
            return Err(ApplyError::Interrupted);
        }
        match change.partition {
            Partition::Boot => apply_to_boot(&mut boot, change, epoch)?,
            Partition::Root => apply_to_root(&mut root, change, epoch)?,
        }
        reporter.advance(task, 1);
    }
    root.finish().map_err(ApplyError::RootVolume)?;
    let kib = image.overlay().dirty_count() * (BLOCK_SIZE / 1024);
    reporter.finish(task, &format!("{} changes, {kib} KiB", changes.len()));
    Ok(())
}

fn apply_to_boot(boot: &mut fat::Volume<'_>, change: &Change, epoch: i64) -> Result<(), ApplyError> {
    let path = change.path.as_str();
    let failed = |source| ApplyError::Boot { path: change.path.clone(), source };
    match &change.action {
        Action::PutFile { content, .. } => {
            if let Some(parent) = change.path.parent() {
                boot.create_dir_all(parent.as_str(), epoch).map_err(failed)?;
            }
            boot.write(path, &whole_content(content)?, epoch).map_err(failed)
        }
        Action::MakeDir { .. } => boot.create_dir_all(path, epoch).map_err(failed),
        Action::Remove => match boot.metadata(path).map_err(failed)? {
            Some(_) => boot.remove_tree(path).map_err(failed),
            None => Ok(()),
        },
        Action::Symlink { .. } | Action::SetOwnership { .. } => {
            Err(ApplyError::NotOnFat { path: change.path.clone() })
        }
    }
}

fn apply_to_root(root: &mut Editor, change: &Change, epoch: i64) -> Result<(), ApplyError> {
    let path = change.path.as_str();
    let failed = |source| ApplyError::Root { path: change.path.clone(), source };
    if !matches!(change.action, Action::Remove | Action::SetOwnership { .. }) {
        make_parents(root, &change.path, epoch).map_err(failed)?;
    }
    match &change.action {
        Action::PutFile { content, ownership } => put_file(root, change, content, *ownership, epoch),
        Action::MakeDir { ownership } => {
            make_directory(root, path, *ownership, epoch).map_err(failed)?;
            own(root, path, *ownership).map_err(failed)
        }
        Action::Symlink { target } => {
            if root.exists(path).map_err(failed)? {
                root.remove(path).map_err(failed)?;
            }
            root.symlink(path, target, &attributes(Ownership::root(0o777), epoch)).map_err(failed)
        }
        Action::Remove => match root.remove_all(path) {
            Ok(()) | Err(ext4::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(failed(source)),
        },
        Action::SetOwnership { ownership } => own(root, path, *ownership).map_err(failed),
    }
}

fn put_file(
    root: &mut Editor,
    change: &Change,
    content: &Content,
    ownership: Ownership,
    epoch: i64,
) -> Result<(), ApplyError> {
    let path = change.path.as_str();
    let attributes = attributes(ownership, epoch);
    let failed = |source| ApplyError::Root { path: change.path.clone(), source };
    let Content::HostFile { path: host_path, len, sha256 } = content else {
        let bytes = whole_content(content)?;
        return root
            .create_file(path, &attributes, &mut bytes.as_slice(), bytes.len() as u64)
            .map_err(failed);
    };
    let file = open_host_file(host_path)?;
    let write = |content: &mut dyn Read| root.create_file(path, &attributes, content, *len);
    let (written, found) = read_ahead::with_content(file, *len, write);
    let found = found.map_err(|source| ApplyError::HostFile { path: host_path.clone(), source })?;
    written.map_err(failed)?;
    if found.is_some_and(|digest| digest.to_string() == *sha256) {
        return Ok(());
    }
    Err(ApplyError::HostFileChanged { path: host_path.clone() })
}

/// Makes the directories above `path` that are not there.
fn make_parents(root: &mut Editor, path: &GuestPath, epoch: i64) -> Result<(), ext4::Error> {
    let mut missing = Vec::new();
    let mut above = path.parent();
    while let Some(directory) = above {
        if directory.as_str() == "/" || root.exists(directory.as_str())? {
            break;
        }
        above = directory.parent();
        missing.push(directory);
    }
    missing
        .iter()
        .rev()
        .try_for_each(|directory| root.mkdir(directory.as_str(), &attributes(IMPLIED_DIRECTORY, epoch)))
}

fn make_directory(
    root: &mut Editor,
    path: &str,
    ownership: Ownership,
    epoch: i64,
) -> Result<(), ext4::Error> {
    if root.exists(path)? { Ok(()) } else { root.mkdir(path, &attributes(ownership, epoch)) }
}

fn own(root: &mut Editor, path: &str, ownership: Ownership) -> Result<(), ext4::Error> {
    root.chown(path, ownership.uid, ownership.gid)?;
    root.chmod(path, ownership.mode)
}

fn attributes(ownership: Ownership, epoch: i64) -> Attributes {
    let Ownership { uid, gid, mode } = ownership;
    Attributes { mode, uid, gid, mtime: Timestamp::at(epoch) }
}

fn whole_content(content: &Content) -> Result<Vec<u8>, ApplyError> {
    match content {
        Content::Bytes(bytes) => Ok(bytes.to_vec()),
        Content::Secret(secret) => Ok(secret.expose().to_vec()),
        Content::HostFile { path, len, sha256 } => {
            let mut reader = HashingReader::new(open_host_file(path)?);
            let mut bytes = Vec::new();
            let read = reader.read_to_end(&mut bytes);
            read.map_err(|source| ApplyError::HostFile { path: path.clone(), source })?;
            let (digest, read) = reader.finish();
            if digest.to_string() != *sha256 || read != *len {
                return Err(ApplyError::HostFileChanged { path: path.clone() });
            }
            Ok(bytes)
        }
    }
}

fn open_host_file(path: &std::path::Path) -> Result<File, ApplyError> {
    File::open(path).map_err(|source| ApplyError::HostFile { path: path.to_owned(), source })
}
