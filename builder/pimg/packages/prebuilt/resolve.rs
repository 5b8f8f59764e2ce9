//! The packages that a module is built of: its sources, the kernel's headers, and on this machine a compiler with all that
//! it needs.

use pimg_deb::package::Package;

use super::super::error::PackagesError;
use super::super::guard::zfs_fits;
use super::super::network::Network;
use super::super::obtain::wanted_package;
use super::super::options::Update;
use super::super::resolve::{Task, locked_entry};
use super::super::settle::Settling;
use super::super::snapshots::{read_indexes, snapshots};
use super::image::ImageKernel;
use super::tools::There;
use crate::failure::Failure;
use crate::host::files;
use crate::lock::lockfile::{LockedModule, LockedPackage, Lockfile};
use crate::module::{Machine, ModuleError, compiler_of, package_name, package_version};

/// Longest `.deb` that is looked into, in bytes.
const LONGEST_DEB: u64 = 1 << 30;

/// The package with the sources of the module.
pub(super) const SOURCE: &str = "zfs-dkms";

/// A module that is wanted.
pub(super) struct Wanted<'a> {
    pub(super) kernel: &'a ImageKernel,
    /// Version of its sources.
    pub(super) zfs: &'a str,
    pub(super) settling: &'a Settling<'a>,
    pub(super) before: Option<&'a Lockfile>,
    pub(super) update: &'a Update,
}

impl Wanted<'_> {
    /// Everything of it but the package that comes out.
    ///
    /// # Errors
    /// Something that it needs is nowhere, or does not fit the kernel.
    pub(super) fn resolve(
        &self,
        lock: &mut Lockfile,
        network: &Network<'_>,
    ) -> Result<LockedModule, Failure> {
        let machine = Machine::host().filter(|_| cfg!(target_os = "linux")).ok_or(ModuleError::NotLinux)?;
        let settling = self.settling;
        let task = Task {
            wishes: &settling.wishes,
            mirrors: &settling.host.mirrors,
            base: settling.base,
            base_sha256: settling.locked_base.raw_sha256.clone(),
            lock: self.before,
            update: self.update,
        };
        let (suites, keyrings) = snapshots(&task, &[machine.architecture.to_owned()], network)?;
        for suite in &suites {
            lock.repository.retain(|other| other.name != suite.repository.name);
            lock.repository.push(suite.repository.clone());
        }
        for keyring in keyrings {
            lock.keyring.retain(|other| other.name != keyring.name);
            lock.keyring.push(keyring);
        }
        let indexes = read_indexes(&suites)?;
        let bar = network.reporter().begin("resolving the compiler", None);
        let there = There { indexes: &indexes, machine };
        let mut packages = self.sources(&there)?;
        let headers = packages.iter().find(|one| one.name == headers_of(&self.kernel.release));
        let headers = headers.cloned().ok_or_else(|| self.no_headers())?;
        let compiler = self.compiler(&headers, lock, network)?;
        packages.extend(self.tools(&there, &compiler, &headers)?);
        packages.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
        let found = packages.iter().find(|one| machine.compiler(&compiler).contains(&one.name));
        let release = found.map(|one| one.version.clone()).unwrap_or_default();
        network.reporter().finish(bar, &format!("{} packages", packages.len()));
        self.require_fitting(&packages, lock, network)?;
        let (name, version) =
            (package_name(&self.kernel.release), package_version(self.zfs, &self.kernel.version));
        Ok(LockedModule {
            file: format!("{name}_{version}_{}.deb", Machine::TARGET.architecture),
            name,
            version,
            profiles: Vec::new(),
            kernel: self.kernel.release.clone(),
            kernel_version: self.kernel.version.clone(),
            zfs: self.zfs.to_owned(),
            compiler: format!("{compiler} {release}"),
            machine: machine.architecture.to_owned(),
            url: None,
            size: 0,
            sha256: String::new(),
            package: packages,
        })
    }

    /// Sources, headers, and the headers that all flavours share.
    fn sources(&self, there: &There<'_, '_>) -> Result<Vec<LockedPackage>, Failure> {
        let headers = headers_of(&self.kernel.release);
        let mut found = Vec::new();
        for index in there.of(Machine::TARGET.architecture) {
            for entry in index.entries()? {
                let is_wanted = (entry.package == SOURCE && entry.version == self.zfs)
                    || (entry.package == headers && entry.version == self.kernel.version)
                    || (entry.package.starts_with("linux-headers-") && entry.version == self.kernel.version);
                if is_wanted {
                    found.push((locked_entry(&entry, Some(index), String::new()), entry.depends.to_owned()));
                }
            }
        }
        let take = |name: &str, reason: &str| {
            let (package, depends) = found.iter().find(|(package, _)| package.name == name)?;
            Some((LockedPackage { reason: reason.to_owned(), ..package.clone() }, depends.clone()))
        };
        let (source, _) = take(SOURCE, "source of the module").ok_or_else(|| PackagesError::Guard {
            what: format!("no source has `{SOURCE}` {}, the version of the tools", self.zfs),
            hint: "take both from the backports (`overlays/zfs` pins `src:zfs-linux`) with `pimg lock --update packages`"
                .to_owned(),
        })?;
        let (own, depends) =
            take(&headers, "headers of the image's kernel").ok_or_else(|| self.no_headers())?;
        let names = names(&depends);
        let common = names.into_iter().filter(|name| name.starts_with("linux-headers-"));
        let common = common.filter_map(|name| take(name, "headers of all flavours of the kernel"));
        let common: Vec<LockedPackage> = common.map(|(package, _)| package).collect();
        if common.is_empty() {
            return Err(self.no_headers().into());
        }
        Ok([vec![source, own], common].concat())
    }

    fn no_headers(&self) -> PackagesError {
        PackagesError::Guard {
            what: format!(
                "no source has `{}` {}, the headers of the image's kernel",
                headers_of(&self.kernel.release),
                self.kernel.version
            ),
            hint: "use a base image whose kernel its archive still has: a newer one, as a rule".to_owned(),
        }
    }

    fn compiler(
        &self,
        headers: &LockedPackage,
        lock: &Lockfile,
        network: &Network<'_>,
    ) -> Result<String, Failure> {
        let damaged = |source| PackagesError::Package { name: headers.file.clone(), source };
        let bytes = self.read(headers, lock, network)?;
        let path = format!("usr/src/{}/.config", headers.name);
        let config = Package::open(&bytes).and_then(|deb| deb.read_file(&path)).map_err(damaged)?;
        let config = config.unwrap_or_default();
        let compiler = compiler_of(&String::from_utf8_lossy(&config));
        let unknown = || PackagesError::Guard {
            what: format!("`{path}` does not say that the kernel {} was made by gcc", self.kernel.release),
            hint: "set `[vars.zfs] module = \"dkms\"`".to_owned(),
        };
        Ok(compiler.ok_or_else(unknown)?)
    }

    fn read(
        &self,
        package: &LockedPackage,
        lock: &Lockfile,
        network: &Network<'_>,
    ) -> Result<Vec<u8>, Failure> {
        let wanted = wanted_package(package, lock, &self.settling.host.mirrors, network)?;
        Ok(files::read_optional(&network.get_one(wanted)?, LONGEST_DEB)?.unwrap_or_default())
    }

    /// Sources that do not know the kernel are refused before anything is compiled.
    fn require_fitting(
        &self,
        packages: &[LockedPackage],
        lock: &Lockfile,
        network: &Network<'_>,
    ) -> Result<(), Failure> {
        let Some(source) = packages.iter().find(|one| one.name == SOURCE) else { return Ok(()) };
        let bytes = self.read(source, lock, network)?;
        Ok(zfs_fits(self.zfs, &bytes, &[self.kernel.release.as_str()])?)
    }
}

/// The name of the package with a kernel's headers.
pub(super) fn headers_of(release: &str) -> String {
    format!("linux-headers-{release}")
}

/// The names in a field such as `Depends`, versions and all but the first alternatives left out.
pub(super) fn names(depends: &str) -> Vec<&str> {
    let name = |group: &str| group.trim().split([' ', '(', ':', '|']).next().unwrap_or_default().len();
    depends.split(',').map(str::trim).map(|group| group.get(..name(group)).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn names_of_a_field() {
        let depends = "linux-base (>= 4.12~), linux-headers-6.12+x-common (= 6.12-1), a:any | b, gcc-14";
        assert_eq!(names(depends), ["linux-base", "linux-headers-6.12+x-common", "a", "gcc-14"]);
    }
}
