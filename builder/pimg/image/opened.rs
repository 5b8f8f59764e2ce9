//! An image file as it lies on the operator's disk, compressed or not, opened for looking at.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pimg_disk::block::BlockRead;
use pimg_fetch::{BaseFetcher, Cache, Limits, Pins, Sha256Digest, Source, Watch};
use tempfile::TempDir;

use super::base::BaseImage;
use crate::failure::{Class, Failure};
use crate::host::device::FileDevice;

/// The bytes of an image as a file of their own. What was decoded for it goes with this value.
pub struct RawImage {
    path: PathBuf,
    digest: Option<Sha256Digest>,
    _decoded: Option<TempDir>,
}

impl RawImage {
    /// Takes `path` as it is if it is a `.img`, and decodes anything else into `scratch`.
    ///
    /// # Errors
    /// It cannot be read, or holds no disk image.
    pub fn open(path: &Path, scratch: &Path, watch: &dyn Watch) -> Result<Self, Failure> {
        if path.extension().is_some_and(|extension| extension == "img") {
            return Ok(Self { path: path.to_owned(), digest: None, _decoded: None });
        }
        // decoding is what the fetch package does on the way into a cache; this cache is thrown away
        let directory = tempfile::Builder::new().prefix("inspect-").tempdir_in(scratch).map_err(|error| {
            Failure::caused_by(Class::Host, format!("cannot work in `{}`", scratch.display()), error)
        })?;
        let cache = Cache::open(directory.path())?;
        let fetcher = BaseFetcher { cache: &cache, client: None, limits: Limits::default(), watch };
        let decoded = fetcher.fetch(&Source::File(path.to_owned()), Pins::default())?;
        let digest = Some(decoded.raw_digest());
        Ok(Self { path: decoded.path().to_owned(), digest, _decoded: Some(directory) })
    }

    /// The file itself, or the decoded one, which is there as long as this value.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// An open image of Raspberry Pi OS.
pub struct OpenedImage {
    /// The image.
    pub image: BaseImage,
    raw: RawImage,
}

impl OpenedImage {
    /// Opens `path`. Anything but a `.img` is decoded into `scratch` first.
    ///
    /// # Errors
    /// It cannot be read, or is no image of Raspberry Pi OS.
    pub fn open(path: &Path, scratch: &Path, watch: &dyn Watch) -> Result<Self, Failure> {
        let raw = RawImage::open(path, scratch, watch)?;
        let device: Arc<dyn BlockRead> = Arc::new(FileDevice::open(raw.path())?);
        Ok(Self { image: BaseImage::open(device)?, raw })
    }

    /// The digest of the raw image, where decoding has made it.
    pub fn raw_digest(&self) -> Option<Sha256Digest> {
        self.raw.digest
    }

    /// The raw image: the file itself, or the decoded one, which is there as long as this value.
    pub fn raw(&self) -> &Path {
        self.raw.path()
    }
}
