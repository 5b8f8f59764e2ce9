//! The partition table of a disk, whatever its kind.

use std::fmt;
use std::io;
use std::ops::Range;

use crate::block::BlockRead;
use crate::gpt;
use crate::mbr::{Mbr, OS_TYPE_GPT_PROTECTIVE, SECTOR};

/// An error of reading or changing a partition table.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The device failed.
    #[error("cannot read or write the partition table")]
    Io(#[from] io::Error),
    /// There is no partition table at all.
    #[error("no partition table: {0}")]
    NoTable(&'static str),
    /// The table is sound as far as we can tell, but of a kind that pimg does not know.
    #[error("unsupported partition table: {0}")]
    Unsupported(String),
    /// The table contradicts itself or the size of the disk.
    #[error("corrupt partition table: {0}")]
    Corrupt(String),
    /// The table has no such partition.
    #[error("there is no partition {number}")]
    NoPartition {
        /// The number that was asked for.
        number: u32,
    },
    /// A change that the table cannot hold.
    #[error("{0}")]
    InvalidValue(String),
}

/// The kind of a partition table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Master boot record.
    Mbr,
    /// GUID partition table.
    Gpt,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mbr => "mbr",
            Self::Gpt => "gpt",
        })
    }
}

/// What a partition says it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionType {
    /// The OS type of a master boot record, such as 0x0c or 0x83.
    Mbr(u8),
    /// The type GUID of a GUID partition table, in lower case.
    Gpt(String),
}

impl fmt::Display for PartitionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mbr(os_type) => write!(f, "{os_type:02x}"),
            Self::Gpt(guid) => f.write_str(guid),
        }
    }
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Number, from 1 on, as Linux counts.
    pub number: u32,
    /// First byte on the disk.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
    /// What it says it holds.
    pub partition_type: PartitionType,
    /// PARTUUID as Linux shows it, such as `4d3c2b1a-02`.
    pub part_uuid: String,
}

impl Partition {
    /// The bytes it covers on the disk.
    pub fn range(&self) -> Range<u64> {
        self.start..self.start.saturating_add(self.length)
    }
}

/// A checked partition table: every partition is inside the disk and none overlaps another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionTable {
    /// What kind it is.
    pub kind: Kind,
    /// The disk's own identifier: eight hexadecimal digits (MBR), or a GUID in lower case.
    pub disk_id: String,
    /// The partitions in use, by number.
    pub partitions: Vec<Partition>,
}

impl PartitionTable {
    /// Reads the partition table of `device`, in sectors of 512 bytes.
    ///
    /// As Linux does, a GUID partition table is looked for only where the master boot record says so.
    ///
    /// # Errors
    /// [`Error::NoTable`], [`Error::Unsupported`], [`Error::Corrupt`] and [`Error::Io`] are told apart.
    pub fn read(device: &dyn BlockRead) -> Result<Self, Error> {
        let mbr = Mbr::read(device)?;
        if mbr.partition_records.iter().any(|record| record.os_type == OS_TYPE_GPT_PROTECTIVE) {
            return gpt::read(device);
        }
        let id = mbr.unique_mbr_disk_signature;
        let partitions = mbr.partition_records.iter().map(|record| Partition {
            number: u32::from(record.number),
            start: u64::from(record.starting_lba) * SECTOR,
            length: u64::from(record.size_in_lba) * SECTOR,
            partition_type: PartitionType::Mbr(record.os_type),
            part_uuid: format!("{id:08x}-{:02x}", record.number),
        });
        Ok(Self { kind: Kind::Mbr, disk_id: format!("{id:08x}"), partitions: partitions.collect() })
    }

    /// Partition `number`.
    ///
    /// # Errors
    /// [`Error::NoPartition`].
    pub fn partition(&self, number: u32) -> Result<&Partition, Error> {
        let found = self.partitions.iter().find(|partition| partition.number == number);
        found.ok_or(Error::NoPartition { number })
    }
}
