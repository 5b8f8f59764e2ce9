//! Kernel modules that the operator's machine builds, or somebody else's did: which of them a host needs, of which
//! packages each is built, and where its own package comes from.
//!
//! The lock names the packages that a module is built of and the package that came out, so that who cannot build takes that
//! by its digest, and who builds again gets the same bytes.

mod image;
mod make;
mod place;
mod resolve;
mod tools;

use image::ImageKernel;
pub use place::ModuleFile;
pub(super) use place::{local_modules, obtain_modules};

use super::error::PackagesError;
use super::network::Network;
use super::options::Update;
use super::settle::Settling;
use crate::failure::Failure;
use crate::lock::LockError;
use crate::lock::lockfile::{LockedModule, LockedSet, Lockfile};

/// The package whose version the module has to have: the tools refuse another one.
const TOOLS: &str = "zfsutils-linux";

/// What is known while the modules of one run are settled.
pub(super) struct Settlement<'a> {
    /// The lock as it was.
    pub(super) before: Option<&'a Lockfile>,
    /// How much of it may change.
    pub(super) update: &'a Update,
    /// Those that are settled by now, for this host and others.
    pub(super) settled: &'a mut Vec<LockedModule>,
}

impl Settlement<'_> {
    /// Settles the modules of a host whose other packages are `set`: takes those of the lock, or resolves and builds them.
    ///
    /// # Errors
    /// There is none that fits, the lock may not change, or the build fails.
    pub(super) fn settle(
        &mut self,
        settling: &Settling<'_>,
        set: &LockedSet,
        lock: &mut Lockfile,
        network: &Network<'_>,
    ) -> Result<(), Failure> {
        if settling.wishes.modules.is_empty() {
            return Ok(());
        }
        let zfs = zfs_version(settling, set)?;
        for kernel in image::kernels(settling.base)? {
            require_kernel(&kernel, set)?;
            let profile = &settling.host.profile;
            let fits = |module: &LockedModule| {
                (&module.kernel, &module.kernel_version, &module.zfs)
                    == (&kernel.release, &kernel.version, &zfs)
            };
            if let Some(module) = self.settled.iter_mut().find(|module| fits(module)) {
                add_profile(module, profile);
                continue;
            }
            let mut module = match lock.module.iter().find(|module| fits(module)).cloned() {
                Some(module) if !self.moves(&module) => module,
                None if *self.update == Update::Locked => {
                    let why = format!("it has no module of ZFS {zfs} for the kernel {}", kernel.release);
                    return Err(LockError::DoesNotFit { profile: profile.clone(), why: vec![why] }.into());
                }
                _ => self.resolve_and_make(&kernel, &zfs, settling, lock, network)?,
            };
            add_profile(&mut module, profile);
            self.settled.push(module);
        }
        Ok(())
    }

    fn moves(&self, module: &LockedModule) -> bool {
        match self.update {
            Update::Packages => true,
            Update::One(name) => *name == module.name,
            Update::Locked | Update::Keep | Update::Base => false,
        }
    }

    fn resolve_and_make(
        &self,
        kernel: &ImageKernel,
        zfs: &str,
        settling: &Settling<'_>,
        lock: &mut Lockfile,
        network: &Network<'_>,
    ) -> Result<LockedModule, Failure> {
        let wanted = resolve::Wanted { kernel, zfs, settling, before: self.before, update: self.update };
        let told = |failure: Failure| {
            failure.context(format!("cannot get a module of ZFS {zfs} for the kernel {}", kernel.release))
        };
        let mut module = wanted.resolve(lock, network).map_err(told)?;
        let mirrors = &settling.host.mirrors;
        let made = make::make(&module, kernel.own.clone(), lock, mirrors, network).map_err(told)?;
        (module.sha256, module.size) = (made.sha256.to_string(), made.size);
        if let Some(same) = lock.module.iter().find(|one| one.sha256 == module.sha256) {
            module.url.clone_from(&same.url);
        }
        Ok(module)
    }
}

fn add_profile(module: &mut LockedModule, profile: &str) {
    if !module.profiles.iter().any(|known| known == profile) {
        module.profiles.push(profile.to_owned());
        module.profiles.sort();
    }
}

/// Puts the modules of these profiles into the lock, in place of what they had.
pub(super) fn assemble(lock: &mut Lockfile, ours: &[&str], settled: Vec<LockedModule>) {
    for module in &mut lock.module {
        module.profiles.retain(|profile| !ours.contains(&profile.as_str()));
    }
    lock.module.retain(|module| !module.profiles.is_empty());
    for mut module in settled {
        module.profiles.retain(|profile| ours.contains(&profile.as_str()));
        match lock.module.iter_mut().find(|other| other.sha256 == module.sha256) {
            Some(same) => {
                for profile in &module.profiles {
                    add_profile(same, profile);
                }
            }
            None => lock.module.push(module),
        }
    }
}

fn zfs_version(settling: &Settling<'_>, set: &LockedSet) -> Result<String, Failure> {
    if let Some(tools) = set.package.iter().find(|package| package.name == TOOLS) {
        return Ok(tools.version.clone());
    }
    let installed = image::installed_version(settling.base, TOOLS)?;
    let missing = || PackagesError::Guard {
        what: format!("a module of ZFS is asked for, and `{TOOLS}` is neither installed nor to be"),
        hint: format!("put `{TOOLS}` into `packages.install`, as `overlays/zfs` does"),
    };
    Ok(installed.ok_or_else(missing)?)
}

/// The module is for the image's kernel: another one in the set would start without it.
fn require_kernel(kernel: &ImageKernel, set: &LockedSet) -> Result<(), PackagesError> {
    let name = format!("linux-image-{}", kernel.release);
    let is_other = |package: &str| {
        let rest = package.strip_prefix("linux-image-").unwrap_or_default();
        // `linux-image-rpi-v8` only names the newest
        rest.starts_with(|c: char| c.is_ascii_digit())
    };
    match set.package.iter().find(|package| is_other(&package.name)) {
        Some(other) => Err(PackagesError::Guard {
            what: format!(
                "`{}` {} is to be installed, and modules are built ahead for the kernel that is in the image, `{name}`",
                other.name, other.version
            ),
            hint: "take a base image that has this kernel, or set `[vars.zfs] module = \"dkms\"`".to_owned(),
        }),
        None => Ok(()),
    }
}
