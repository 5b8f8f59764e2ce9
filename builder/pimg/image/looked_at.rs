//! An image file that is looked at and not used whole: decoded as little as can be.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pimg_disk::block::BlockRead;
use pimg_fetch::{BaseFetcher, Cache, Limits, Watch};

use super::base::BaseImage;
use super::opened::RawImage;
use super::seekable::SeekableImage;
use crate::failure::Failure;
use crate::host::device::FileDevice;

/// An open image.
pub struct LookedAt {
    /// The image.
    pub image: BaseImage,
    frames: Option<Arc<SeekableImage>>,
    _decoded: Option<RawImage>,
}

impl LookedAt {
    /// Opens `path`. A `.img.zst` of pimg is decoded where it is read, a base that is in the cache not at all, and anything
    /// else but a `.img` as a whole, into the cache's directory.
    ///
    /// # Errors
    /// It cannot be read, or is no image of Raspberry Pi OS.
    pub fn open(path: &Path, cache: &Path, watch: &dyn Watch) -> Result<Self, Failure> {
        if path.extension().is_some_and(|extension| extension == "zst")
            && let Some(frames) = SeekableImage::open(path, cache)?
        {
            let frames = Arc::new(frames);
            let device: Arc<dyn BlockRead> = frames.clone();
            return Ok(Self { image: BaseImage::open(device)?, frames: Some(frames), _decoded: None });
        }
        let is_raw = path.extension().is_some_and(|extension| extension == "img");
        if !is_raw && let Some(known) = decoded_before(path, cache, watch)? {
            return Self::open_raw(&known);
        }
        let raw = RawImage::open(path, cache, watch)?;
        let device: Arc<dyn BlockRead> = Arc::new(FileDevice::open(raw.path())?);
        Ok(Self { image: BaseImage::open(device)?, frames: None, _decoded: Some(raw) })
    }

    /// Opens an image that is not compressed, whatever it is called.
    ///
    /// # Errors
    /// It cannot be read, or is no image of Raspberry Pi OS.
    pub fn open_raw(path: &Path) -> Result<Self, Failure> {
        let device: Arc<dyn BlockRead> = Arc::new(FileDevice::open(path)?);
        Ok(Self { image: BaseImage::open(device)?, frames: None, _decoded: None })
    }

    /// Its frames, where it is decoded by frames.
    pub fn frames(&self) -> Option<&SeekableImage> {
        self.frames.as_deref()
    }
}

/// The raw image of a base that a build took from this file.
fn decoded_before(path: &Path, cache: &Path, watch: &dyn Watch) -> Result<Option<PathBuf>, Failure> {
    let cache = Cache::open(cache)?;
    let fetcher = BaseFetcher { cache: &cache, client: None, limits: Limits::default(), watch };
    Ok(fetcher.decoded_before(path)?.map(|base| base.path().to_owned()))
}
