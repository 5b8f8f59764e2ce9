//! The Debian package of finished modules.

use std::collections::BTreeMap;
use std::io::{self, Write};

use flate2::{Compression, write::GzEncoder};
use pimg_deb::date;
use pimg_deb::package::NewPackage;

use super::error::ModuleError;

/// The modules, each after those that it needs.
pub(super) const MODULES: [&str; 2] = ["spl", "zfs"];

const MAINTAINER: &str = "pimg <pimg@users.noreply.github.com>";

/// What is packed.
#[derive(Debug)]
pub(super) struct Finished<'a> {
    /// The kernel's release.
    pub(super) kernel: &'a str,
    /// Version of the package of that kernel.
    pub(super) kernel_version: &'a str,
    /// Version of the sources' package.
    pub(super) zfs: &'a str,
    /// Time of everything in the package, in seconds since 1970.
    pub(super) mtime: u64,
    /// The modules by name.
    pub(super) modules: BTreeMap<&'static str, Vec<u8>>,
    /// The copyright file of the sources' package.
    pub(super) copyright: Vec<u8>,
}

/// The name of the package for a kernel. Debian's policy 5.6.1 allows `a-z`, digits, `+`, `-` and `.`.
pub fn package_name(kernel: &str) -> String {
    let allowed = |c: char| {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_alphanumeric() || "+-.".contains(c) { c } else { '-' }
    };
    format!("zfs-modules-{}", kernel.chars().map(allowed).collect::<String>())
}

/// The version of the package: that of the sources, and behind it that of the kernel's package, for a kernel that was
/// built anew under its old name.
pub fn package_version(zfs: &str, kernel_version: &str) -> String {
    let plain = kernel_version.split_once(':').map_or(kernel_version, |(_, plain)| plain);
    format!("{zfs}+k{}", plain.replace('-', "."))
}

/// Where a module of the package is, without a slash at the start. Of all directories of a kernel, `updates` comes first
/// (depmod.d(5)).
pub(super) fn module_path(kernel: &str, module: &str) -> String {
    format!("usr/lib/modules/{kernel}/updates/pimg/{module}.ko")
}

impl Finished<'_> {
    /// The package as a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn pack(self) -> Result<Vec<u8>, ModuleError> {
        let name = package_name(self.kernel);
        let failed = |source| ModuleError::Write { name: name.clone(), source };
        let changelog = changelog(&name, self.kernel, self.kernel_version, self.zfs, self.mtime);
        let documents = format!("usr/share/doc/{name}");
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::from([
            (format!("{documents}/changelog.Debian.gz"), compressed(&changelog).map_err(failed)?),
            (format!("{documents}/copyright"), self.copyright),
        ]);
        let depmod = |when: &str| {
            // a kernel that goes at the same time may be gone already
            format!(
                "#!/bin/sh\nset -e\nif [ \"$1\" = {when} ] && [ -e /lib/modules/{0}/modules.order ]; then depmod {0}; fi\n",
                self.kernel
            )
        };
        let scripts = BTreeMap::from([("postinst", depmod("configure")), ("postrm", depmod("remove"))]);
        let control = control(&name, self.kernel, self.kernel_version, self.zfs);
        files.extend(
            self.modules.into_iter().map(|(module, bytes)| (module_path(self.kernel, module), bytes)),
        );
        let package = NewPackage { control, scripts, files, mtime: self.mtime };
        package.to_bytes().map_err(failed)
    }
}

/// What Debian's policy 12.7 asks for: of which source package it is, and of when that is.
fn changelog(name: &str, kernel: &str, kernel_version: &str, zfs: &str, mtime: u64) -> String {
    let version = package_version(zfs, kernel_version);
    let date = date::format(i64::try_from(mtime).unwrap_or_default());
    format!(
        "{name} ({version}) unstable; urgency=medium\n\n  * Modules of zfs-linux {zfs}, compiled for the kernel of\n    \
         linux-image-{kernel} {kernel_version}.\n\n -- {MAINTAINER}  {date}\n"
    )
}

/// No name and no time: the same text gives the same bytes.
fn compressed(text: &str) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

/// `zfs-modules` is what Debian's `zfs-dkms` provides and what `zfsutils-linux` and others recommend or suggest. Both
/// packages may be there: the modules that dkms builds have another directory, and other kernels.
fn control(name: &str, kernel: &str, kernel_version: &str, zfs: &str) -> String {
    let version = package_version(zfs, kernel_version);
    let upstream = zfs.rsplit_once('-').map_or(zfs, |(upstream, _)| upstream);
    format!(
        "Package: {name}\n\
         Source: zfs-linux ({zfs})\n\
         Version: {version}\n\
         Architecture: arm64\n\
         Maintainer: {MAINTAINER}\n\
         Depends: kmod, linux-image-{kernel} (= {kernel_version})\n\
         Enhances: zfsutils-linux\n\
         Provides: zfs-modules (= {zfs})\n\
         Section: contrib/kernel\n\
         Priority: optional\n\
         Homepage: https://zfsonlinux.org/\n\
         Description: OpenZFS kernel modules for Linux {kernel}\n \
         The modules spl and zfs of OpenZFS {upstream}, compiled ahead for this kernel\n \
         and for no other: a node needs neither compiler nor headers.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_are_those_of_debian() {
        assert_eq!(package_name("6.12.47+rpt-rpi-v8"), "zfs-modules-6.12.47+rpt-rpi-v8");
        assert_eq!(package_name("6.1_RC"), "zfs-modules-6.1-rc");
        assert_eq!(package_version("2.4.4-1~bpo13+1", "1:6.12.47-1+rpt1"), "2.4.4-1~bpo13+1+k6.12.47.1+rpt1");
        let newer =
            pimg_deb::version::compare(&package_version("2.4.4-2", "1"), &package_version("2.4.4-1", "2"));
        assert!(newer.is_gt());
    }

    #[test]
    fn the_changelog_has_the_time_of_the_sources() {
        let text =
            changelog("zfs-modules-6.12.1-arm64", "6.12.1-arm64", "6.12.1-3", "2.4.4-1", 1_764_806_400);
        insta::assert_snapshot!(text, @r"
        zfs-modules-6.12.1-arm64 (2.4.4-1+k6.12.1.3) unstable; urgency=medium

          * Modules of zfs-linux 2.4.4-1, compiled for the kernel of
            linux-image-6.12.1-arm64 6.12.1-3.

         -- pimg <pimg@users.noreply.github.com>  Thu, 04 Dec 2025 00:00:00 +0000
        ");
    }

    #[test]
    fn the_package_says_what_it_is_for() {
        insta::assert_snapshot!(control("zfs-modules-6.12.1-arm64", "6.12.1-arm64", "6.12.1-3", "2.4.4-1"), @r"
        Package: zfs-modules-6.12.1-arm64
        Source: zfs-linux (2.4.4-1)
        Version: 2.4.4-1+k6.12.1.3
        Architecture: arm64
        Maintainer: pimg <pimg@users.noreply.github.com>
        Depends: kmod, linux-image-6.12.1-arm64 (= 6.12.1-3)
        Enhances: zfsutils-linux
        Provides: zfs-modules (= 2.4.4-1)
        Section: contrib/kernel
        Priority: optional
        Homepage: https://zfsonlinux.org/
        Description: OpenZFS kernel modules for Linux 6.12.1-arm64
         The modules spl and zfs of OpenZFS 2.4.4, compiled ahead for this kernel
         and for no other: a node needs neither compiler nor headers.
        ");
    }
}
