//! What of a layer goes to the boot partition: the mount point `boot/firmware` of the tree that packages saw.
//!
//! FAT knows neither owners nor modes: the node mounts it with those of root, as the bake saw it.

use std::io::{self, Read};
use std::sync::Arc;

use pimg_disk::block::BlockWrite;
use pimg_disk::fat::{self, Volume};

use super::entry::{Entry, Kind};
use super::error::BakedError;
use crate::image::base::BaseImage;

/// Longest file that goes there, in bytes: an initramfs is the largest.
const LONGEST: u64 = 512 << 20;

/// The boot partition of the image that is edited.
pub(super) struct Boot {
    volume: Volume<'static>,
}

impl Boot {
    pub(super) fn open(device: Arc<dyn BlockWrite>) -> Result<Self, BakedError> {
        Ok(Self { volume: Volume::open(device).map_err(at("/"))? })
    }

    pub(super) fn put(
        &mut self,
        path: &str,
        entry: &Entry,
        content: &mut dyn Read,
    ) -> Result<(), BakedError> {
        let there = self.volume.metadata(path).map_err(at(path))?;
        let is_dir = there.as_ref().is_some_and(|there| there.is_dir);
        let is_other = there.is_some() && is_dir != (entry.kind == Kind::Directory);
        match &entry.kind {
            Kind::Whiteout if there.is_some() => self.volume.remove_tree(path).map_err(at(path)),
            Kind::Opaque => self.clear(path).map_err(at(path)),
            Kind::Directory => {
                if is_other {
                    self.volume.remove_file(path).map_err(at(path))?;
                }
                self.volume.create_dir_all(path, entry.mtime).map_err(at(path))
            }
            Kind::File(len) => {
                if is_other {
                    self.volume.remove_tree(path).map_err(at(path))?;
                }
                let bytes = whole(entry, content, *len)?;
                self.volume.write(path, &bytes, entry.mtime).map_err(at(path))
            }
            _ => Ok(()),
        }
    }

    fn clear(&mut self, path: &str) -> Result<(), fat::Error> {
        for entry in self.volume.list(path)? {
            self.volume.remove_tree(&format!("{path}/{}", entry.name))?;
        }
        Ok(())
    }
}

/// What is on the boot partition instead of what an entry asked for.
pub(super) fn found_instead(
    image: &BaseImage,
    path: &str,
    entry: &Entry,
    content: &mut dyn Read,
) -> Result<Option<&'static str>, BakedError> {
    let mut volume = image.boot();
    let there = volume.metadata(path).map_err(at(path))?;
    Ok(match (&entry.kind, there) {
        (Kind::Whiteout, Some(_)) => Some("it is still there"),
        (Kind::Whiteout | Kind::Opaque, _) => None,
        (Kind::Directory, Some(there)) if there.is_dir => None,
        (Kind::File(len), Some(there)) if !there.is_dir => {
            let bytes = volume.read(path, LONGEST).map_err(at(path))?;
            (bytes != whole(entry, content, *len)?).then_some("other bytes")
        }
        _ => Some("it is missing or of another kind"),
    })
}

fn whole(entry: &Entry, content: &mut dyn Read, len: u64) -> Result<Vec<u8>, BakedError> {
    if len > LONGEST {
        return Err(BakedError::entry(
            &entry.path,
            format!("has {len} bytes, too many for the boot partition"),
        ));
    }
    let mut bytes = Vec::new();
    let read = content.take(len).read_to_end(&mut bytes).and_then(|read| match read as u64 == len {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    });
    read.map_err(|error| BakedError::entry(&entry.path, format!("cannot be read: {error}")))?;
    Ok(bytes)
}

fn at(path: &str) -> impl FnOnce(fat::Error) -> BakedError {
    let path = format!("boot/firmware{path}");
    move |source| BakedError::Boot { path, source }
}
