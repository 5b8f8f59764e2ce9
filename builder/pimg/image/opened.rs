//! An image file as it lies on the operator's disk, compressed or not, opened for looking at.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pimg_disk::block::BlockRead;
use pimg_fetch::{BaseFetcher, Cache, Limits, Pins, Source, Watch};
use tempfile::TempDir;

use super::base::BaseImage;
use crate::failure::{Class, Failure};
use crate::host::device::FileDevice;

/// An open image. A compressed one is decoded into a directory that goes with this value.
pub struct OpenedImage {
    /// The image.
    pub image: BaseImage,
    raw: PathBuf,
    _decoded: Option<TempDir>,
}

impl OpenedImage {
    /// Opens `path`. Anything but a `.img` is decoded into `scratch` first.
    ///
    /// # Errors
    /// It cannot be read, or is no image of Raspberry Pi OS.
    pub fn open(path: &Path, scratch: &Path, watch: &dyn Watch) -> Result<Self, Failure> {
        if path.extension().is_some_and(|extension| extension == "img") {
            return Ok(Self { image: open_raw(path)?, raw: path.to_owned(), _decoded: None });
        }
        // decoding is what the fetch package does on the way into a cache; this cache is thrown away
        let directory = tempfile::Builder::new().prefix("inspect-").tempdir_in(scratch).map_err(|error| {
            Failure::caused_by(Class::Host, format!("cannot work in `{}`", scratch.display()), error)
        })?;
        let cache = Cache::open(directory.path())?;
        let fetcher = BaseFetcher { cache: &cache, client: None, limits: Limits::default(), watch };
        let decoded = fetcher.fetch(&Source::File(path.to_owned()), Pins::default())?;
        let raw = decoded.path().to_owned();
        Ok(Self { image: open_raw(&raw)?, raw, _decoded: Some(directory) })
    }

    /// The raw image: the file itself, or the decoded one, which is there as long as this value.
    pub fn raw(&self) -> &Path {
        &self.raw
    }
}

fn open_raw(path: &Path) -> Result<BaseImage, Failure> {
    let device: Arc<dyn BlockRead> = Arc::new(FileDevice::open(path)?);
    Ok(BaseImage::open(device)?)
}
