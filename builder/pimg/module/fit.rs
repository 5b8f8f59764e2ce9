//! Whether sources and a kernel can go together, before anything is compiled.

use std::cmp::Ordering;

/// The kernels that sources of ZFS build on, by their file `META`: `Linux-Minimum: 4.18`, `Linux-Maximum: 6.19`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The oldest, as major and minor version.
    pub minimum: Option<(u32, u32)>,
    /// The newest.
    pub maximum: Option<(u32, u32)>,
}

impl Range {
    /// Reads the text of `META`.
    pub fn of(meta: &str) -> Self {
        let value = |key: &str| {
            let line = meta.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(':'))?;
            major_minor(line.trim())
        };
        Self { minimum: value("Linux-Minimum"), maximum: value("Linux-Maximum") }
    }

    /// What the kernel of this release is for these sources: too old, right or too new. One whose release says no version
    /// passes.
    pub fn place(&self, release: &str) -> Ordering {
        let Some(version) = major_minor(release) else { return Ordering::Equal };
        if self.minimum.is_some_and(|minimum| version < minimum) {
            Ordering::Less
        } else if self.maximum.is_some_and(|maximum| version > maximum) {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }
}

/// The first two numbers of a version, such as 6 and 12 of `6.12.47+rpt`.
fn major_minor(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The compiler of a kernel, such as `gcc-14`, by the `.config` of its headers. A module of another major version may
/// load and go wrong later: structures depend on what a compiler can do.
pub fn compiler_of(config: &str) -> Option<String> {
    let text = config.lines().find_map(|line| line.strip_prefix("CONFIG_CC_VERSION_TEXT="))?;
    let text = text.trim_matches('"');
    // `aarch64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0`, `gcc-12 (…) 12.2.0`, `Debian clang version 19.1.7`
    let is_gcc = text.split(' ').next().is_some_and(|program| program.contains("gcc"));
    let version = text.rsplit(' ').next()?.split('.').next()?;
    (is_gcc && version.parse::<u32>().is_ok()).then(|| format!("gcc-{version}"))
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::{Range, compiler_of};

    #[test]
    fn kernels_out_of_range_are_known() {
        let range = Range::of("Meta:          1\nLinux-Maximum: 6.14\nLinux-Minimum: 4.18\n");
        for (release, place) in [
            ("6.12.47+rpt-rpi-v8", Ordering::Equal),
            ("6.14.1-x", Ordering::Equal),
            ("6.18.34+rpt-rpi-2712", Ordering::Greater),
            ("4.9.0", Ordering::Less),
            ("7.0", Ordering::Greater),
            ("next", Ordering::Equal),
        ] {
            assert_eq!(range.place(release), place, "{release}");
        }
        assert_eq!(Range::of("Name: zfs\n"), Range::default());
    }

    #[test]
    fn the_compiler_is_the_one_of_the_kernel() {
        let of = |text: &str| compiler_of(&format!("# x\nCONFIG_CC_VERSION_TEXT=\"{text}\"\nCONFIG_X=y\n"));
        assert_eq!(of("aarch64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0").as_deref(), Some("gcc-14"));
        assert_eq!(of("gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0").as_deref(), Some("gcc-12"));
        assert_eq!(of("Debian clang version 19.1.7 (3+b1)"), None);
        assert_eq!(compiler_of("CONFIG_X=y\n"), None);
    }
}
