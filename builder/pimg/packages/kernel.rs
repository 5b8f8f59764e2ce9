//! The kernels of an image, as far as modules that are built on the node care.

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
}

/// The first two numbers of a version, such as 6 and 12 of `6.12.47+rpt`.
pub(super) fn major_minor(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::major_minor;

    #[test]
    fn the_first_two_numbers_are_the_series() {
        assert_eq!(
            (major_minor("6.12.47+rpt-rpi-v8"), major_minor("7.0"), major_minor("rc")),
            (Some((6, 12)), Some((7, 0)), None)
        );
    }
}
