//! The golden layer: what all hosts of a build share, laid over the base once.
//!
//! It is the base, grown, with the golden changes of a plan. Its name is a digest of everything that decides its
//! bytes, so that what is found under a name is what would be made. An image is made over a layer that was written and
//! opened again, whether it was found or is new: there is one way to make an image, and the bytes are the same.

use std::io::Write;
use std::sync::Arc;

use pimg_disk::block::BlockRead;
use pimg_disk::overlay::{self, Layer};
use pimg_fetch::digest::Sha256Digest;
use sha2::{Digest, Sha256};

use super::apply::{ApplyError, apply_as};
use super::base::BaseImage;
use super::check::{CheckError, check_golden};
use super::digests::sha256_of;
use super::store::FileStore;
use super::working::{WorkingError, WorkingImage};
use crate::plan::change::{Action, Change, Ownership, Partition};
use crate::plan::layers::Golden;
use crate::progress::Reporter;

/// To be raised with every change of what a layer holds for the same inputs: of how the file system is grown, of how
/// changes are applied, of the layer's own format.
const FORMAT: u32 = 1;

/// Why a golden layer cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// The base cannot be grown.
    #[error(transparent)]
    Working(#[from] WorkingError),
    /// A change cannot be made.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// It is not what was asked for.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// It cannot be written.
    #[error("cannot write the golden layer")]
    Write(#[source] overlay::Error),
}

/// Everything that decides what a golden layer holds.
#[derive(Clone, Copy)]
pub struct GoldenInputs<'a> {
    base: &'a BaseImage,
    length: u64,
    epoch: i64,
    changes: &'a Golden,
    key: Sha256Digest,
}

impl<'a> GoldenInputs<'a> {
    /// A layer over `base`, whose raw image has the digest `base_sha256`, that makes an image of `length` bytes.
    /// `epoch` in seconds since 1970 is the time of everything written.
    pub fn new(
        base: &'a BaseImage,
        base_sha256: Sha256Digest,
        length: u64,
        epoch: i64,
        changes: &'a Golden,
    ) -> Self {
        let mut fields = Fields(Sha256::new());
        fields.add(b"golden layer");
        fields.add(&FORMAT.to_le_bytes());
        // whose editor decides where files lie
        fields.add(env!("CARGO_PKG_VERSION").as_bytes());
        fields.add(base_sha256.as_bytes());
        fields.add(&length.to_le_bytes());
        fields.add(&epoch.to_le_bytes());
        changes.changes().iter().for_each(|change| fields.add_change(change));
        let key = Sha256Digest::from_bytes(fields.0.finalize().into());
        Self { base, length, epoch, changes, key }
    }

    /// The layer's name: a digest of all inputs and of the version of pimg.
    pub fn key(&self) -> Sha256Digest {
        self.key
    }

    /// How many changes are in the layer.
    pub fn count(&self) -> usize {
        self.changes.changes().len()
    }

    /// Makes the layer: writes it to `out`, changed blocks to `store` before that.
    ///
    /// # Errors
    /// A change cannot be made, or cannot be read back, or `out` cannot be written.
    pub fn make(
        &self,
        store: FileStore,
        out: &mut dyn Write,
        reporter: &dyn Reporter,
    ) -> Result<(), GoldenError> {
        let image = WorkingImage::grown(self.base, self.length, store)?;
        apply_as("making the golden layer", &image, self.changes.changes(), self.epoch, reporter)?;
        check_golden(&image, self.changes, reporter)?;
        image.overlay().write_layer(*self.key.as_bytes(), out).map_err(GoldenError::Write)
    }

    /// Opens what [`Self::make`] has written. Header and index are checked, blocks when they are read.
    ///
    /// # Errors
    /// It is another layer, or damaged, or cannot be read.
    pub fn open(&self, device: Arc<dyn BlockRead>) -> Result<Layer, overlay::Error> {
        Layer::open(device, self.base.device(), *self.key.as_bytes())
    }
}

/// Digests fields so that no two lists of them are alike: each behind its length.
struct Fields(Sha256);

impl Fields {
    fn add(&mut self, field: &[u8]) {
        self.0.update((field.len() as u64).to_le_bytes());
        self.0.update(field);
    }

    fn add_change(&mut self, change: &Change) {
        self.add(match change.partition {
            Partition::Boot => b"boot",
            Partition::Root => b"root",
        });
        self.add(change.path.as_str().as_bytes());
        match &change.action {
            Action::PutFile { content, ownership } => {
                self.add(b"file");
                self.add_ownership(*ownership);
                self.add(sha256_of(content).as_bytes());
            }
            Action::MakeDir { ownership } => {
                self.add(b"directory");
                self.add_ownership(*ownership);
            }
            Action::Symlink { target } => {
                self.add(b"symlink");
                self.add(target.as_bytes());
            }
            Action::Remove => self.add(b"remove"),
            Action::SetOwnership { ownership } => {
                self.add(b"ownership");
                self.add_ownership(*ownership);
            }
        }
    }

    fn add_ownership(&mut self, ownership: Ownership) {
        let Ownership { uid, gid, mode } = ownership;
        self.add(&[uid.to_le_bytes(), gid.to_le_bytes(), u32::from(mode).to_le_bytes()].concat());
    }
}
