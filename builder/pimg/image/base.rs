//! A disk image that can be read: its partition table, its boot partition and its root file system.
//!
//! Base images and finished ones are opened alike. Nothing in here writes.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pimg_disk::Slice;
use pimg_disk::block::BlockRead;
use pimg_disk::ext4::{self, Inode, Kind, Reader};
use pimg_disk::fat;
use pimg_disk::table::{self, Partition as TableEntry, PartitionTable, PartitionType};

use crate::failure::{Class, Fault};
use crate::guest::base_files::{BaseFiles, BaseReadError, EntryKind};
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;

/// The longest file that a rule may ask for, in bytes: an initramfs is the largest of them.
const LONGEST_FILE: usize = 256 << 20;

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// The device failed.
    #[error("cannot read the image")]
    Io(#[from] io::Error),
    /// There is no usable partition table.
    #[error("cannot use the partition table")]
    Table(#[from] table::Error),
    /// There is a table, but not with the partitions of Raspberry Pi OS.
    #[error("this is no Raspberry Pi OS image: {0}")]
    NotRaspberryPiOs(&'static str),
    /// The boot partition cannot be used.
    #[error("cannot use the boot partition (partition {number})")]
    Boot {
        /// Its number in the table.
        number: u32,
        /// What is wrong with it.
        #[source]
        source: fat::Error,
    },
    /// The root file system cannot be used.
    #[error("cannot use the root partition (partition {number})")]
    Root {
        /// Its number in the table.
        number: u32,
        /// What is wrong with it.
        #[source]
        source: ext4::Error,
    },
}

impl Fault for BaseError {
    fn class(&self) -> Class {
        match self {
            Self::Io(_) => Class::Host,
            Self::Boot { source: fat::Error::Io(error), .. }
            | Self::Root { source: ext4::Error::Io(error), .. }
            | Self::Table(table::Error::Io(error))
                if is_of_the_disk(error) =>
            {
                Class::Host
            }
            _ => Class::Base,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Io(_) => return Vec::new(),
            Self::Table(_) | Self::NotRaspberryPiOs(_) => {
                "the base is to be a Raspberry Pi OS Lite image for arm64"
            }
            Self::Boot { source: fat::Error::Unsupported(_), .. } => UNSUPPORTED,
            Self::Root { source: ext4::Error::Unsupported(_), .. } => UNSUPPORTED,
            Self::Boot { .. } | Self::Root { .. } => {
                "get the image again and compare its digest with the publisher's"
            }
        };
        vec![hint.to_owned()]
    }
}

const UNSUPPORTED: &str = "use an image as its publisher made it, one that was never booted or mounted";

/// Whether the disk that an image is on failed, rather than the image led to where nothing is.
pub(crate) fn is_of_the_disk(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    !matches!(error.kind(), K::UnexpectedEof | K::InvalidData | K::InvalidInput)
}

/// An image with the two partitions of Raspberry Pi OS.
pub struct BaseImage {
    device: Arc<dyn BlockRead>,
    table: PartitionTable,
    boot: TableEntry,
    root: TableEntry,
    volume: Mutex<fat::Volume<'static>>,
    reader: Reader<'static>,
}

impl BaseImage {
    /// Opens an image. The boot partition is checked as a whole, the root file system as far as it is read.
    ///
    /// # Errors
    /// There are no such partitions, or they are unsupported or corrupt.
    pub fn open(device: Arc<dyn BlockRead>) -> Result<Self, BaseError> {
        let table = PartitionTable::read(&device)?;
        let boot = find(&table, &device, looks_like_fat)?;
        let boot = boot.ok_or(BaseError::NotRaspberryPiOs("there is no FAT partition"))?;
        let root = find(&table, &device, looks_like_ext4)?;
        let root = root.ok_or(BaseError::NotRaspberryPiOs("there is no ext4 partition"))?;
        let volume = Slice::new(Arc::clone(&device), "boot partition", boot.start, boot.length)?;
        let volume = fat::Volume::open_read_only(volume)
            .map_err(|source| BaseError::Boot { number: boot.number, source })?;
        let reader = Slice::new(Arc::clone(&device), "root partition", root.start, root.length)?;
        let reader =
            Reader::open(reader).map_err(|source| BaseError::Root { number: root.number, source })?;
        Ok(Self { device, table, boot, root, volume: Mutex::new(volume), reader })
    }

    /// The whole image.
    pub fn device(&self) -> Arc<dyn BlockRead> {
        Arc::clone(&self.device)
    }

    /// The partition table.
    pub fn table(&self) -> &PartitionTable {
        &self.table
    }

    /// The boot partition in the table.
    pub fn boot_partition(&self) -> &TableEntry {
        &self.boot
    }

    /// The root partition in the table.
    pub fn root_partition(&self) -> &TableEntry {
        &self.root
    }

    /// The root file system.
    pub fn root(&self) -> &Reader<'static> {
        &self.reader
    }

    /// The boot partition, for one reader at a time.
    pub fn boot(&self) -> MutexGuard<'_, fat::Volume<'static>> {
        self.volume.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wraps an error of the root file system.
    pub fn root_error(&self, source: ext4::Error) -> BaseError {
        BaseError::Root { number: self.root.number, source }
    }

    /// The inode at a path of the root file system, the link at its end not followed.
    ///
    /// # Errors
    /// The file system is broken.
    pub fn entry(&self, path: &str) -> Result<Option<Inode>, ext4::Error> {
        absent_is_none(self.reader.lookup(path.as_bytes(), false))
    }

    fn read_root(&self, path: &GuestPath) -> Result<Option<Vec<u8>>, ext4::Error> {
        let Some(inode) = absent_is_none(self.reader.lookup(path.as_str().as_bytes(), true))? else {
            return Ok(None);
        };
        if inode.kind()? != Kind::Regular {
            return Ok(None);
        }
        self.reader.read_all(inode.ino, LONGEST_FILE).map(Some)
    }

    fn list_root(&self, path: &GuestPath) -> Result<Option<Vec<String>>, ext4::Error> {
        let Some(inode) = absent_is_none(self.reader.lookup(path.as_str().as_bytes(), true))? else {
            return Ok(None);
        };
        if inode.kind()? != Kind::Directory {
            return Ok(None);
        }
        let entries = self.reader.read_dir(inode.ino)?;
        let mut names: Vec<_> = entries.into_iter().filter_map(|e| String::from_utf8(e.name).ok()).collect();
        names.sort();
        Ok(Some(names))
    }

    fn kind_root(&self, path: &GuestPath) -> Result<Option<EntryKind>, ext4::Error> {
        let Some(inode) = self.entry(path.as_str())? else { return Ok(None) };
        Ok(Some(match inode.kind()? {
            Kind::Regular => EntryKind::File,
            Kind::Directory => EntryKind::Directory,
            Kind::Symlink => {
                EntryKind::Symlink(String::from_utf8_lossy(&self.reader.read_link(inode.ino)?).into_owned())
            }
            _ => EntryKind::Other,
        }))
    }

    fn is_private_root(&self, path: &GuestPath) -> Result<bool, ext4::Error> {
        let text = path.as_str();
        let above = text.match_indices('/').skip(1).map(|(at, _)| text.get(..at).unwrap_or_default());
        for directory in above {
            if let Some(inode) = absent_is_none(self.reader.lookup(directory.as_bytes(), true))?
                && is_closed(&inode)
            {
                return Ok(true);
            }
        }
        let found = absent_is_none(self.reader.lookup(text.as_bytes(), true))?;
        Ok(found.is_some_and(|inode| is_closed(&inode)))
    }

    fn read_boot(&self, path: &GuestPath) -> Result<Option<Vec<u8>>, fat::Error> {
        match self.kind_boot(path)? {
            Some(EntryKind::File) => self.boot().read(path.as_str(), LONGEST_FILE as u64).map(Some),
            _ => Ok(None),
        }
    }

    fn list_boot(&self, path: &GuestPath) -> Result<Option<Vec<String>>, fat::Error> {
        if self.kind_boot(path)? != Some(EntryKind::Directory) {
            return Ok(None);
        }
        let entries = self.boot().list(path.as_str())?;
        let mut names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
        names.sort();
        Ok(Some(names))
    }

    fn kind_boot(&self, path: &GuestPath) -> Result<Option<EntryKind>, fat::Error> {
        let found = self.boot().metadata(path.as_str())?;
        Ok(found.map(|entry| if entry.is_dir { EntryKind::Directory } else { EntryKind::File }))
    }
}

impl BaseFiles for BaseImage {
    fn read(&self, partition: Partition, path: &GuestPath) -> Result<Option<Vec<u8>>, BaseReadError> {
        match partition {
            Partition::Boot => self.read_boot(path).map_err(unreadable(path)),
            Partition::Root => self.read_root(path).map_err(unreadable(path)),
        }
    }

    fn list(&self, partition: Partition, path: &GuestPath) -> Result<Option<Vec<String>>, BaseReadError> {
        match partition {
            Partition::Boot => self.list_boot(path).map_err(unreadable(path)),
            Partition::Root => self.list_root(path).map_err(unreadable(path)),
        }
    }

    fn kind(&self, partition: Partition, path: &GuestPath) -> Result<Option<EntryKind>, BaseReadError> {
        match partition {
            Partition::Boot => self.kind_boot(path).map_err(unreadable(path)),
            Partition::Root => self.kind_root(path).map_err(unreadable(path)),
        }
    }

    fn is_private(&self, path: &GuestPath) -> Result<bool, BaseReadError> {
        self.is_private_root(path).map_err(unreadable(path))
    }
}

/// Whether nobody but the owner may read a file, or reach what is in a directory.
pub fn is_closed(inode: &Inode) -> bool {
    let mask = match inode.kind() {
        Ok(Kind::Directory) => 0o011,
        Ok(Kind::Regular) => 0o077,
        _ => return false,
    };
    inode.permissions() & mask == 0
}

fn unreadable<E: std::error::Error + Send + Sync + 'static>(
    path: &GuestPath,
) -> impl FnOnce(E) -> BaseReadError {
    let path = path.clone();
    move |source| BaseReadError { path, source: Box::new(source) }
}

fn absent_is_none(found: Result<Inode, ext4::Error>) -> Result<Option<Inode>, ext4::Error> {
    match found {
        Ok(inode) => Ok(Some(inode)),
        // a file where a directory was expected: nothing is at that path either
        Err(ext4::Error::NotFound { .. } | ext4::Error::Conflict { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The first partition whose content looks right; its type in the table is a hint that some tools get wrong.
fn find(
    table: &PartitionTable,
    device: &Arc<dyn BlockRead>,
    looks_right: fn(&[u8]) -> bool,
) -> Result<Option<TableEntry>, BaseError> {
    // an extended partition holds others, and Linux shows two sectors of it: 5, f and 85 in block/partitions/msdos.c
    let is_container =
        |entry: &TableEntry| matches!(entry.partition_type, PartitionType::Mbr(0x05 | 0x0f | 0x85));
    for entry in table.partitions.iter().filter(|entry| !is_container(entry)) {
        let mut head = [0; 2048];
        if entry.length >= head.len() as u64 {
            device.read_at(entry.start, &mut head)?;
            if looks_right(&head) {
                return Ok(Some(entry.clone()));
            }
        }
    }
    Ok(None)
}

/// The boot signature and a file system type string ("FAT32 Specification" 1.03, section 3).
pub(super) fn looks_like_fat(head: &[u8]) -> bool {
    let has_type = |offset: usize| head.get(offset..offset + 3) == Some(b"FAT");
    head.get(510..512) == Some(&[0x55, 0xaa]) && (has_type(82) || has_type(54))
}

/// `s_magic` of the superblock at byte 1024.
fn looks_like_ext4(head: &[u8]) -> bool {
    head.get(1024 + 0x38..1024 + 0x3a) == Some(&[0x53, 0xef])
}
