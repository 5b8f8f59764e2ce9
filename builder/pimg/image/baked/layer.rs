//! A baked layer as blocks over a base: its name, how it is made, how it is opened.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use pimg_disk::block::BlockRead;
use pimg_disk::overlay::{self, Layer};
use pimg_fetch::digest::Sha256Digest;
use sha2::{Digest, Sha256};

use super::apply::apply;
use super::check::check;
use super::error::BakedError;
use crate::image::base::BaseImage;
use crate::image::size::ALIGNMENT;
use crate::image::store::FileStore;
use crate::image::working::WorkingImage;
use crate::progress::Reporter;

/// To be raised with every change of what blocks hold for the same layer.
const FORMAT: u32 = 1;

/// Most that an archive may hold, in bytes and entries: ten times what a whole desktop takes. What is beyond that is a
/// mistake or meant to do harm.
const MOST_BYTES: u64 = 64 << 30;
const MOST_ENTRIES: u64 = 4 << 20;

/// What a compressor adds to a short archive, in bytes, for each of its frames.
const SLACK: u64 = 64 << 10;

/// Latest time that the root file system can hold, in seconds since 1970: the year 2446.
const LATEST: i64 = (1 << 34) - (1 << 31) - 1;

/// Block of the root file system, in bytes: every entry may take one that is not full.
const BLOCK: u64 = 4096;

/// The file of a baked layer, and what its manifest says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its digest.
    pub sha256: Sha256Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Digest of the archive in it.
    pub tar_sha256: Sha256Digest,
    /// Length of the archive in bytes.
    pub tar_size: u64,
    /// Bytes that its files take.
    pub content_size: u64,
    /// How many entries it has.
    pub entries: u64,
    /// No time in it is later: seconds since 1970. Directories that it changed and does not name get this one.
    pub epoch: i64,
}

impl LayerFile {
    /// Refuses numbers that no bake writes, before they decide how much is read or made.
    ///
    /// # Errors
    /// The first of them.
    pub fn require_sense(&self) -> Result<(), BakedError> {
        let Self { size, tar_size, content_size, entries, epoch, .. } = *self;
        // what cannot be compressed grows by three bytes in 128 KiB (RFC 8878, section 3.1.1.2)
        let longest = tar_size.saturating_add(tar_size / 64).saturating_add(SLACK);
        let problem = if tar_size > MOST_BYTES {
            format!("an archive of {tar_size} bytes, and {MOST_BYTES} are the most")
        } else if size > longest {
            format!("a file of {size} bytes for an archive of {tar_size}")
        } else if entries > MOST_ENTRIES {
            format!("{entries} entries, and {MOST_ENTRIES} are the most")
        } else if content_size > tar_size.saturating_add(entries.saturating_mul(BLOCK)) {
            format!("files of {content_size} bytes in an archive of {tar_size}")
        } else if !(0..=LATEST).contains(&epoch) {
            format!("a time of {epoch} seconds")
        } else {
            return Ok(());
        };
        Err(BakedError::Manifest(problem))
    }
}

/// Everything that decides what the blocks hold.
#[derive(Clone, Copy)]
pub struct BakedInputs<'a> {
    base: &'a BaseImage,
    layer: &'a LayerFile,
    length: u64,
    key: Sha256Digest,
}

impl<'a> BakedInputs<'a> {
    /// `layer` over `base`, whose raw image has the digest `base_sha256`.
    ///
    /// # Errors
    /// The manifest says what cannot be.
    pub fn new(
        base: &'a BaseImage,
        base_sha256: Sha256Digest,
        layer: &'a LayerFile,
    ) -> Result<Self, BakedError> {
        layer.require_sense()?;
        let length = length(base, layer);
        let mut digest = Sha256::new();
        for field in [
            &b"baked base"[..],
            &FORMAT.to_le_bytes(),
            // whose editor decides where files lie
            env!("CARGO_PKG_VERSION").as_bytes(),
            base_sha256.as_bytes(),
            &length.to_le_bytes(),
            &layer.epoch.to_le_bytes(),
            layer.tar_sha256.as_bytes(),
        ] {
            digest.update((field.len() as u64).to_le_bytes());
            digest.update(field);
        }
        Ok(Self { base, layer, length, key: Sha256Digest::from_bytes(digest.finalize().into()) })
    }

    /// The name of the blocks: a digest of base, layer and the version of pimg.
    pub fn key(&self) -> Sha256Digest {
        self.key
    }

    /// How many entries are applied.
    pub fn entries(&self) -> u64 {
        self.layer.entries
    }

    /// Makes the blocks: writes them to `out`, and to `store` before that. What was applied is read back.
    ///
    /// # Errors
    /// The layer is not what it should be or does not fit the base, or `out` cannot be written.
    pub fn make(
        &self,
        store: FileStore,
        out: &mut dyn Write,
        reporter: &dyn Reporter,
    ) -> Result<(), BakedError> {
        let image = WorkingImage::grown(self.base, self.length, store)?;
        apply(&image, self.layer, reporter)?;
        check(&BaseImage::open(image.device())?, self.layer, reporter)?;
        image.overlay().write_layer(*self.key.as_bytes(), out).map_err(BakedError::Write)
    }

    /// Opens what [`Self::make`] has written. Header and index are checked, blocks when they are read.
    ///
    /// # Errors
    /// It is another layer, or damaged, or cannot be read.
    pub fn open(&self, device: Arc<dyn BlockRead>) -> Result<Layer, overlay::Error> {
        Layer::open(device, self.base.device(), *self.key.as_bytes())
    }
}

/// Length of the base with room for the layer, in bytes.
fn length(base: &BaseImage, layer: &LayerFile) -> u64 {
    let superblock = base.root().superblock();
    let files = layer.content_size.saturating_add(layer.entries.saturating_mul(BLOCK));
    let content = superblock.used_bytes().saturating_add(files);
    // inode tables and bitmaps of new groups: as in `size::image_length`
    let for_bytes = content.saturating_add(content / 50);
    let missing = layer.entries.saturating_sub(superblock.s_free_inodes_count.into());
    let per_group = u64::from(superblock.s_inodes_per_group.max(1));
    let group = superblock.byte_of_block(superblock.s_blocks_per_group.into());
    let now = superblock.byte_of_block(superblock.s_blocks_count);
    // a last group that is cut short has all its inodes
    let for_inodes = match missing.div_ceil(per_group) {
        0 => now,
        groups => now.saturating_add(groups.saturating_add(1).saturating_mul(group)),
    };
    let wanted = base.root_partition().start.saturating_add(for_bytes.max(for_inodes));
    let wanted = wanted.max(base.device().len());
    // what is too long for a partition table is refused where that is written
    wanted.checked_next_multiple_of(ALIGNMENT).unwrap_or(wanted)
}
