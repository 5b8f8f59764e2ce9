//! Entries of a layer become edits of the root file system. What goes to the boot partition is in `boot`.

use std::collections::HashSet;
use std::io::Read;

use pimg_disk::ext4::{self, Attributes, Editor, Kind as Found, Timestamp};
use pimg_disk::overlay::BLOCK_SIZE;

use super::archive::walk;
use super::boot::Boot;
use super::entry::{Entry, Kind, Place};
use super::error::{BakedError, shown};
use super::layer::LayerFile;
use crate::image::working::WorkingImage;
use crate::plan::change::Ownership;
use crate::progress::Reporter;

/// Applies all entries, in their order.
///
/// # Errors
/// The layer is not what it should be, or the first entry that cannot be applied; the image is of no use then.
pub(super) fn apply(
    image: &WorkingImage,
    layer: &LayerFile,
    reporter: &dyn Reporter,
) -> Result<(), BakedError> {
    let mut boot = Boot::open(image.boot())?;
    let mut root = Root::open(image, layer.epoch)?;
    walk(layer, "applying the baked layer", reporter, |entry, content| match entry.place()? {
        Place::Root(path) => root.put(&path, entry, content),
        Place::Boot(path) => boot.put(&path, entry, content),
        Place::BootMount => Ok(()),
    })?;
    root.finish()?;
    let mib = (image.overlay().dirty_count() * BLOCK_SIZE).div_ceil(1 << 20);
    let task = reporter.begin("baked base", None);
    reporter.finish(task, &format!("{} entries, {mib} MiB", layer.entries));
    Ok(())
}

struct Root {
    editor: Editor,
    epoch: i64,
    /// Directories that are known to be there, by paths without a link.
    directories: HashSet<Vec<u8>>,
    /// Directories with the times that they get when all is done.
    times: Vec<(Vec<u8>, i64)>,
}

impl Root {
    fn open(image: &WorkingImage, epoch: i64) -> Result<Self, BakedError> {
        let editor = Editor::open(image.root(), epoch).map_err(at(b"/"))?;
        Ok(Self { editor, epoch, directories: HashSet::new(), times: Vec::new() })
    }

    fn put(&mut self, path: &[u8], entry: &Entry, content: &mut dyn Read) -> Result<(), BakedError> {
        self.require_parents(path)?;
        self.apply(path, entry, content).map_err(at(path))
    }

    /// Every directory above must be one itself: what leads through a link of the base lands elsewhere.
    fn require_parents(&mut self, path: &[u8]) -> Result<(), BakedError> {
        let cuts = path.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/').map(|(cut, _)| cut);
        let mut unknown = Vec::new();
        for above in cuts.map(|cut| &path[..cut]).filter(|above| !above.is_empty()) {
            if self.directories.contains(above) {
                break;
            }
            unknown.push(above);
        }
        for above in unknown.into_iter().rev() {
            let shown = || shown(above);
            let problem = match self.editor.kind(above).map_err(at(path))? {
                Some(Found::Directory) => {
                    self.directories.insert(above.to_vec());
                    continue;
                }
                Some(Found::Symlink) => format!("leads through the link `{}`", shown()),
                Some(_) => format!("lies below `{}`, which is no directory", shown()),
                None => format!("lies in `{}`, which is not there", shown()),
            };
            return Err(BakedError::entry(path, problem));
        }
        Ok(())
    }

    fn apply(&mut self, path: &[u8], entry: &Entry, content: &mut dyn Read) -> Result<(), ext4::Error> {
        let there = self.editor.kind(path)?;
        let attributes = attributes(entry);
        match &entry.kind {
            Kind::Directory => return self.directory(path, entry, there),
            Kind::Opaque => return self.editor.clear(path),
            Kind::File(len) => {
                if there == Some(Found::Directory) {
                    self.editor.remove_all(path)?;
                }
                self.editor.create_file(path, &attributes, content, *len)?;
            }
            kind => {
                if there.is_some() {
                    self.editor.remove_all(path)?;
                }
                match kind {
                    Kind::Symlink(target) => self.editor.symlink(path, target, &attributes)?,
                    Kind::HardLink(target) => {
                        self.editor.hard_link([b"/", &target[..]].concat(), path)?;
                    }
                    Kind::Node(node) => self.editor.mknod(path, *node, &attributes)?,
                    _ => {}
                }
            }
        }
        self.set_xattrs(path, entry)
    }

    /// A directory that is there keeps its entries, and becomes otherwise what the layer says.
    fn directory(&mut self, path: &[u8], entry: &Entry, there: Option<Found>) -> Result<(), ext4::Error> {
        if there == Some(Found::Directory) {
            let Ownership { uid, gid, mode } = entry.ownership;
            for name in self.editor.xattr_names(path)? {
                if entry.xattrs.iter().all(|(kept, _)| *kept != name) {
                    self.editor.remove_xattr(path, &name)?;
                }
            }
            self.editor.chown(path, uid, gid)?;
            self.editor.chmod(path, mode)?;
        } else {
            if there.is_some() {
                self.editor.remove(path)?;
            }
            self.editor.mkdir(path, &attributes(entry))?;
        }
        self.set_xattrs(path, entry)?;
        self.times.push((path.to_vec(), entry.mtime));
        Ok(())
    }

    fn set_xattrs(&mut self, path: &[u8], entry: &Entry) -> Result<(), ext4::Error> {
        entry.xattrs.iter().try_for_each(|(name, value)| self.editor.set_xattr(path, name, value))
    }

    fn finish(mut self) -> Result<(), BakedError> {
        for (path, mtime) in &self.times {
            let times = (Timestamp::at(self.epoch), Timestamp::at(*mtime));
            self.editor.set_times(path, times.0, times.1).map_err(at(path))?;
        }
        self.editor.finish().map_err(at(b"/"))
    }
}

fn attributes(entry: &Entry) -> Attributes {
    let Ownership { uid, gid, mode } = entry.ownership;
    Attributes { mode, uid, gid, mtime: Timestamp::at(entry.mtime) }
}

fn at(path: &[u8]) -> impl FnOnce(ext4::Error) -> BakedError {
    let path = shown(path);
    move |source| BakedError::Root { path, source }
}
