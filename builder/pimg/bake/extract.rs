//! The tree of a base on the host's file system, with everything that packages can see of it.
#![cfg_attr(not(target_os = "linux"), expect(unused, reason = "only Linux bakes"))]

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pimg_disk::ext4::{self, Inode, Kind};

use super::attributes;
use super::seen::{LIST, Seen};
use crate::host::device::FileDevice;
use crate::image::base::BaseImage;

/// Where the boot partition is mounted on a node.
const BOOT: &str = "boot/firmware";
/// How much of a file is read at once.
const PIECE: usize = 1 << 20;

type Result<T = ()> = std::result::Result<T, String>;

/// Says what was tried on which path.
pub(super) fn on(path: &Path) -> impl Fn(std::io::Error) -> String {
    let path = path.to_owned();
    move |error| format!("`{}`: {error}", path.display())
}

/// Writes the tree of the raw image `image` to `to`, which is made, the boot partition below `boot/firmware`.
///
/// Left out are devices, sockets and pipes, which a bake has no use for, and attributes that no user namespace can set.
pub(super) fn base(image: &Path, to: &Path) -> Result {
    let device = FileDevice::open(image).map_err(|error| error.to_string())?;
    let image = BaseImage::open(Arc::new(device)).map_err(|error| error.to_string())?;
    let mut tree = Tree { image: &image, to, linked: HashMap::new(), directories: Vec::new() };
    fs::create_dir(to).map_err(on(to))?;
    image.root().walk(|path, inode| tree.put(path, inode).map_err(Problem))?;
    let boot = to.join(BOOT);
    if boot.is_dir() {
        boot_partition(&image, "/", &boot)?;
    }
    // last, as what is put into a directory changes its time, and a directory may be closed even to its owner
    for (path, inode) in tree.directories.iter().rev() {
        finish(path, inode)?;
    }
    Ok(())
}

/// An error of either side of a walk.
struct Problem(String);

impl From<ext4::Error> for Problem {
    fn from(error: ext4::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<Problem> for String {
    fn from(problem: Problem) -> Self {
        problem.0
    }
}

struct Tree<'a> {
    image: &'a BaseImage,
    to: &'a Path,
    /// Where files of several names were put first, by inode.
    linked: HashMap<u32, PathBuf>,
    directories: Vec<(PathBuf, Inode)>,
}

impl Tree<'_> {
    fn put(&mut self, path: &[u8], inode: &Inode) -> Result {
        let below = path.strip_prefix(b"/").unwrap_or(path);
        let place = self.to.join(std::ffi::OsStr::from_bytes(below));
        let root = self.image.root();
        let failed = |error: ext4::Error| format!("`{}`: {error}", place.display());
        match inode.kind().map_err(failed)? {
            Kind::Directory => {
                if !below.is_empty() {
                    fs::create_dir(&place).map_err(on(&place))?;
                }
                self.attributes(&place, inode)?;
                self.directories.push((place, inode.clone()));
                return Ok(());
            }
            Kind::Symlink => {
                let target = root.read_link(inode.ino).map_err(failed)?;
                symlink(std::ffi::OsStr::from_bytes(&target), &place).map_err(on(&place))?;
                return own(&place, inode).and_then(|()| {
                    attributes::set_time(&place, inode.mtime.seconds, inode.mtime.nanoseconds)
                });
            }
            Kind::Regular => {}
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo | Kind::Socket => return Ok(()),
        }
        if inode.i_links_count > 1 {
            if let Some(first) = self.linked.get(&inode.ino) {
                return fs::hard_link(first, &place).map_err(on(&place));
            }
            self.linked.insert(inode.ino, place.clone());
        }
        self.content(&place, inode)?;
        own(&place, inode)?;
        self.attributes(&place, inode)?;
        finish(&place, inode)
    }

    /// Holes and zeroes are left out: an image has large files of both.
    fn content(&self, place: &Path, inode: &Inode) -> Result {
        let failed = |error: ext4::Error| format!("`{}`: {error}", place.display());
        let from = self.image.root().file(inode.ino).map_err(failed)?;
        let file = File::create_new(place).map_err(on(place))?;
        let mut buffer = vec![0; PIECE.min(usize::try_from(from.len()).unwrap_or(PIECE))];
        let mut offset = 0;
        while offset < from.len() {
            let read = from.read_at(offset, &mut buffer).map_err(failed)?;
            let piece = buffer.get(..read).unwrap_or_default();
            if piece.iter().any(|byte| *byte != 0) {
                file.write_all_at(piece, offset).map_err(on(place))?;
            }
            offset += read as u64;
        }
        file.set_len(from.len()).map_err(on(place))
    }

    fn attributes(&self, place: &Path, inode: &Inode) -> Result {
        let found = self.image.root().xattrs(inode.ino);
        let found = found.map_err(|error| format!("`{}`: {error}", place.display()))?;
        attributes::set(place, &found)
    }
}

fn own(place: &Path, inode: &Inode) -> Result {
    lchown(place, Some(inode.uid), Some(inode.gid)).map_err(|error| {
        format!("`{}` cannot be given to {}:{}: {error}", place.display(), inode.uid, inode.gid)
    })
}

/// Mode and time. The mode comes behind the owner, whose change takes set-user-ID away.
fn finish(place: &Path, inode: &Inode) -> Result {
    if inode.kind().is_ok_and(|kind| kind == Kind::Directory) {
        own(place, inode)?;
    }
    let mode = fs::Permissions::from_mode(inode.permissions().into());
    fs::set_permissions(place, mode).map_err(on(place))?;
    // a change of the owner takes capabilities away as well, and they were set behind it
    attributes::set_time(place, inode.mtime.seconds, inode.mtime.nanoseconds)
}

/// What is on the boot partition, which knows no owners: root's, as the node mounts it.
fn boot_partition(image: &BaseImage, from: &str, to: &Path) -> Result {
    let entries = image.boot().list(from).map_err(|error| format!("`{from}`: {error}"))?;
    for entry in entries {
        let (path, place) = (format!("{}/{}", from.trim_end_matches('/'), entry.name), to.join(&entry.name));
        if entry.metadata.is_dir {
            fs::create_dir_all(&place).map_err(on(&place))?;
            boot_partition(image, &path, &place)?;
        } else {
            let bytes = image.boot().read(&path, u64::MAX).map_err(|error| format!("`{path}`: {error}"))?;
            fs::write(&place, bytes).map_err(on(&place))?;
        }
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).map_err(on(&place))?;
        attributes::set_time(&place, entry.metadata.modified.unwrap_or_default(), 0)?;
    }
    Ok(())
}

/// Puts the files that packages are to see into a tree of their own, `to`, which lies over `lower`.
pub(super) fn seen(from: &Path, lower: &Path, to: &Path) -> Result {
    let list = from.join(LIST);
    let text = fs::read(&list).map_err(on(&list))?;
    let files: Vec<Seen> = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    fs::create_dir(to).map_err(on(to))?;
    alike(lower, to)?;
    for file in files {
        let below = Path::new(file.path.trim_start_matches('/'));
        let above: Vec<_> = below.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
        for directory in above.into_iter().rev() {
            if !to.join(directory).exists() {
                fs::create_dir(to.join(directory)).map_err(on(directory))?;
                alike(&lower.join(directory), &to.join(directory))?;
            }
        }
        let place = to.join(below);
        fs::copy(from.join(&file.content), &place).map_err(on(&place))?;
        chown(&place, Some(file.uid), Some(file.gid)).map_err(on(&place))?;
        fs::set_permissions(&place, fs::Permissions::from_mode(file.mode.into())).map_err(on(&place))?;
    }
    Ok(())
}

/// Gives `to` owner and mode of the directory that it hides.
fn alike(hidden: &Path, to: &Path) -> Result {
    let Ok(known) = hidden.metadata() else {
        return fs::set_permissions(to, fs::Permissions::from_mode(0o755)).map_err(on(to));
    };
    chown(to, Some(known.uid()), Some(known.gid())).map_err(on(to))?;
    fs::set_permissions(to, fs::Permissions::from_mode(known.mode() & 0o7777)).map_err(on(to))
}
