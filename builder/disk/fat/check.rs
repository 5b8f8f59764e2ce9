//! Whether a FAT32 volume is sound enough to be edited.
//!
//! Stricter than a mount: equal FATs, every chain as long as its file, no cluster with two owners or none, the
//! free count of FSInfo, `.` and `..`. Long names are not looked at: a broken one harms nothing around it.

use std::collections::HashSet;

use super::boot_sector::BootSector;
use super::error::Error;
use crate::block::BlockRead;

const ENTRY: usize = 32;
/// Bytes that a directory may have (specification 1.03, section 7: 65,536 entries).
const MAX_DIRECTORY: u64 = 65_536 * ENTRY as u64;
/// Bits of a FAT entry that count; the others are reserved.
const VALUE: u32 = 0x0fff_ffff;
const BAD: u32 = 0x0fff_fff7;
const END: u32 = 0x0fff_fff8;
/// Set in our copy of the table once a chain went through a cluster.
const CLAIMED: u32 = 1 << 31;
/// Bits 27 and 26 of FAT entry 1: unmounted cleanly, no error met.
const CLEAN: u32 = 0x0c00_0000;

const READ_ONLY_TO_ARCHIVE: u8 = 0x3f;
const LONG_NAME: u8 = 0x0f;
const VOLUME_ID: u8 = 0x08;
const DIRECTORY: u8 = 0x10;

/// What a sound volume holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Bytes of a cluster.
    pub cluster_size: u32,
    /// Number of data clusters.
    pub clusters: u32,
    /// Number of data clusters that belong to nothing.
    pub free_clusters: u32,
    /// Number of files.
    pub files: u32,
    /// Number of directories without the root.
    pub directories: u32,
}

impl Summary {
    /// Bytes that are free for content.
    pub fn free_bytes(&self) -> u64 {
        u64::from(self.free_clusters) * u64::from(self.cluster_size)
    }
}

/// Reads every structure of the FAT32 volume on `device`, and writes nothing.
///
/// # Errors
/// [`Error::NotFat`] and [`Error::Unsupported`] for what is no FAT32 volume, [`Error::NotClean`] where it was
/// not unmounted, and [`Error::Corrupt`] with the first contradiction.
pub fn check(device: &dyn BlockRead) -> Result<Summary, Error> {
    let boot = BootSector::read(device)?;
    let table = read_table(device, &boot)?;
    let [first, second, ..] = table.as_slice() else { return Err(corrupt("the FAT is empty")) };
    if first & 0xff != u32::from(boot.media) {
        return Err(corrupt(format!(
            "the FAT starts with media {:02x}, not {:02x}",
            first & 0xff,
            boot.media
        )));
    }
    if boot.dirty || second & CLEAN != CLEAN {
        return Err(Error::NotClean);
    }
    let mut walk = Walk { device, boot: &boot, table, files: 0, directories: 0 };
    walk.tree()?;
    let free = walk.free_clusters()?;
    check_fs_info(device, &boot, free)?;
    Ok(Summary {
        cluster_size: boot.cluster_size,
        clusters: boot.clusters,
        free_clusters: free,
        files: walk.files,
        directories: walk.directories,
    })
}

fn corrupt(problem: impl Into<String>) -> Error {
    Error::Corrupt(problem.into())
}

/// The entries of the first FAT, after comparing it with the second.
pub(super) fn read_table(device: &dyn BlockRead, boot: &BootSector) -> Result<Vec<u32>, Error> {
    const CHUNK: u64 = 1 << 20;
    let length = (u64::from(boot.clusters) + 2) * 4;
    let mut table = Vec::new();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < length {
        let chunk = usize::try_from(CHUNK.min(length - at)).unwrap_or_default();
        first.resize(chunk, 0);
        device.read_at(boot.fat_start + at, &mut first)?;
        if boot.fats == 2 {
            second.resize(chunk, 0);
            device.read_at(boot.fat_start + boot.fat_size + at, &mut second)?;
            if first != second {
                return Err(corrupt("the two FATs differ"));
            }
        }
        let entries = first.as_chunks().0.iter();
        table.extend(entries.map(|entry| u32::from_le_bytes(*entry) & VALUE));
        at += chunk as u64;
    }
    Ok(table)
}

/// A directory that is still to be read.
struct Pending {
    path: String,
    first: u32,
    /// What `..` has to name: 0 for the root directory. `None` for the root itself.
    parent: Option<u32>,
}

struct Walk<'a> {
    device: &'a dyn BlockRead,
    boot: &'a BootSector,
    table: Vec<u32>,
    files: u32,
    directories: u32,
}

impl Walk<'_> {
    fn tree(&mut self) -> Result<(), Error> {
        let mut pending = vec![Pending { path: String::new(), first: self.boot.root_cluster, parent: None }];
        while let Some(directory) = pending.pop() {
            self.directory(&directory, &mut pending)?;
        }
        Ok(())
    }

    /// Marks `cluster` as part of `path` and returns the one behind it.
    fn claim(&mut self, cluster: u32, path: &str) -> Result<Option<u32>, Error> {
        let found = usize::try_from(cluster).ok().filter(|index| *index >= 2);
        let entry = found.and_then(|index| self.table.get_mut(index));
        let entry =
            entry.ok_or_else(|| corrupt(format!("`{path}` has cluster {cluster}, which there is not")))?;
        let next = *entry;
        if next & CLAIMED != 0 {
            return Err(corrupt(format!("`{path}` has cluster {cluster}, which is in use already")));
        }
        *entry |= CLAIMED;
        match next {
            0 | 1 | BAD => {
                Err(corrupt(format!("`{path}` has cluster {cluster}, which is marked {next:08x}")))
            }
            END.. => Ok(None),
            next => Ok(Some(next)),
        }
    }

    fn directory(&mut self, directory: &Pending, pending: &mut Vec<Pending>) -> Result<(), Error> {
        let path = if directory.path.is_empty() { "/" } else { &directory.path };
        let mut cluster = Some(directory.first);
        let mut content = Vec::new();
        let cluster_size = usize::try_from(self.boot.cluster_size).unwrap_or_default();
        while let Some(current) = cluster {
            cluster = self.claim(current, path)?;
            let at = content.len();
            if (at + cluster_size) as u64 > MAX_DIRECTORY {
                return Err(corrupt(format!("directory `{path}` is longer than {MAX_DIRECTORY} bytes")));
            }
            content.resize(at + cluster_size, 0);
            let offset = self.boot.cluster_offset(current);
            let offset = offset.ok_or_else(|| corrupt(format!("`{path}` has cluster {current}")))?;
            let (_, target) = content.split_at_mut(at);
            self.device.read_at(offset, target)?;
        }
        let mut names = HashSet::new();
        for (slot, bytes) in content.as_chunks::<ENTRY>().0.iter().enumerate() {
            let entry = DirEntry::parse(bytes);
            match bytes.first() {
                None | Some(0) => {
                    if directory.parent.is_some() && slot < 2 {
                        return Err(corrupt(format!("directory `{path}` has no `.` and `..`")));
                    }
                    break;
                }
                _ => self.entry(directory, slot, &entry, pending)?,
            }
            if entry.counts() && !names.insert(entry.name) {
                return Err(corrupt(format!("`{}` is there twice", entry.path(&directory.path))));
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        directory: &Pending,
        slot: usize,
        entry: &DirEntry,
        pending: &mut Vec<Pending>,
    ) -> Result<(), Error> {
        let path = entry.path(&directory.path);
        if let (Some(parent), 0 | 1) = (directory.parent, slot) {
            let (name, target) =
                if slot == 0 { (b".          ", directory.first) } else { (b"..         ", parent) };
            if entry.name != *name || entry.attributes & DIRECTORY == 0 || entry.first != target {
                return Err(corrupt(format!("`{path}` is not what `.` or `..` has to be")));
            }
            return Ok(());
        }
        if !entry.counts() {
            return Ok(());
        }
        if entry.name.starts_with(b".") {
            return Err(corrupt(format!("`{path}` is out of place")));
        }
        if entry.attributes & DIRECTORY != 0 {
            self.directories += 1;
            let parent = if directory.parent.is_some() { directory.first } else { 0 };
            pending.push(Pending { path, first: entry.first, parent: Some(parent) });
            return Ok(());
        }
        self.files += 1;
        self.file(&path, entry)
    }

    fn file(&mut self, path: &str, entry: &DirEntry) -> Result<(), Error> {
        let expected = entry.size.div_ceil(self.boot.cluster_size);
        let mut cluster = (entry.first != 0).then_some(entry.first);
        let mut got = 0;
        while let Some(current) = cluster {
            cluster = self.claim(current, path)?;
            got += 1;
        }
        if got == expected {
            return Ok(());
        }
        Err(corrupt(format!("`{path}` has {} bytes: expected {expected} clusters, got {got}", entry.size)))
    }

    fn free_clusters(&self) -> Result<u32, Error> {
        let (mut free, mut lost) = (0, 0_u32);
        for entry in self.table.iter().skip(2) {
            match *entry {
                0 => free += 1,
                BAD => {}
                entry if entry & CLAIMED == 0 => lost += 1,
                _ => {}
            }
        }
        if lost == 0 {
            return Ok(free);
        }
        Err(corrupt(format!("{lost} clusters are in use, but belong to no file")))
    }
}

/// A short directory entry.
struct DirEntry {
    name: [u8; 11],
    attributes: u8,
    first: u32,
    size: u32,
}

impl DirEntry {
    fn parse(bytes: &[u8; ENTRY]) -> Self {
        let [name @ .., attributes, _, _, _, _, _, _, _, _, h0, h1, _, _, _, _, l0, l1, s0, s1, s2, s3] =
            *bytes;
        Self {
            name,
            attributes: attributes & READ_ONLY_TO_ARCHIVE,
            first: u32::from_le_bytes([l0, l1, h0, h1]) & VALUE,
            size: u32::from_le_bytes([s0, s1, s2, s3]),
        }
    }

    /// Whether it is a file or directory: not removed, no part of a long name, no volume label.
    fn counts(&self) -> bool {
        self.name.first() != Some(&0xe5)
            && self.attributes != LONG_NAME
            && self.attributes & (VOLUME_ID | DIRECTORY) != VOLUME_ID
    }

    /// The path by short names, for messages.
    fn path(&self, parent: &str) -> String {
        let (stem, extension) = self.name.split_at(8);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().escape_debug().to_string();
        match (text(stem), text(extension)) {
            (stem, extension) if extension.is_empty() => format!("{parent}/{stem}"),
            (stem, extension) => format!("{parent}/{stem}.{extension}"),
        }
    }
}

fn check_fs_info(device: &dyn BlockRead, boot: &BootSector, free: u32) -> Result<(), Error> {
    let Some(at) = boot.fs_info else { return Ok(()) };
    let mut sector = [0; 512];
    device.read_at(at, &mut sector)?;
    let field = |at: usize| {
        let bytes = sector.get(at..).and_then(|rest| rest.first_chunk());
        u32::from_le_bytes(bytes.copied().unwrap_or_default())
    };
    if [field(0), field(484), field(508)] != [0x4161_5252, 0x6141_7272, 0xaa55_0000] {
        return Err(corrupt("FSInfo has no signature"));
    }
    match field(488) {
        // not known
        u32::MAX => Ok(()),
        counted if counted == free => Ok(()),
        counted => Err(corrupt(format!("FSInfo counts {counted} free clusters, but there are {free}"))),
    }
}
