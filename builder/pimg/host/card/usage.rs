//! What the devices of a machine are used for.
//!
//! `/proc/self/mountinfo` and `/proc/swaps` are described in proc(5); both write blanks in names as octal numbers.

use std::fmt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// A use of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// A file system on it is mounted.
    Mounted {
        /// Name of the device.
        device: String,
        /// Where.
        at: String,
    },
    /// It is swap space.
    Swap {
        /// Name of the device.
        device: String,
    },
    /// Another device lies upon it: LVM, RAID, encryption.
    Held {
        /// Name of the device.
        device: String,
        /// Name of the other.
        by: String,
    },
}

impl fmt::Display for Use {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mounted { device, at } => write!(out, "`{device}` is mounted at `{at}`"),
            Self::Swap { device } => write!(out, "`{device}` is swap space"),
            Self::Held { device, by } => write!(out, "`{device}` is a part of `{by}`"),
        }
    }
}

/// What is mounted and what is swap space.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Number of a device (major and minor) and mount point.
    mounts: Vec<((u32, u32), String)>,
    swaps: Vec<(u32, u32)>,
}

impl Usage {
    /// Reads what the kernel says. `number_of` gives the number of a block device by its path.
    pub(super) fn parse(
        mountinfo: &str,
        swaps: &str,
        number_of: impl Fn(&str) -> Option<(u32, u32)>,
    ) -> Self {
        let mut mounts = Vec::new();
        for line in mountinfo.lines() {
            let mut fields = line.split(' ');
            let (number, at) = (fields.nth(2).and_then(parse_number), fields.nth(1).map(unescape));
            // btrfs and others have a number that is no device's, but name their device as the source
            let source = line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').nth(1)).map(unescape);
            let source =
                source.filter(|source| source.starts_with('/')).and_then(|source| number_of(&source));
            let Some(at) = at else { continue };
            mounts.extend(number.into_iter().chain(source).map(|number| (number, at.clone())));
        }
        let paths = swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next());
        Self { mounts, swaps: paths.filter_map(|path| number_of(&unescape(path))).collect() }
    }

    /// The uses of the device with this number and name.
    pub(super) fn of(&self, number: (u32, u32), device: &str) -> Vec<Use> {
        let mounts = self.mounts.iter().filter(|(mounted, _)| *mounted == number);
        let mut uses: Vec<Use> =
            mounts.map(|(_, at)| Use::Mounted { device: device.to_owned(), at: at.clone() }).collect();
        uses.dedup();
        if self.swaps.contains(&number) {
            uses.push(Use::Swap { device: device.to_owned() });
        }
        uses
    }
}

/// `8:16` as it stands in `mountinfo` and sysfs.
pub(super) fn parse_number(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The parts of a device number, as Linux packs them into 64 bits (makedev(3)).
pub(super) fn major_minor(number: u64) -> (u32, u32) {
    let major = (number >> 8 & 0xfff) | (number >> 32 & 0xffff_f000);
    let minor = (number & 0xff) | (number >> 12 & 0xffff_ff00);
    (u32::try_from(major).unwrap_or(u32::MAX), u32::try_from(minor).unwrap_or(u32::MAX))
}

/// The number of the block device at `path`.
pub(super) fn number_of_device(path: &str) -> Option<(u32, u32)> {
    let metadata = std::fs::metadata(path).ok()?;
    metadata.file_type().is_block_device().then(|| major_minor(metadata.rdev()))
}

/// `\040` becomes a blank.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (code, part.get(3..)) {
            (Some(code), Some(rest)) => {
                plain.push(char::from(code));
                plain.push_str(rest);
            }
            _ => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Usage, Use, major_minor, unescape};

    #[test]
    fn reads_what_the_kernel_says() {
        let mountinfo = "22 27 0:21 / /proc rw,relatime - proc proc rw\n\
                         27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n\
                         30 27 8:18 / /media/op/my\\040card rw shared:5 master:1 - vfat /dev/sdb2 rw\n\
                         31 27 0:44 /@ /data rw shared:6 - btrfs /dev/sdc1 rw\n\nbroken\n";
        let swaps =
            "Filename\t\t\tType\t\tSize\n/dev/sdb3                 partition\t1\t0\t-2\n/swapfile file\n";
        let number_of = |path: &str| match path {
            "/dev/sdb3" => Some((8, 19)),
            "/dev/sdc1" => Some((8, 33)),
            _ => None,
        };
        let usage = Usage::parse(mountinfo, swaps, number_of);
        let mounted = |device: &str, at: &str| vec![Use::Mounted { device: device.into(), at: at.into() }];
        assert_eq!(usage.of((254, 0), "vda"), mounted("vda", "/"));
        assert_eq!(usage.of((8, 18), "sdb2"), mounted("sdb2", "/media/op/my card"));
        assert_eq!(usage.of((8, 33), "sdc1"), mounted("sdc1", "/data"), "btrfs");
        assert_eq!(usage.of((8, 19), "sdb3"), [Use::Swap { device: "sdb3".into() }]);
        assert_eq!(usage.of((8, 20), "sdb4"), []);
    }

    #[test]
    fn numbers_and_names_as_linux_packs_them() {
        assert_eq!(major_minor(0x0810), (8, 16));
        assert_eq!(major_minor(0x1000 << 32 | 0x12300 << 12 | 0x345), (0x1003, 0x12345));
        assert_eq!(unescape("a\\040b\\134c\\9"), "a b\\c\\9");
    }
}
