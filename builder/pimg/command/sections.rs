//! What an image says about itself, with what needs more than its files to be read: partitions and keyrings.

use pimg_disk::table::Partition as TableEntry;
use pimg_fetch::Keyring;

use crate::failure::{Class, Failure};
use crate::guest::base_files::BaseFiles;
use crate::guest::inventory::{Item, Section, inventory};
use crate::image::base::BaseImage;
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;

/// Directories that apt and the sources of Debian look for keyrings in.
const KEYRINGS: [&str; 3] = ["/usr/share/keyrings", "/etc/apt/keyrings", "/etc/apt/trusted.gpg.d"];

/// The sections in order: `partitions` first, then those of [`inventory`].
pub(super) fn sections(image: &BaseImage) -> Result<Vec<Section>, Failure> {
    let mut sections = vec![Section { name: "partitions", items: partitions(image)? }];
    sections.extend(inventory(image)?);
    if let Some(apt) = sections.iter_mut().find(|section| section.name == "apt") {
        apt.items.extend(keyrings(image)?);
    }
    Ok(sections)
}

fn partitions(image: &BaseImage) -> Result<Vec<Item>, Failure> {
    let table = image.table();
    let mut items = vec![
        Item::new("table", table.kind.to_string()),
        Item::new("disk id", table.disk_id.clone()),
        Item::new("size", format!("{} bytes", image.device().len())),
    ];
    for entry in &table.partitions {
        items.extend(partition(image, entry)?);
    }
    Ok(items)
}

fn partition(image: &BaseImage, entry: &TableEntry) -> Result<Vec<Item>, Failure> {
    let item = |what: &str, value: String| Item::new(format!("{} {what}", entry.number), value);
    let mut items = vec![
        item("place", format!("sector {}, {} bytes", entry.start / 512, entry.length)),
        item("type", entry.partition_type.to_string()),
    ];
    if entry.number == image.boot_partition().number {
        let mut volume = image.boot();
        let unreadable = |error| Failure::caused_by(Class::Base, "cannot read the image", error);
        let (label, free) = (volume.label().map_err(unreadable)?, volume.free_bytes().map_err(unreadable)?);
        items.push(item("file system", format!("vfat, label {}", label.unwrap_or_default())));
        items.push(item("free", format!("{free} bytes")));
    } else if entry.number == image.root_partition().number {
        let superblock = image.root().superblock();
        let label = String::from_utf8_lossy(&superblock.s_volume_name).trim_end_matches('\0').to_owned();
        let free = superblock.byte_of_block(superblock.s_free_blocks_count);
        items.push(item("file system", format!("ext4, label {label}")));
        items.push(item("free", format!("{free} bytes")));
        items.push(item("features", superblock.features.names().join(" ")));
    }
    Ok(items)
}

/// Keyrings with the fingerprints of the certificates in them.
fn keyrings(image: &BaseImage) -> Result<Vec<Item>, Failure> {
    let mut items = Vec::new();
    for directory in KEYRINGS {
        let Ok(at) = GuestPath::new(directory) else { continue };
        for name in image.list(Partition::Root, &at)?.unwrap_or_default() {
            let path = format!("{directory}/{name}");
            let is_keyring = [".gpg", ".pgp", ".asc"].iter().any(|suffix| name.ends_with(suffix));
            let (true, Ok(at)) = (is_keyring, GuestPath::new(&path)) else { continue };
            let Some(bytes) = image.read(Partition::Root, &at)? else { continue };
            let value = match Keyring::parse(&path, &bytes) {
                Ok(keyring) => {
                    let keys = keyring.certificates().iter().map(|key| key.fingerprint().to_string());
                    keys.collect::<Vec<_>>().join(" ")
                }
                Err(error) => error.to_string(),
            };
            items.push(Item::new(format!("keyring {path}"), value));
        }
    }
    Ok(items)
}
