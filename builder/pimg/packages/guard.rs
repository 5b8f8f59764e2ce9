//! What only the build can know: that the node could not use a set of packages which apt would install.

use std::cmp::Ordering;
use std::net::IpAddr;

use pimg_deb::package::Package;
use pimg_deb::solve::{Solution, Unsolvable};

use super::error::PackagesError;
use super::kernel::Kernel;
use super::wishes::Wishes;
use crate::guest::base_files::BaseFiles;
use crate::guest::packages::PackageSet;
use crate::module::Range;
use crate::plan::change::{Action, Change, Content};
use crate::profile::host::HostSpec;

/// Whether a package brings a kernel: `proxmox-kernel-6.14` does, `proxmox-kernel-helper` and `pve-kernel-libc-dev`
/// do not.
fn is_kernel(name: &str) -> bool {
    let versioned = ["proxmox-kernel-", "pve-kernel-"].iter().filter_map(|kind| name.strip_prefix(kind));
    let mut versioned = versioned.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    name == "proxmox-default-kernel" || name.starts_with("linux-image-") || versioned.next().is_some()
}

/// Headers that modules built on the node need, and that neither the image nor the set has.
///
/// # Errors
/// The image cannot be read.
pub(super) fn missing_headers(
    solution: &Solution<'_>,
    base: &dyn BaseFiles,
) -> Result<Vec<String>, PackagesError> {
    let names: Vec<&str> = solution.packages.iter().map(|chosen| chosen.entry.package).collect();
    if !names.iter().any(|name| name.ends_with("-dkms")) {
        return Ok(Vec::new());
    }
    let kernels = Kernel::of(base)?;
    let missing = kernels.iter().filter(|kernel| !kernel.has_headers);
    let missing = missing.map(|kernel| format!("linux-headers-{}", kernel.release));
    Ok(missing.filter(|headers| !names.contains(&headers.as_str())).collect())
}

/// What is said where the headers cannot be installed.
pub(super) fn no_headers(wanted: &[String], asked: &[String], why: &Unsolvable) -> PackagesError {
    let headers: Vec<&str> = wanted.iter().filter(|name| !asked.contains(name)).map(String::as_str).collect();
    let first = why.lines().first().map_or("they are nowhere", |line| line.trim());
    PackagesError::Guard {
        what: format!(
            "a kernel module that the node builds needs `{}`, which cannot be installed: {first}",
            headers.join("`, `")
        ),
        hint: "use a base image whose kernel its archive still has: a newer one, as a rule".to_owned(),
    }
}

/// A node starts with its board's kernel only: another one is dead weight, or takes its place.
///
/// # Errors
/// The set has one that nobody asked for.
pub(super) fn no_foreign_kernel(solution: &Solution<'_>, wishes: &Wishes) -> Result<(), PackagesError> {
    let asked =
        |name: &str| wishes.install.iter().any(|wish| wish.split(['=', '/', ':']).next() == Some(name));
    for chosen in &solution.packages {
        let name = chosen.entry.package;
        if is_kernel(name) && !asked(name) {
            return Err(PackagesError::Guard {
                what: format!("`{name}` would bring another kernel ({})", chosen.reason),
                hint: format!(
                    "forbid it with an `[[apt.pin]]` of `packages = \"{name}\"` and `priority = -1`, or ask for it in `packages.install`"
                ),
            });
        }
    }
    Ok(())
}

/// The ZFS module is built on the node, by sources that know kernels up to a version. `deb` is the file of zfs-dkms.
///
/// # Errors
/// A kernel of the image is newer, or the package cannot be read.
pub(super) fn zfs_builds(version: &str, deb: &[u8], base: &dyn BaseFiles) -> Result<(), PackagesError> {
    let kernels = Kernel::of(base)?;
    let releases: Vec<&str> = kernels.iter().map(|kernel| kernel.release.as_str()).collect();
    zfs_fits(version, deb, &releases)
}

/// Whether the sources in `deb` know the kernels of these releases.
///
/// # Errors
/// One is too new or too old for them, or the package cannot be read.
pub(super) fn zfs_fits(version: &str, deb: &[u8], releases: &[&str]) -> Result<(), PackagesError> {
    let damaged = |source| PackagesError::Package { name: format!("zfs-dkms {version}"), source };
    let deb = Package::open(deb).map_err(damaged)?;
    let upstream = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
    let upstream = upstream.split_once(':').map_or(upstream, |(_, upstream)| upstream);
    let meta = deb.read_file(&format!("usr/src/zfs-{upstream}/META")).map_err(damaged)?;
    let meta = meta.map(|meta| String::from_utf8_lossy(&meta).into_owned()).unwrap_or_default();
    let range = Range::of(&meta);
    for release in releases {
        let (place, border) = match range.place(release) {
            Ordering::Less => ("from", range.minimum),
            Ordering::Equal => continue,
            Ordering::Greater => ("up to", range.maximum),
        };
        let (major, minor) = border.unwrap_or_default();
        return Err(PackagesError::Guard {
            what: format!(
                "zfs-dkms {version} builds on kernels {place} {major}.{minor}, and the image starts {release}"
            ),
            hint: "take zfs-dkms from the backports (`overlays/zfs` pins `src:zfs-linux`), run `pimg lock --update packages`, or use a base with an older kernel".to_owned(),
        });
    }
    Ok(())
}

/// Proxmox VE finds its node by the name, and refuses one that leads to the loopback interface
/// (pve-cluster, `get_ip_from_hostname`).
///
/// # Errors
/// `/etc/hosts` as it will be has no LAN address for the host's name.
pub fn hostname_resolves(
    host: &HostSpec,
    packages: &PackageSet,
    changes: &[Change],
) -> Result<(), PackagesError> {
    if !packages.install.iter().any(|package| package.name == "pve-cluster") {
        return Ok(());
    }
    let hosts = changes.iter().find_map(|change| match &change.action {
        Action::PutFile { content: Content::Bytes(bytes), .. } if change.path.as_str() == "/etc/hosts" => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => None,
    });
    let hosts = hosts.unwrap_or_default();
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut addresses = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        words.any(|name| name == host.hostname.as_str()).then_some(address)
    });
    // the first line that has the name decides
    match addresses.next() {
        Some(address) if !address.is_loopback() => Ok(()),
        got => Err(PackagesError::Guard {
            what: format!(
                "`{}` leads to {} in `/etc/hosts`, and Proxmox VE needs an address of the network",
                host.hostname,
                got.map_or_else(|| "no address".to_owned(), |address| address.to_string())
            ),
            hint: format!(
                "leave `/etc/hosts` to pimg, or let it say `{} {}`",
                host.network.address.address, host.hostname
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::is_kernel;

    #[test]
    fn helpers_of_kernels_are_none() {
        for kernel in
            ["proxmox-kernel-6.14.8-2-pve", "pve-kernel-6.2", "proxmox-default-kernel", "linux-image-arm64"]
        {
            assert!(is_kernel(kernel), "{kernel}");
        }
        for other in ["proxmox-kernel-helper", "pve-kernel-libc-dev", "linux-headers-arm64", "pve-manager"] {
            assert!(!is_kernel(other), "{other}");
        }
    }
}
