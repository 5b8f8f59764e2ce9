//! The kernels of an image, as far as modules that are built on the node care.

use std::cmp::Ordering;

use crate::guest::base_files::{BaseFiles, BaseReadError};
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;

/// A kernel that the image can start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// What `uname -r` says when it runs, such as `6.12.47+rpt-rpi-v8`.
    pub(super) release: String,
    /// Whether the headers for building modules are in the image.
    pub(super) has_headers: bool,
}

impl Kernel {
    /// All kernels with modules in the image, sorted.
    ///
    /// # Errors
    /// The image cannot be read.
    pub(super) fn of(base: &dyn BaseFiles) -> Result<Vec<Self>, BaseReadError> {
        let Ok(modules) = GuestPath::new("/usr/lib/modules") else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for release in base.list(Partition::Root, &modules)?.unwrap_or_default() {
            // `build` is a link to the headers
            let headers = GuestPath::new(format!("/usr/src/linux-headers-{release}"));
            let has_headers = match headers {
                Ok(path) => base.kind(Partition::Root, &path)?.is_some(),
                Err(_) => false,
            };
            found.push(Self { release, has_headers });
        }
        Ok(found)
    }

    /// Major and minor version.
    pub(super) fn version(&self) -> Option<(u32, u32)> {
        major_minor(&self.release)
    }
}

/// The first two numbers of a version, such as 6 and 12 of `6.12.47+rpt`.
pub(super) fn major_minor(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The newest kernel that a ZFS module builds on, by the file `META` of its sources (`Linux-Maximum: 6.19`).
pub(super) fn linux_maximum(meta: &str) -> Option<(u32, u32)> {
    let line = meta.lines().find_map(|line| line.trim().strip_prefix("Linux-Maximum:"))?;
    major_minor(line.trim())
}

/// The first kernel that is newer than a module can be built for.
pub(super) fn too_new(kernels: &[Kernel], maximum: (u32, u32)) -> Option<&Kernel> {
    let newer = |kernel: &&Kernel| kernel.version().is_some_and(|one| one.cmp(&maximum) == Ordering::Greater);
    kernels.iter().find(newer)
}

#[cfg(test)]
mod tests {
    use super::{Kernel, linux_maximum, major_minor, too_new};

    #[test]
    fn a_kernel_is_compared_by_its_first_two_numbers() {
        let kernel = |release: &str| Kernel { release: release.to_owned(), has_headers: true };
        let kernels = [kernel("6.12.47+rpt-rpi-v8"), kernel("6.18.34+rpt-rpi-2712")];
        let meta = "Meta:          1\nName:          zfs\nVersion:       2.3.2\nLinux-Maximum: 6.14\nLinux-Minimum: 4.18\n";
        let maximum = linux_maximum(meta).expect("a number");
        assert_eq!(maximum, (6, 14));
        assert_eq!(too_new(&kernels, maximum), Some(&kernels[1]));
        assert_eq!(too_new(&kernels, (6, 18)), None);
        assert_eq!(too_new(&kernels, (7, 0)), None);
        assert_eq!(
            (major_minor("7.0"), major_minor("rc"), linux_maximum("Name: zfs")),
            (Some((7, 0)), None, None)
        );
    }
}
