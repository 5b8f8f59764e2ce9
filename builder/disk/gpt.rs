//! GUID partition tables, read only, through the crate `gpt`.
//!
//! The crate asserts that entries have 128 bytes and allocates as many entries as the header asks for, so
//! both headers are looked at first and what it would trip over is refused here (UEFI specification 2.10,
//! section 5.3.2). It keeps checksums, the fall-back to the backup header and the form of GUIDs.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};

use ::gpt::disk::LogicalBlockSize;
use ::gpt::header::HeaderError;
use ::gpt::{GptConfig, GptError};

use crate::block::BlockRead;
use crate::mbr::SECTOR;
use crate::table::{Error, Kind, Partition, PartitionTable, PartitionType};

/// Entries that a table may have. Linux knows 256 minors a disk; tables of 128 are usual.
const MAX_ENTRIES: u32 = 1024;
const MAGIC: &[u8; 8] = b"EFI PART";

/// Reads the GUID partition table of `device`.
///
/// # Errors
/// [`Error::Unsupported`] for a valid table of an unusual form, [`Error::Corrupt`] where neither header is
/// sound, the entries do not match their checksum, or partitions overlap or reach behind the disk.
pub(crate) fn read(device: &dyn BlockRead) -> Result<PartitionTable, Error> {
    guard(device)?;
    let mut cursor = Cursor { device, position: 0, failed: None };
    let config = GptConfig::new().writable(false).logical_block_size(LogicalBlockSize::Lb512);
    let opened = config.open_from_device(&mut cursor).map(|disk| {
        let disk_id = disk.guid().hyphenated().to_string();
        let entries: Vec<_> =
            disk.partitions().iter().map(|(number, entry)| (*number, entry.clone())).collect();
        (disk_id, entries)
    });
    if let Some(failed) = cursor.failed {
        return Err(Error::Io(failed));
    }
    let (disk_id, entries) = opened.map_err(|error| Error::Corrupt(problem(&error).into()))?;
    let mut partitions = Vec::new();
    for (number, entry) in entries.into_iter().filter(|(_, entry)| entry.is_used()) {
        let (first, last) = (entry.first_lba, entry.last_lba);
        let sectors = last.checked_sub(first).and_then(|more| more.checked_add(1));
        let inside = sectors.filter(|_| first > 1 && last < device.len() / SECTOR).ok_or_else(|| {
            Error::Corrupt(format!(
                "partition {number} covers sectors {first} to {last}, not inside the disk"
            ))
        })?;
        partitions.push(Partition {
            number,
            start: first * SECTOR,
            length: inside * SECTOR,
            partition_type: PartitionType::Gpt(entry.part_type_guid.guid.hyphenated().to_string()),
            part_uuid: entry.part_guid.hyphenated().to_string(),
        });
    }
    check_overlap(&partitions)?;
    Ok(PartitionTable { kind: Kind::Gpt, disk_id, partitions })
}

fn check_overlap(partitions: &[Partition]) -> Result<(), Error> {
    let mut by_start: Vec<_> = partitions.iter().collect();
    by_start.sort_by_key(|partition| partition.start);
    for pair in by_start.windows(2) {
        if let [left, right] = pair
            && left.range().end > right.start
        {
            return Err(Error::Corrupt(format!("partitions {} and {} overlap", left.number, right.number)));
        }
    }
    Ok(())
}

fn problem(error: &GptError) -> &'static str {
    match error {
        GptError::Header(HeaderError::InvalidCRC32Checksum) => {
            "the checksum of the GPT header does not match"
        }
        GptError::Header(_) => "neither GPT header is valid",
        GptError::Io(_) => "the GPT entries are cut off, or do not match their checksum",
        _ => "the GPT contradicts itself",
    }
}

/// Refuses headers that the crate must not see.
fn guard(device: &dyn BlockRead) -> Result<(), Error> {
    let sectors = device.len() / SECTOR;
    let mut seen = false;
    for lba in [1, sectors.saturating_sub(1)] {
        let mut header = [0; 92];
        if lba == 0 || lba >= sectors {
            continue;
        }
        device.read_at(lba * SECTOR, &mut header)?;
        if !header.starts_with(MAGIC) {
            continue;
        }
        seen = true;
        let field = |at: usize| {
            let bytes = header.get(at..).and_then(|rest| rest.first_chunk());
            u32::from_le_bytes(bytes.copied().unwrap_or_default())
        };
        let fields = [("revision", field(8), 0x0001_0000), ("header size", field(12), 92)];
        for (name, got, expected) in fields.into_iter().chain([("entry size", field(84), 128)]) {
            if got != expected {
                return Err(Error::Unsupported(format!("GPT {name}: expected {expected}, got {got}")));
            }
        }
        if field(80) > MAX_ENTRIES {
            let entries = field(80);
            return Err(Error::Unsupported(format!("GPT of {entries} entries, at most {MAX_ENTRIES}")));
        }
    }
    if seen {
        return Ok(());
    }
    let mut signature = [0; 8];
    if device.len() >= 8192 {
        device.read_at(4096, &mut signature)?;
    }
    if signature == *MAGIC {
        return Err(Error::Unsupported("GPT with sectors of 4096 bytes".into()));
    }
    Err(Error::Corrupt("the MBR announces a GPT, but there is none".into()))
}

/// What the crate wants to read from.
struct Cursor<'a> {
    device: &'a dyn BlockRead,
    position: u64,
    /// An error of the device itself, which the crate would mix up with its own.
    failed: Option<io::Error>,
}

impl fmt::Debug for Cursor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Read for Cursor<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.device.len().saturating_sub(self.position);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let (piece, _) = buf.split_at_mut(length);
        if let Err(error) = self.device.read_at(self.position, piece) {
            let kind = error.kind();
            self.failed = Some(error);
            return Err(kind.into());
        }
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for Cursor<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(by) => self.device.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl Write for Cursor<'_> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
