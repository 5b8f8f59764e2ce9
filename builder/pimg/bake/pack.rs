//! What a bake changed, as a layer: the upper tree of the overlay, without what is as it was and what must not be shared.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::archive::{self, Content, Entry};
use super::attributes;
use super::extract::on;
use super::manifest::LAYER;
use super::normal::{self, Fate};
use crate::guest::per_host;

type Result<T = ()> = std::result::Result<T, String>;

/// The largest id of a user or group on Debian (policy 9.2.2), and of those that are mapped for a user.
const LARGEST_ID: u32 = 65_535;

/// Writes the layer and what is to be known of it to `out`. Trees are below the current directory.
pub(super) fn pack(epoch: i64) -> Result {
    let (out, kit) = (Path::new("out"), Path::new("kit/install.bash"));
    fs::create_dir(out).map_err(on(out))?;
    // written right before the bake began: what is younger is of the bake
    let began = fs::metadata(kit).map_err(on(kit))?.mtime();
    let walk = Walk { upper: "upper".into(), lower: "lower".into(), epoch, began };
    let mut found = Vec::new();
    walk.directory(Path::new(""), false, &mut found)?;
    found.sort_by(|one: &Found, other| one.entry.path.cmp(&other.entry.path));
    let entries = linked(found);
    let packed = archive::write(&entries, &walk.upper, &out.join(LAYER)).map_err(on(&out.join(LAYER)))?;
    let path = out.join("packed.json");
    let text = serde_json::to_vec(&packed).map_err(|error| error.to_string())?;
    fs::write(&path, text).map_err(on(&path))
}

/// An entry, and the file that it is a name of where that has several.
struct Found {
    entry: Entry,
    inode: Option<u64>,
    /// Whether nothing would be missed without it.
    is_as_before: bool,
}

/// Turns the second and further names of a file into links to the first. Names of one file are listed all or not at all.
fn linked(found: Vec<Found>) -> Vec<Entry> {
    let mut changed: HashMap<u64, bool> = HashMap::new();
    for one in &found {
        if let Some(inode) = one.inode {
            *changed.entry(inode).or_default() |= !one.is_as_before;
        }
    }
    let mut first: HashMap<u64, Vec<u8>> = HashMap::new();
    let mut entries = Vec::new();
    for Found { mut entry, inode, is_as_before } in found {
        let is_left_out = inode.map_or(is_as_before, |inode| !changed.get(&inode).is_some_and(|is| *is));
        if is_left_out {
            continue;
        }
        if let Some(inode) = inode {
            match first.get(&inode) {
                Some(path) => {
                    entry.content = Content::HardLink(path.clone());
                    entry.attributes = Vec::new();
                }
                None => {
                    first.insert(inode, entry.path.clone());
                }
            }
        }
        entries.push(entry);
    }
    entries
}

struct Walk {
    upper: PathBuf,
    lower: PathBuf,
    epoch: i64,
    /// When the bake began, in seconds since 1970.
    began: i64,
}

impl Walk {
    /// Finds what is in the directory `below`; `is_hidden` says that nothing of the base is seen there.
    fn directory(&self, below: &Path, is_hidden: bool, found: &mut Vec<Found>) -> Result {
        let place = self.upper.join(below);
        let mut names = Vec::new();
        for entry in fs::read_dir(&place).map_err(on(&place))? {
            names.push(entry.map_err(on(&place))?.file_name());
        }
        names.sort();
        for name in names {
            let path = below.join(name);
            let metadata = fs::symlink_metadata(self.upper.join(&path)).map_err(on(&path))?;
            if self.fate(&path, &metadata)? == Fate::LeftOut {
                continue;
            }
            self.path(&path, &metadata, is_hidden, found)?;
        }
        Ok(())
    }

    fn fate(&self, path: &Path, metadata: &Metadata) -> Result<Fate> {
        if metadata.is_symlink() {
            let target = self.link(path, metadata)?;
            return Ok(normal::fate(path, per_host::Found::Symlink(&String::from_utf8_lossy(&target))));
        }
        if metadata.is_dir() {
            return Ok(normal::fate(path, per_host::Found::Directory));
        }
        if metadata.is_file() {
            let place = self.upper.join(path);
            let needed = normal::is_decided_by_content(path);
            let content = if needed { fs::read(&place).map_err(on(&place))? } else { Vec::new() };
            return Ok(normal::fate(path, per_host::Found::File(&content)));
        }
        // a deletion brings nothing, and what else it may be is looked at later
        Ok(normal::fate(path, per_host::Found::Directory))
    }

    fn link(&self, path: &Path, metadata: &Metadata) -> Result<Vec<u8>> {
        if !metadata.is_symlink() {
            return Ok(Vec::new());
        }
        let target = fs::read_link(self.upper.join(path)).map_err(on(path))?;
        Ok(target.into_os_string().into_vec())
    }

    fn path(&self, path: &Path, metadata: &Metadata, is_hidden: bool, found: &mut Vec<Found>) -> Result {
        let place = self.upper.join(path);
        let before = fs::symlink_metadata(self.lower.join(path)).ok().filter(|_| !is_hidden);
        let kind = metadata.file_type();
        let content = if kind.is_dir() {
            Content::Directory { is_opaque: attributes::is_opaque(&place) && before.is_some() }
        } else if kind.is_symlink() {
            Content::Symlink(self.link(path, metadata)?)
        } else if kind.is_file() {
            Content::File(metadata.len())
        } else if kind.is_char_device() && metadata.rdev() == 0 {
            // what only the files of the plan had is not in the base
            if before.is_some() {
                found.push(self.found(path, metadata, Content::Gone)?);
            }
            return Ok(());
        } else if kind.is_socket() {
            // nobody listens any more
            return Ok(());
        } else {
            return Err(format!("`/{}` is a device or a pipe, which no layer has", path.display()));
        };
        let is_directory = kind.is_dir();
        // also where the base has a link, which would lead elsewhere
        let is_new = before.as_ref().is_none_or(|before| !before.is_dir());
        let hides = is_hidden || matches!(content, Content::Directory { is_opaque: true }) || is_new;
        if let Some(owner) = [metadata.uid(), metadata.gid()].into_iter().find(|id| *id > LARGEST_ID) {
            let is_known =
                before.as_ref().is_some_and(|before| [before.uid(), before.gid()].contains(&owner));
            if !is_known {
                return Err(format!("`/{}` belongs to {owner}, whom no node knows", path.display()));
            }
        }
        let mut one = self.found(path, metadata, content)?;
        let is_made_anew = self.rewrite(path, &mut one.entry)?;
        one.is_as_before = match &before {
            Some(before) => self.is_as_before(path, &one.entry, before, is_made_anew)?,
            None => false,
        };
        found.push(one);
        if is_directory { self.directory(path, hides, found) } else { Ok(()) }
    }

    fn found(&self, path: &Path, metadata: &Metadata, content: Content) -> Result<Found> {
        let is_gone = content == Content::Gone;
        let attributes = if is_gone { Vec::new() } else { attributes::get(&self.upper.join(path))? };
        let entry = Entry {
            path: path.as_os_str().as_bytes().to_vec(),
            mode: if is_gone { 0o644 } else { metadata.mode() & 0o7777 },
            uid: if is_gone { 0 } else { metadata.uid() },
            gid: if is_gone { 0 } else { metadata.gid() },
            mtime: if is_gone { self.epoch } else { self.clamped(metadata.mtime()) },
            attributes,
            content,
        };
        let has_names = metadata.is_file() && metadata.nlink() > 1;
        Ok(Found { entry, inode: has_names.then(|| metadata.ino()), is_as_before: false })
    }

    /// Times of the bake and of the future become the epoch; what a package brought keeps its own.
    fn clamped(&self, mtime: i64) -> i64 {
        if mtime >= self.began { self.epoch } else { mtime.min(self.epoch).max(0) }
    }

    /// Puts what varies in a file to what does not; whether it did.
    fn rewrite(&self, path: &Path, entry: &mut Entry) -> Result<bool> {
        if !matches!(entry.content, Content::File(_)) || !normal::is_rewritten(path) {
            return Ok(false);
        }
        let place = self.upper.join(path);
        let bytes = fs::read(&place).map_err(on(&place))?;
        let began = self.began / 86_400;
        let source = |time: i64| self.clamped(time);
        let new = normal::rewritten(path, &bytes, (began, self.epoch / 86_400), &source);
        entry.content = Content::Bytes(new);
        Ok(true)
    }

    /// Whether the base has the same: kind, owner, mode, attributes, content. The time counts only where a package brought
    /// it, and never that of a directory, which changes with every entry.
    fn is_as_before(
        &self,
        path: &Path,
        entry: &Entry,
        before: &Metadata,
        is_made_anew: bool,
    ) -> Result<bool> {
        let (lower, upper) = (self.lower.join(path), self.upper.join(path));
        let is_alike = before.mode() & 0o7777 == entry.mode
            && (before.uid(), before.gid()) == (entry.uid, entry.gid)
            && attributes::get(&lower)? == entry.attributes;
        let read = |path: &Path| fs::read(path).map_err(on(path));
        Ok(is_alike
            && match &entry.content {
                Content::Directory { is_opaque } => before.is_dir() && !is_opaque,
                Content::Symlink(target) => {
                    before.is_symlink()
                        && fs::read_link(&lower).is_ok_and(|found| found.as_os_str().as_bytes() == target)
                }
                Content::Bytes(bytes) => before.is_file() && *bytes == read(&lower)?,
                Content::File(size) => {
                    let now = fs::symlink_metadata(&upper).map_err(on(&upper))?.mtime();
                    let is_same_time = is_made_anew || now >= self.began || now == before.mtime();
                    before.is_file()
                        && is_same_time
                        && before.len() == *size
                        && read(&lower)? == read(&upper)?
                }
                Content::HardLink(_) | Content::Gone => false,
            })
    }
}
