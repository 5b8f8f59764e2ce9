//! `pimg inspect`

use std::collections::BTreeMap;
use std::io::{self, Read};

use pimg_disk::ext4::{self, Inode, Kind, Reader};
use pimg_disk::fat;
use pimg_disk::table::Partition as TableEntry;

use super::Context;
use super::images::{self, Place};
use super::outcome::{
    EntryKind, FactSummary, FileContent, ImageSummary, InspectOutcome, ListedEntry, Listing, PackageListing,
    PackageState, PartitionSummary, SectionSummary, UnitState,
};
use super::packages;
use super::request::InspectRequest;
use super::sections::sections;
use super::watch::WatchReporter;
use crate::failure::{Class, Failure};
use crate::guest::facts::facts;
use crate::guest::inventory::units::standing;
use crate::guest::inventory::{Item, Section};
use crate::host::HostError;
use crate::host::cache::CacheDir;
use crate::image::base::BaseImage;
use crate::image::looked_at::LookedAt;
use crate::image::opened::OpenedImage;
use crate::plan::change::{Ownership, Partition};
use crate::plan::path::GuestPath;

/// Where the boot partition is mounted on the node.
const BOOT_MOUNT: &str = "/boot/firmware";

/// Opens an image that is needed as a whole, with a place to decode it.
pub(super) fn open(image: &std::path::Path, context: &Context<'_>) -> Result<OpenedImage, Failure> {
    let cache = CacheDir::open(&context.environment.cache_dir().ok_or(HostError::NoCacheDir)?)?;
    OpenedImage::open(image, cache.path(), &WatchReporter::new(context.reporter))
}

/// Describes an image or its packages, lists a directory of it or prints a file of it.
///
/// # Errors
/// The image cannot be read, or has no such path.
pub fn run(request: &InspectRequest, context: &Context<'_>) -> Result<InspectOutcome, Failure> {
    let named = images::find(&request.image.to_string_lossy(), None, context)?;
    let opened = named.open(context)?;
    if request.packages {
        let packages = packages::packages(&opened.image)?;
        return Ok(InspectOutcome::Packages(PackageListing { image: named.shown, packages }));
    }
    if request.path.is_none() && !request.list {
        return Ok(InspectOutcome::Image(Box::new(summary(request, &named, &opened.image)?)));
    }
    let (partition, path) = place(request)?;
    match partition {
        Partition::Boot => on_boot(&opened, path, request.list),
        Partition::Root => on_root(opened, path, request.list),
    }
}

/// The partition and the path there; `/boot/firmware/…` means the boot partition, as on the node.
fn place(request: &InspectRequest) -> Result<(Partition, GuestPath), Failure> {
    let given = request.path.as_deref().unwrap_or("/");
    let on_boot = given.strip_prefix(BOOT_MOUNT).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let (partition, path) = match (request.partition, on_boot) {
        (None, Some(rest)) => (Partition::Boot, if rest.is_empty() { "/" } else { rest }),
        (partition, _) => (partition.unwrap_or(Partition::Root), given),
    };
    let trimmed = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let path = GuestPath::new(trimmed)
        .map_err(|error| Failure::caused_by(Class::Usage, format!("cannot look for `{given}`"), error))?;
    Ok((partition, path))
}

fn summary(request: &InspectRequest, place: &Place, image: &BaseImage) -> Result<ImageSummary, Failure> {
    let table = image.table();
    let partitions = table.partitions.iter().map(|entry| partition_summary(image, entry));
    let units = standing(image)?.into_iter().filter(|(_, standing)| !standing.links.is_empty());
    let mut packages = BTreeMap::new();
    for package in packages::packages(image)? {
        let state = match package.state {
            PackageState::Broken(_) => "broken".to_owned(),
            state => state.to_string(),
        };
        *packages.entry(state).or_default() += 1;
    }
    let mut summary = ImageSummary {
        image: place.shown.clone(),
        raw_size: image.device().len(),
        partition_table: table.kind.to_string(),
        disk_id: table.disk_id.clone(),
        partitions: partitions.collect::<Result<_, Failure>>()?,
        identity: facts(image)?,
        manifest: images::manifest_beside(&place.path)?,
        units: units
            .map(|(unit, standing)| UnitState { unit, links: standing.links.into_iter().collect() })
            .collect(),
        sections: sections(image)?.into_iter().map(section_summary).collect(),
        packages,
    };
    only(&mut summary, &request.sections);
    Ok(summary)
}

fn section_summary(section: Section) -> SectionSummary {
    let fact = |item: Item| FactSummary { secret: item.is_secret(), name: item.name, value: item.value };
    SectionSummary { name: section.name, facts: section.items.into_iter().map(fact).collect() }
}

/// Leaves out what nobody asked for, where somebody asked for something.
fn only(summary: &mut ImageSummary, wanted: &[String]) {
    if wanted.is_empty() {
        return;
    }
    let is_wanted = |name: &str| wanted.iter().any(|wanted| wanted == name);
    summary.sections.retain(|section| is_wanted(section.name));
    if !is_wanted("identity") {
        summary.identity.clear();
    }
    if !is_wanted("partitions") {
        summary.partitions.clear();
    }
    if !is_wanted("units") {
        summary.units.clear();
    }
    if !is_wanted("packages") {
        summary.packages.clear();
    }
    if !is_wanted("manifest") {
        summary.manifest = None;
    }
}

fn partition_summary(image: &BaseImage, entry: &TableEntry) -> Result<PartitionSummary, Failure> {
    let mut summary = PartitionSummary {
        number: entry.number,
        start_sector: entry.start / 512,
        size: entry.length,
        kind: entry.partition_type.to_string(),
        file_system: None,
        label: None,
        uuid: Some(entry.part_uuid.clone()),
        used: None,
        free: None,
        features: Vec::new(),
    };
    if entry.number == image.boot_partition().number {
        let mut volume = image.boot();
        summary.file_system = Some("vfat".to_owned());
        summary.label = volume.label().map_err(unreadable)?;
        let found = volume.summary();
        let used = found.clusters.saturating_sub(found.free_clusters);
        summary.used = Some(u64::from(used) * u64::from(found.cluster_size));
        summary.free = Some(u64::from(found.free_clusters) * u64::from(found.cluster_size));
    } else if entry.number == image.root_partition().number {
        let superblock = image.root().superblock();
        summary.file_system = Some("ext4".to_owned());
        summary.label = Some(String::from_utf8_lossy(&superblock.s_volume_name).into_owned());
        summary.used = Some(superblock.used_bytes());
        summary.free = Some(superblock.byte_of_block(superblock.s_free_blocks_count));
        summary.features = superblock.features.names();
    }
    Ok(summary)
}

fn on_boot(opened: &LookedAt, path: GuestPath, list: bool) -> Result<InspectOutcome, Failure> {
    let mut volume = opened.image.boot();
    let metadata = volume.metadata(path.as_str()).map_err(unreadable)?;
    let metadata = metadata.ok_or_else(|| no_such(&path, Partition::Boot))?;
    if metadata.is_dir || list {
        let mut entries = Vec::new();
        list_boot(&mut volume, path.as_str(), "", list, &mut entries).map_err(unreadable)?;
        entries.sort_by(|a: &ListedEntry, b| a.path.cmp(&b.path));
        return Ok(InspectOutcome::Listing(Listing {
            partition: Partition::Boot,
            path: path.to_string(),
            entries,
        }));
    }
    let bytes = volume.read(path.as_str(), metadata.len).map_err(unreadable)?;
    Ok(InspectOutcome::File(FileContent {
        partition: Partition::Boot,
        path: path.to_string(),
        size: metadata.len,
        ownership: None,
        content: Box::new(io::Cursor::new(bytes)),
    }))
}

fn list_boot(
    volume: &mut fat::Volume<'_>,
    directory: &str,
    prefix: &str,
    recursive: bool,
    entries: &mut Vec<ListedEntry>,
) -> Result<(), fat::Error> {
    for entry in volume.list(directory)? {
        let path = format!("{prefix}{}", entry.name);
        let kind = if entry.metadata.is_dir { EntryKind::Directory } else { EntryKind::File };
        let size = entry.metadata.len;
        entries.push(ListedEntry { path: path.clone(), kind, ownership: None, size, target: None });
        if recursive && entry.metadata.is_dir {
            let below = format!("{directory}/{}", entry.name);
            list_boot(volume, &below, &format!("{path}/"), true, entries)?;
        }
    }
    Ok(())
}

fn on_root(opened: LookedAt, path: GuestPath, list: bool) -> Result<InspectOutcome, Failure> {
    let reader = opened.image.root();
    let inode = match reader.lookup(path.as_str().as_bytes(), true) {
        Err(ext4::Error::NotFound { .. } | ext4::Error::Conflict { .. }) => {
            return Err(no_such(&path, Partition::Root));
        }
        inode => inode.map_err(unreadable)?,
    };
    match inode.kind().map_err(unreadable)? {
        Kind::Directory => {
            let entries = list_root(reader, inode.ino, list).map_err(unreadable)?;
            Ok(InspectOutcome::Listing(Listing {
                partition: Partition::Root,
                path: path.to_string(),
                entries,
            }))
        }
        Kind::Regular => Ok(InspectOutcome::File(FileContent {
            partition: Partition::Root,
            path: path.to_string(),
            size: inode.size,
            ownership: Some(ownership(&inode)),
            content: Box::new(FileReader::new(opened, inode.ino, inode.size)?),
        })),
        _ => Err(Failure::new(Class::Usage, format!("`{path}` is neither a file nor a directory"))),
    }
}

fn list_root(reader: &Reader<'_>, directory: u32, recursive: bool) -> Result<Vec<ListedEntry>, ext4::Error> {
    let mut entries = Vec::new();
    let mut pending = vec![(directory, String::new())];
    while let Some((directory, prefix)) = pending.pop() {
        for entry in reader.read_dir(directory)? {
            let inode = reader.inode(entry.ino)?;
            let path = format!("{prefix}{}", String::from_utf8_lossy(&entry.name));
            let kind = inode.kind()?;
            if recursive && kind == Kind::Directory {
                pending.push((entry.ino, format!("{path}/")));
            }
            let target = match kind {
                Kind::Symlink => Some(String::from_utf8_lossy(&reader.read_link(entry.ino)?).into_owned()),
                _ => None,
            };
            let (size, ownership) = (inode.size, Some(ownership(&inode)));
            entries.push(ListedEntry { path, kind: entry_kind(kind), ownership, size, target });
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

pub(super) fn entry_kind(kind: Kind) -> EntryKind {
    match kind {
        Kind::Regular => EntryKind::File,
        Kind::Directory => EntryKind::Directory,
        Kind::Symlink => EntryKind::Symlink,
        Kind::CharDevice => EntryKind::CharDevice,
        Kind::BlockDevice => EntryKind::BlockDevice,
        Kind::Fifo => EntryKind::Fifo,
        Kind::Socket => EntryKind::Socket,
    }
}

pub(super) fn ownership(inode: &Inode) -> Ownership {
    Ownership { uid: inode.uid, gid: inode.gid, mode: inode.permissions() }
}

fn no_such(path: &GuestPath, partition: Partition) -> Failure {
    let message = format!("there is no `{path}` on the {} partition of this image", partition.name());
    Failure::new(Class::Usage, message).hint("`pimg inspect IMAGE / --list` shows what is there")
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::caused_by(Class::Base, "cannot read the image", error)
}

/// A file of the root file system as a stream. It keeps the image open, and a decoded one on the disk.
struct FileReader {
    opened: LookedAt,
    ino: u32,
    length: u64,
    offset: u64,
}

impl FileReader {
    fn new(opened: LookedAt, ino: u32, length: u64) -> Result<Self, Failure> {
        opened.image.root().file(ino).map_err(unreadable)?;
        Ok(Self { opened, ino, length, offset: 0 })
    }
}

impl Read for FileReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.offset >= self.length || buf.is_empty() {
            return Ok(0);
        }
        let read = self.opened.image.root().read_at(self.ino, self.offset, buf).map_err(io::Error::other)?;
        self.offset += read as u64;
        Ok(read)
    }
}
