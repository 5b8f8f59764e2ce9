//! The master boot record: reading and patching, never rewriting.
//!
//! Layout and field names are those of the UEFI specification 2.10, section 5.2.1. Sectors are of 512 bytes.
//! Extended partitions are reported as the entries they are; the logical partitions in them are not followed.
//! A patch changes only the bytes of the field it names, so boot code and CHS fields stay as they were.

use crate::block::{BlockRead, BlockWrite};
use crate::table::Error;

/// Bytes of a sector.
pub const SECTOR: u64 = 512;

/// Type of the one entry that protects a GUID partition table.
pub const OS_TYPE_GPT_PROTECTIVE: u8 = 0xee;

const UNIQUE_MBR_DISK_SIGNATURE: usize = 440;
const PARTITION_RECORDS: usize = 446;
const PARTITION_RECORD: usize = 16;
const SIZE_IN_LBA: usize = 12;
const SIGNATURE: usize = 510;

/// A partition record that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionRecord {
    /// Position in the table, from 1 on, as Linux numbers it.
    pub number: u8,
    /// 0x80 where it is the legacy boot partition, else 0.
    pub boot_indicator: u8,
    /// Cylinder, head and sector of the start; meaningless on disks of today.
    pub starting_chs: [u8; 3],
    /// What it holds: 0x0c FAT32, 0x83 Linux, 0x05, 0x0f and 0x85 extended, 0xee protective.
    pub os_type: u8,
    /// Cylinder, head and sector of the end; meaningless on disks of today.
    pub ending_chs: [u8; 3],
    /// First sector.
    pub starting_lba: u32,
    /// Length in sectors.
    pub size_in_lba: u32,
}

impl PartitionRecord {
    /// Whether it is a container of logical partitions.
    pub fn is_extended(&self) -> bool {
        matches!(self.os_type, 0x05 | 0x0f | 0x85)
    }

    /// First sector behind it.
    fn end_lba(&self) -> u64 {
        u64::from(self.starting_lba) + u64::from(self.size_in_lba)
    }
}

/// A checked master boot record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mbr {
    /// What Linux builds PARTUUIDs from.
    pub unique_mbr_disk_signature: u32,
    /// The records in use, in the order of the table.
    pub partition_records: Vec<PartitionRecord>,
}

impl Mbr {
    /// Parses the first sector of a disk of `disk_sectors` sectors.
    ///
    /// # Errors
    /// [`Error::NoTable`] where the sector holds no partition table, [`Error::Corrupt`] where a partition
    /// reaches behind the disk or into another one.
    pub fn parse(sector: &[u8; SECTOR as usize], disk_sectors: u64) -> Result<Self, Error> {
        let fixed = sector.as_slice();
        if fixed.get(SIGNATURE..) != Some(&[0x55, 0xaa]) {
            return Err(Error::NoTable("the first sector has no boot signature 55 aa"));
        }
        let records = fixed.get(PARTITION_RECORDS..SIGNATURE).unwrap_or_default();
        let records: Vec<_> = (1..).zip(records.chunks_exact(PARTITION_RECORD)).filter_map(record).collect();
        if records.iter().any(|record| record.boot_indicator & 0x7f != 0) {
            return Err(no_table(fixed));
        }
        let records: Vec<_> =
            records.into_iter().filter(|record| record.os_type != 0 && record.size_in_lba != 0).collect();
        if records.is_empty() && is_fat(fixed) {
            return Err(no_table(fixed));
        }
        check(&records, disk_sectors)?;
        let id = fixed.get(UNIQUE_MBR_DISK_SIGNATURE..).and_then(|rest| rest.first_chunk());
        let unique_mbr_disk_signature = u32::from_le_bytes(id.copied().unwrap_or_default());
        Ok(Self { unique_mbr_disk_signature, partition_records: records })
    }

    /// Reads and parses the first sector of `device`.
    ///
    /// # Errors
    /// Those of [`Mbr::parse`], and [`Error::Io`].
    pub fn read(device: &dyn BlockRead) -> Result<Self, Error> {
        if device.len() < SECTOR {
            return Err(Error::NoTable("it is shorter than a sector"));
        }
        let mut sector = [0; SECTOR as usize];
        device.read_at(0, &mut sector)?;
        Self::parse(&sector, device.len() / SECTOR)
    }

    /// The record of partition `number`.
    pub fn partition(&self, number: u8) -> Option<&PartitionRecord> {
        self.partition_records.iter().find(|record| record.number == number)
    }
}

/// A partition record as it is, in use or not.
fn record((number, bytes): (u8, &[u8])) -> Option<PartitionRecord> {
    let [boot_indicator, s0, s1, s2, os_type, e0, e1, e2, lba @ ..] = bytes else { return None };
    let (starting_lba, size_in_lba) = lba.split_first_chunk()?;
    Some(PartitionRecord {
        number,
        boot_indicator: *boot_indicator,
        starting_chs: [*s0, *s1, *s2],
        os_type: *os_type,
        ending_chs: [*e0, *e1, *e2],
        starting_lba: u32::from_le_bytes(*starting_lba),
        size_in_lba: u32::from_le_bytes(*size_in_lba.first_chunk()?),
    })
}

/// Whether the sector names itself a FAT file system, at the offsets of FAT16 and FAT32.
fn is_fat(sector: &[u8]) -> bool {
    [54, 82].into_iter().any(|at| sector.get(at..).is_some_and(|name| name.starts_with(b"FAT")))
}

/// A boot indicator other than 0 and 0x80 means, as to Linux (block/partitions/msdos.c), that the bytes are
/// something else: most often the boot code of a FAT volume, which carries the same signature.
fn no_table(sector: &[u8]) -> Error {
    if is_fat(sector) {
        return Error::NoTable("it is a FAT volume without a partition table around it");
    }
    Error::NoTable("the boot indicators of the partition records are neither 00 nor 80")
}

fn check(records: &[PartitionRecord], disk_sectors: u64) -> Result<(), Error> {
    for (index, record) in records.iter().enumerate() {
        let number = record.number;
        if record.starting_lba == 0 {
            return Err(Error::Corrupt(format!("partition {number} starts at the partition table itself")));
        }
        // the protective record covers at least 2^32 - 1 sectors on larger disks, or the size that the image
        // had before it was grown or cut
        if record.os_type != OS_TYPE_GPT_PROTECTIVE && record.end_lba() > disk_sectors {
            return Err(Error::Corrupt(format!(
                "partition {number} ends at sector {}, but the disk has {disk_sectors} sectors",
                record.end_lba()
            )));
        }
        for other in records.iter().skip(index + 1) {
            let starts = u64::from(record.starting_lba.max(other.starting_lba));
            let protective = [record, other].iter().any(|one| one.os_type == OS_TYPE_GPT_PROTECTIVE);
            if starts < record.end_lba().min(other.end_lba()) && !protective {
                return Err(Error::Corrupt(format!("partitions {number} and {} overlap", other.number)));
            }
        }
    }
    Ok(())
}

/// Sets the disk signature (offset 440), which changes the PARTUUID of every partition.
///
/// # Errors
/// Those of [`Mbr::read`]: nothing is written where the table is not sound.
pub fn set_disk_signature(device: &dyn BlockWrite, signature: u32) -> Result<(), Error> {
    Mbr::read(device)?;
    Ok(device.write_at(UNIQUE_MBR_DISK_SIGNATURE as u64, &signature.to_le_bytes())?)
}

/// Makes partition `number` `size_in_lba` sectors long. Its content is not touched.
///
/// # Errors
/// [`Error::NoPartition`] where there is no such partition, [`Error::InvalidValue`] where it would be empty,
/// reach behind the disk or into another partition, [`Error::Unsupported`] for extended and protective ones;
/// nothing is written then.
pub fn resize_partition(device: &dyn BlockWrite, number: u8, size_in_lba: u32) -> Result<(), Error> {
    let mut mbr = Mbr::read(device)?;
    let missing = || Error::NoPartition { number: u32::from(number) };
    let record = mbr.partition_records.iter_mut().find(|record| record.number == number);
    let record = record.ok_or_else(missing)?;
    if record.is_extended() || record.os_type == OS_TYPE_GPT_PROTECTIVE {
        return Err(Error::Unsupported(format!(
            "cannot resize partition {number} of type {:02x}, which stands for other partitions",
            record.os_type
        )));
    }
    record.size_in_lba = size_in_lba;
    if size_in_lba == 0 {
        return Err(Error::InvalidValue(format!("partition {number} cannot be empty")));
    }
    check(&mbr.partition_records, device.len() / SECTOR).map_err(|error| match error {
        Error::Corrupt(problem) => {
            Error::InvalidValue(format!("partition {number} cannot have {size_in_lba} sectors: {problem}"))
        }
        other => other,
    })?;
    let index = usize::from(number).checked_sub(1).ok_or_else(missing)?;
    let offset = PARTITION_RECORDS + index * PARTITION_RECORD + SIZE_IN_LBA;
    Ok(device.write_at(offset as u64, &size_in_lba.to_le_bytes())?)
}
