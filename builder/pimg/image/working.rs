//! The image that a plan is applied to: changed blocks over a base that stays as it is.

use std::io;
use std::sync::Arc;

use pimg_disk::Slice;
use pimg_disk::block::{BlockRead, BlockWrite};
use pimg_disk::mbr::{self, SECTOR};
use pimg_disk::overlay::Overlay;
use pimg_disk::{ext4, table};

use super::base::BaseImage;
use super::store::FileStore;

/// Why a working image cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WorkingError {
    /// The overlay cannot be made.
    #[error("cannot lay a working image over the base")]
    Overlay(#[from] io::Error),
    /// The partition table cannot be changed.
    #[error("cannot change the partition table")]
    Table(#[from] table::Error),
    /// The base has another kind of partition table.
    #[error("this base has a GUID partition table, and pimg builds on a master boot record only")]
    NotAnMbr,
    /// There is no room for the root partition to grow.
    #[error("the root partition (partition {root}) cannot grow: partition {next} stands behind it")]
    NotLast {
        /// Number of the root partition.
        root: u32,
        /// Number of a partition behind it.
        next: u32,
    },
    /// The root partition would be too long for its table.
    #[error("a master boot record cannot hold a partition of {sectors} sectors")]
    TooLong {
        /// Its length in sectors of 512 bytes.
        sectors: u64,
    },
    /// The root file system cannot be grown.
    #[error("cannot grow the root file system")]
    Grow(#[source] ext4::Error),
}

/// Changed blocks over a base or a layer, with its two partitions.
pub struct WorkingImage {
    below: Arc<dyn BlockRead>,
    device: Arc<Overlay>,
    boot: Arc<Slice<Arc<Overlay>>>,
    root: Arc<Slice<Arc<Overlay>>>,
}

impl WorkingImage {
    /// A working image of `length` bytes with the disk signature `disk_id`. The root partition reaches to the
    /// end of the image, and its file system fills it.
    ///
    /// # Errors
    /// The base cannot be grown, or the host cannot hold the changed blocks.
    pub fn new(base: &BaseImage, length: u64, disk_id: u32, store: FileStore) -> Result<Self, WorkingError> {
        let image = Self::grown(base, length, store)?;
        mbr::set_disk_signature(&image.device, disk_id)?;
        Ok(image)
    }

    /// A working image as [`Self::new`] makes it, with the disk signature that the base has.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn grown(base: &BaseImage, length: u64, store: FileStore) -> Result<Self, WorkingError> {
        if base.table().kind != table::Kind::Mbr {
            return Err(WorkingError::NotAnMbr);
        }
        let root = base.root_partition();
        let image = Self::laid_over(base.device(), base, length, store)?;
        let root_length = image.root.len();
        if root_length > root.length {
            if let Some(next) = base.table().partitions.iter().find(|other| other.start > root.start) {
                return Err(WorkingError::NotLast { root: root.number, next: next.number });
            }
            let sectors = root_length / SECTOR;
            let size = u32::try_from(sectors).map_err(|_| WorkingError::TooLong { sectors })?;
            let number = u8::try_from(root.number).map_err(|_| WorkingError::NotAnMbr)?;
            mbr::resize_partition(&image.device, number, size)?;
        }
        ext4::grow(image.root.as_ref(), root_length).map_err(WorkingError::Grow)?;
        Ok(image)
    }

    /// A working image with the disk signature `disk_id` over a layer that was made of [`Self::grown`] from this base.
    ///
    /// # Errors
    /// The host cannot hold the changed blocks.
    pub fn over(
        layer: Arc<dyn BlockRead>,
        base: &BaseImage,
        disk_id: u32,
        store: FileStore,
    ) -> Result<Self, WorkingError> {
        let length = layer.len();
        let image = Self::laid_over(layer, base, length, store)?;
        mbr::set_disk_signature(&image.device, disk_id)?;
        Ok(image)
    }

    fn laid_over(
        below: Arc<dyn BlockRead>,
        base: &BaseImage,
        length: u64,
        store: FileStore,
    ) -> Result<Self, WorkingError> {
        let device = Arc::new(Overlay::new(Arc::clone(&below), length, store)?);
        let (boot, root) = (base.boot_partition(), base.root_partition());
        let root_length = length.saturating_sub(root.start).max(root.length);
        let slice = |name, start, length| Slice::new(Arc::clone(&device), name, start, length).map(Arc::new);
        let boot = slice("boot partition", boot.start, boot.length)?;
        let root = slice("root partition", root.start, root_length)?;
        Ok(Self { below, device, boot, root })
    }

    /// What the changed blocks are laid over.
    pub fn below(&self) -> &Arc<dyn BlockRead> {
        &self.below
    }

    /// The changed blocks.
    pub fn overlay(&self) -> &Overlay {
        &self.device
    }

    /// The whole image.
    pub fn device(&self) -> Arc<dyn BlockRead> {
        self.device.clone()
    }

    /// The boot partition.
    pub fn boot(&self) -> Arc<dyn BlockWrite> {
        self.boot.clone()
    }

    /// The root partition.
    pub fn root(&self) -> Arc<dyn BlockWrite> {
        self.root.clone()
    }
}
