//! What Linux knows of a block device: `/sys/dev/block/MAJOR:MINOR` and what udev remembers of it.
//!
//! Names and meanings: the kernel's `Documentation/ABI/stable/sysfs-block`, and lsblk(8), whose idea of a disk that can
//! be plugged out is followed here: `removable`, or on a bus for that.

use std::io;
use std::path::{Path, PathBuf};

use super::error::CardError;
use super::usage::{Usage, Use, major_minor, number_of_device, parse_number};
use crate::host::HostError;
use crate::host::files::read_optional;

/// Longest file of the kernel's that is read, in bytes.
const LONGEST: u64 = 4 << 20;

/// Buses whose disks are plugged in and out. USB sticks and card readers say that they are removable, USB disks do not.
const PLUGGABLE: [&str; 3] = ["usb", "ieee1394", "pcmcia"];

/// What is known of a disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// Length in bytes; 0 for a card reader without a card.
    pub size: u64,
    /// Its maker's name for it.
    pub model: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Whether it is meant to be taken out. Loop devices are not: they are disks like any other here.
    pub removable: bool,
    /// Whether it refuses writes.
    pub read_only: bool,
    /// The disk of which this is only a partition.
    pub partition_of: Option<PathBuf>,
    /// The file behind a loop device.
    pub backing: Option<PathBuf>,
    /// What it is used for, and what all that lies upon it is used for.
    pub uses: Vec<Use>,
}

/// Looks at the block device `path` with this number.
///
/// # Errors
/// The kernel does not tell what it is.
pub(super) fn look(path: &Path, number: u64) -> Result<Disk, CardError> {
    let read = |path: &str| read_text(Path::new(path));
    let unknown = |why: &str| CardError::Unknown { path: path.to_path_buf(), why: why.to_owned() };
    let mountinfo = read("/proc/self/mountinfo")?.ok_or_else(|| unknown("no `/proc/self/mountinfo`"))?;
    // a kernel without swap has no such file
    let swaps = read("/proc/swaps")?.unwrap_or_default();
    let usage = Usage::parse(&mountinfo, &swaps, number_of_device);
    let (major, minor) = major_minor(number);
    let directory = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
    let directory = directory.canonicalize().map_err(HostError::file("look at", &directory))?;
    let udev = read(&format!("/run/udev/data/b{major}:{minor}"))?.unwrap_or_default();
    let failed = |error| HostError::file("look at", &directory)(error);
    let mut disk = disk(&directory, &udev, &usage).map_err(failed)?;
    disk.uses.extend(loops_over(&directory, Path::new("/sys/block")).map_err(failed)?);
    Ok(disk)
}

/// Loop devices whose file is this disk, such as mounts of a partition by its offset. The kernel lists no holder for
/// them, and lets others open the disk for themselves.
fn loops_over(directory: &Path, all: &Path) -> io::Result<Vec<Use>> {
    let device = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let path = Path::new("/dev").join(&device);
    let mut loops = directories(all)?;
    loops.retain(|other| attribute(other, "loop/backing_file").is_some_and(|file| Path::new(&file) == path));
    let name = |other: PathBuf| other.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(loops.into_iter().map(|other| Use::Held { device: device.clone(), by: name(other) }).collect())
}

fn read_text(path: &Path) -> Result<Option<String>, HostError> {
    Ok(read_optional(path, LONGEST)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The disk whose directory in sysfs this is; `udev` is what udev remembers of it.
fn disk(directory: &Path, udev: &str, usage: &Usage) -> io::Result<Disk> {
    let attribute = |name: &str| attribute(directory, name);
    let of_udev = |name: &str| {
        let value =
            udev.lines().find_map(|line| line.strip_prefix("E:")?.strip_prefix(name)?.strip_prefix('='));
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    };
    let sectors: u64 =
        attribute("size").and_then(|size| size.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let mut uses = Vec::new();
    collect_uses(directory, usage, &mut uses)?;
    let partition_of = match attribute("partition") {
        Some(_) => directory.parent().and_then(Path::file_name).map(|name| Path::new("/dev").join(name)),
        None => None,
    };
    Ok(Disk {
        size: sectors * 512,
        model: attribute("device/model").or_else(|| attribute("device/name")).or_else(|| of_udev("ID_MODEL")),
        serial: of_udev("ID_SERIAL_SHORT").or_else(|| attribute("device/serial")),
        removable: attribute("removable").as_deref() == Some("1") || is_pluggable(directory),
        read_only: attribute("ro").as_deref() == Some("1"),
        partition_of,
        backing: attribute("loop/backing_file").map(PathBuf::from),
        uses,
    })
}

fn attribute(directory: &Path, name: &str) -> Option<String> {
    let text = read_text(&directory.join(name)).ok().flatten()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Whether the disk hangs on a bus that it can be taken from. SD cards do, and eMMC, which is soldered, does not.
fn is_pluggable(directory: &Path) -> bool {
    let on_bus = directory.ancestors().any(|above| {
        let bus = above.join("subsystem").read_link().ok();
        bus.as_deref().and_then(Path::file_name).is_some_and(|bus| PLUGGABLE.iter().any(|name| bus == *name))
    });
    on_bus || attribute(directory, "device/type").as_deref() == Some("SD")
}

/// The uses of a device, of its partitions, and of the devices that lie upon any of them.
fn collect_uses(directory: &Path, usage: &Usage, uses: &mut Vec<Use>) -> io::Result<()> {
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let number = attribute(directory, "dev").and_then(|text| parse_number(&text));
    uses.extend(usage.of(number.ok_or(io::ErrorKind::InvalidData)?, &name));
    for partition in directories(directory)?.into_iter().filter(|path| path.join("partition").exists()) {
        collect_uses(&partition, usage, uses)?;
    }
    let holders = directory.join("holders");
    if !holders.exists() {
        return Ok(());
    }
    for holder in directories(&holders)? {
        collect_uses(&holder.canonicalize()?, usage, uses)?;
        let by = holder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        uses.push(Use::Held { device: name.clone(), by });
    }
    Ok(())
}

/// The directories in a directory, and links to such, by name.
fn directories(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries: io::Result<Vec<PathBuf>> =
        std::fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut found: Vec<PathBuf> = entries?.into_iter().filter(|path| path.is_dir()).collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::{Usage, Use, disk, loops_over};

    /// A tree as sysfs shows it: lines of a path and a value, or of a path, `->` and a target.
    fn tree(root: &Path, lines: &str) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (path, value) = line.split_once(' ').expect("a path and a value");
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            match value.strip_prefix("-> ") {
                Some(target) => symlink(target, path).expect("a link"),
                None => fs::write(path, format!("{value}\n")).expect("a file"),
            }
        }
    }

    #[test]
    fn a_stick_with_partitions_and_what_lies_upon_them() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        tree(
            root.path(),
            "usb1/subsystem -> ../../../bus/usb
             usb1/block/sdb/size 4096
             usb1/block/sdb/dev 8:16
             usb1/block/sdb/removable 0
             usb1/block/sdb/ro 1
             usb1/block/sdb/device/model Ultra USB 3.0
             usb1/block/sdb/sdb1/dev 8:17
             usb1/block/sdb/sdb1/size 2048
             usb1/block/sdb/sdb1/partition 1
             usb1/block/sdb/sdb1/holders/dm-0 -> ../../../../../virtual/dm-0
             virtual/dm-0/dev 253:0
             virtual/dm-0/size 2048",
        );
        let usage = Usage::parse("1 1 253:0 / /srv rw - ext4 /dev/mapper/x rw\n", "", |_| None);
        let udev = "S:disk/by-id/x\nE:ID_SERIAL=Ultra_4C53\nE:ID_SERIAL_SHORT=4C53\n";
        let found = disk(&root.path().join("usb1/block/sdb"), udev, &usage)?;
        assert_eq!((found.size, found.removable, found.read_only), (2 << 20, true, true));
        assert_eq!((found.model.as_deref(), found.serial.as_deref()), (Some("Ultra USB 3.0"), Some("4C53")));
        let mounted = Use::Mounted { device: "dm-0".into(), at: "/srv".into() };
        assert_eq!(found.uses, [mounted, Use::Held { device: "sdb1".into(), by: "dm-0".into() }]);
        assert_eq!(found.partition_of, None);
        let partition = disk(&root.path().join("usb1/block/sdb/sdb1"), "", &usage)?;
        assert_eq!(partition.partition_of.as_deref(), Some(Path::new("/dev/sdb")));
        Ok(())
    }

    #[test]
    fn a_loop_device_over_a_disk_uses_it() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        tree(root.path(), "sdb/dev 8:16\nloop3/loop/backing_file /dev/sdb\nloop4/loop/backing_file /dev/sdc");
        let found = loops_over(&root.path().join("sdb"), root.path())?;
        assert_eq!(found, [Use::Held { device: "sdb".into(), by: "loop3".into() }]);
        Ok(())
    }

    #[test]
    fn cards_are_removable_and_what_is_soldered_or_a_file_is_not() -> Result<(), Box<dyn std::error::Error>> {
        for (kind, line, removable) in [
            ("a card", "device/type SD", true),
            ("eMMC", "device/type MMC", false),
            ("a stick", "removable 1", true),
            ("a loop device", "loop/backing_file /tmp/card.img", false),
        ] {
            let root = tempfile::tempdir()?;
            tree(root.path(), &format!("dev 179:0\nsize 8\n{line}"));
            assert_eq!(disk(root.path(), "", &Usage::default())?.removable, removable, "{kind}");
        }
        Ok(())
    }
}
