//! What macOS knows of a disk, from `diskutil info`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::CardError;
use super::sysfs::Disk;
use super::usage::Use;
use crate::host::{HostError, tools};

/// How long `diskutil` may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks at the disk `path`.
///
/// # Errors
/// `diskutil` does not know it.
pub(super) fn look(path: &Path) -> Result<Disk, CardError> {
    let unknown = |why: String| CardError::Unknown { path: path.to_path_buf(), why };
    let name = path.display().to_string();
    let ask = |words: &[&str]| {
        let command: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let answer =
            tools::run(&command, Path::new("/"), PATIENCE).map_err(|error| unknown(error.to_string()))?;
        Ok::<_, CardError>(String::from_utf8_lossy(&answer).into_owned())
    };
    let mut disk = parse(&ask(&["diskutil", "info", &name])?)
        .ok_or_else(|| unknown("`diskutil info` is not clear".into()))?;
    // every mount of a partition, with that of the system: `/dev/disk4s1 on /Volumes/bootfs (msdos, local)`
    let whole = path.file_name().unwrap_or_default().to_string_lossy().trim_start_matches('r').to_owned();
    disk.uses = mounts_of(&whole, &ask(&["mount"])?);
    Ok(disk)
}

/// The character device of a disk: the block device goes through a cache and is several times slower.
///
/// # Errors
/// It has no name.
pub(super) fn raw_device(path: &Path) -> Result<PathBuf, HostError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| HostError::file("open", path)(std::io::ErrorKind::InvalidInput.into()))?;
    Ok(path.with_file_name(format!("r{}", name.trim_start_matches('r'))))
}

fn parse(text: &str) -> Option<Disk> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
        line.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    // `31.9 GB (31914983424 Bytes) (exactly 62333952 512-Byte-Units)`
    let size = field("Disk Size").or_else(|| field("Total Size"))?;
    let size = size.split_once('(')?.1.split_once(" Bytes")?.0.parse().ok()?;
    let whole = (field("Whole")?.as_str() == "No").then(|| field("Part of Whole")).flatten();
    let is = |name: &str, words: &[&str]| field(name).is_some_and(|value| words.contains(&value.as_str()));
    Some(Disk {
        size,
        model: field("Device / Media Name"),
        removable: is("Removable Media", &["Removable", "Yes"])
            || is("Device Location", &["External"])
            || is("Protocol", &["USB", "Secure Digital"]),
        read_only: is("Media Read-Only", &["Yes"]),
        partition_of: whole.map(|whole| Path::new("/dev").join(whole)),
        ..Disk::default()
    })
}

fn mounts_of(disk: &str, mounts: &str) -> Vec<Use> {
    let parts = mounts.lines().filter_map(|line| {
        let (device, rest) = line.strip_prefix("/dev/")?.split_once(" on ")?;
        let part = device.strip_prefix(disk)?;
        let at = rest.rsplit_once(" (").map_or(rest, |(at, _)| at);
        let is_of_disk = part.is_empty() || part.starts_with('s');
        is_of_disk.then(|| Use::Mounted { device: device.to_owned(), at: at.to_owned() })
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::{Use, mounts_of, parse};

    const CARD: &str = "   Device Identifier:         disk4\n   Device Node:               /dev/disk4\n   \
                        Whole:                     Yes\n   Part of Whole:             disk4\n   \
                        Device / Media Name:       SD Card Reader\n\n   Protocol:                  Secure Digital\n   \
                        Disk Size:                 31.9 GB (31914983424 Bytes) (exactly 62333952 512-Byte-Units)\n   \
                        Media Read-Only:           No\n   Device Location:           Internal\n   \
                        Removable Media:           Removable\n";

    #[test]
    fn reads_what_diskutil_prints() {
        let card = parse(CARD).expect("clear");
        assert_eq!((card.size, card.removable, card.read_only), (31_914_983_424, true, false));
        assert_eq!(card.model.as_deref(), Some("SD Card Reader"));
        assert_eq!(card.partition_of, None);
        let part = CARD.replace("Whole:                     Yes", "Whole:                     No");
        let part = parse(&part).expect("clear");
        assert_eq!(part.partition_of.as_deref(), Some(std::path::Path::new("/dev/disk4")));
        let fixed = CARD.replace("Removable Media:           Removable", "Removable Media:           Fixed");
        let fixed = fixed.replace("Secure Digital", "Apple Fabric");
        assert!(!parse(&fixed).expect("clear").removable);
        assert!(parse("Could not find disk: disk9").is_none());
    }

    #[test]
    fn finds_the_mounts_of_one_disk() {
        let mounts = "/dev/disk3s1s1 on / (apfs, sealed)\n/dev/disk4s1 on /Volumes/boot fs (msdos, local)\n\
                      /dev/disk44s1 on /Volumes/other (msdos)\n";
        let mounted = Use::Mounted { device: "disk4s1".into(), at: "/Volumes/boot fs".into() };
        assert_eq!(mounts_of("disk4", mounts), [mounted]);
    }
}
