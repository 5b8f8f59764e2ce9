//! A boot partition as it comes before the operator: a directory where it is mounted, its device, or a whole raw image
//! or card. The only writer of images besides a build.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pimg_disk::Slice;
use pimg_disk::block::{BlockRead, BlockWrite};
use pimg_disk::fat;

use super::base::{BaseError, BaseImage, looks_like_fat};
use crate::failure::{Class, Fault};
use crate::host::device::FileDevice;
use crate::host::{HostError, env, files, private};

/// Longest file that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// First bytes of the formats that an image is published in, and their names.
const COMPRESSED: [(&[u8], &str); 4] =
    [(b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip")];

/// A boot partition cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is a compressed image.
    #[error("`{}` is compressed ({format}), and pimg changes raw images only", .path.display())]
    Compressed {
        /// The file.
        path: PathBuf,
        /// The format.
        format: &'static str,
    },
    /// It is no image with a boot partition.
    #[error("cannot use `{}`", .path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: BaseError,
    },
    /// The file system refuses something.
    #[error("cannot use the boot partition in `{}`", .path.display())]
    Volume {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: fat::Error,
    },
    /// The operator's machine refuses something.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Fault for TargetError {
    fn class(&self) -> Class {
        match self {
            Self::Compressed { .. } | Self::Image { .. } => Class::Usage,
            Self::Volume { source: fat::Error::Io(_), .. } | Self::Host(_) => Class::Host,
            Self::Volume { .. } => Class::Base,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Compressed { .. } => {
                "flash it first, and name the card's boot partition (`bootfs`); or build with `--format raw`"
            }
            Self::Image { .. } => "name the directory where the card's boot partition (`bootfs`) is mounted",
            Self::Volume { source: fat::Error::NotClean, .. } => {
                "unmount it, check it with `fsck.fat -a`, or name the directory where it is mounted"
            }
            Self::Volume { .. } => return Vec::new(),
            Self::Host(error) => return error.hints(),
        };
        vec![hint.to_owned()]
    }
}

/// A boot partition that can be written.
pub enum BootTarget {
    /// It is mounted there.
    Directory(PathBuf),
    /// It is in a file or a device.
    Volume {
        /// The file or device.
        path: PathBuf,
        /// The same, opened.
        device: Arc<FileDevice>,
        /// The partition in it.
        partition: Arc<dyn BlockWrite>,
    },
}

impl BootTarget {
    /// Opens what a path names.
    ///
    /// # Errors
    /// It is not there, may not be written, is mounted, compressed, or has no boot partition.
    pub fn open(path: &Path) -> Result<Self, TargetError> {
        if path.is_dir() {
            return Ok(Self::Directory(path.to_path_buf()));
        }
        let device = Arc::new(FileDevice::open_exclusive(path)?);
        let mut head = vec![0; usize::try_from(device.len()).map_or(2048, |len| len.min(2048))];
        device.read_at(0, &mut head).map_err(HostError::file("read", path))?;
        if let Some((_, format)) = COMPRESSED.into_iter().find(|(magic, _)| head.starts_with(magic)) {
            return Err(TargetError::Compressed { path: path.to_path_buf(), format });
        }
        let image = |source| TargetError::Image { path: path.to_path_buf(), source };
        let partition: Arc<dyn BlockWrite> = if looks_like_fat(&head) {
            device.clone()
        } else {
            let opened = BaseImage::open(device.clone()).map_err(image)?;
            let boot = opened.boot_partition();
            let slice = Slice::new(device.clone(), "boot partition", boot.start, boot.length);
            Arc::new(slice.map_err(|error| image(error.into()))?)
        };
        Ok(Self::Volume { path: path.to_path_buf(), device, partition })
    }

    /// Whether it is a file of the operator's, rather than a card.
    pub fn is_image_file(&self) -> bool {
        matches!(self, Self::Volume { path, .. } if path.is_file())
    }

    /// A small file at the top of it; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, TargetError> {
        let Self::Volume { path, partition, .. } = self else {
            let Self::Directory(directory) = self else { return Ok(None) };
            return Ok(files::read_optional(&directory.join(name), LONGEST)?);
        };
        let failed = |source| TargetError::Volume { path: path.clone(), source };
        let mut volume = fat::Volume::open_read_only(Arc::clone(partition)).map_err(failed)?;
        match volume.metadata(name).map_err(failed)? {
            Some(found) if !found.is_dir => volume.read(name, LONGEST).map(Some).map_err(failed),
            _ => Ok(None),
        }
    }

    /// Puts a file with secrets at the top of it. What an older one held is overwritten first.
    ///
    /// # Errors
    /// There is no room for it, or it cannot be written.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), TargetError> {
        let Self::Volume { path, device, partition } = self else {
            let Self::Directory(directory) = self else { return Ok(()) };
            return Ok(private::replace(&directory.join(name), bytes)?);
        };
        let failed = |source| TargetError::Volume { path: path.clone(), source };
        let time = i64::try_from(env::unix_seconds()).unwrap_or(0);
        let mut volume = fat::Volume::open(Arc::clone(partition)).map_err(failed)?;
        if let Some(old) = volume.metadata(name).map_err(failed)? {
            let zeros = vec![0; usize::try_from(old.len).unwrap_or(0)];
            // a file keeps its clusters where its length stays
            volume.write(name, &zeros, time).map_err(failed)?;
            volume.remove_file(name).map_err(failed)?;
        }
        volume.write(name, bytes, time).map_err(failed)?;
        drop(volume);
        Ok(device.sync()?)
    }
}
