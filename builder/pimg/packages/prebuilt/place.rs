//! Where the packages of locked modules come from: the cache, a vault, their address, or a build of the same packages.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pimg_fetch::{Bucket, Wanted};

use super::super::network::Network;
use super::super::obtain::{control_text, digest};
use super::image;
use super::make::make;
use crate::failure::{Class, Failure};
use crate::guest::base_files::BaseFiles;
use crate::guest::packages::LocalPackage;
use crate::lock::lockfile::{LockedModule, Lockfile};
use crate::module::{Machine, accept_package};
use crate::profile::host::Mirror;

/// A package of a module, on this machine.
#[derive(Clone, Debug)]
pub struct ModuleFile {
    /// What the lock says of it.
    pub module: LockedModule,
    /// Its file.
    pub path: PathBuf,
}

/// As it is asked of cache, vault and network.
fn wanted(module: &LockedModule) -> Result<Wanted, Failure> {
    Ok(Wanted {
        name: module.file.clone(),
        locations: module.url.iter().cloned().collect(),
        sha256: digest(&module.sha256)?,
        size: Some(module.size),
    })
}

/// Gets the packages of a profile's modules into the cache, and says how they are asked for there. Each is for a kernel
/// of the image.
///
/// # Errors
/// One cannot be had, is another one, or does not fit.
pub(in super::super) fn obtain_modules(
    profile: &str,
    lock: &Lockfile,
    mirrors: &BTreeMap<String, Mirror>,
    base: Option<&dyn BaseFiles>,
    network: &Network<'_>,
) -> Result<Vec<(Wanted, ModuleFile)>, Failure> {
    let modules: Vec<&LockedModule> = lock.modules_for(profile).collect();
    if modules.is_empty() {
        return Ok(Vec::new());
    }
    let kernels = base.map(image::kernels).transpose()?.unwrap_or_default();
    let mut obtained = Vec::new();
    for module in modules {
        let own = kernels.iter().find(|kernel| kernel.release == module.kernel);
        let own = own.and_then(|kernel| kernel.own.clone());
        let wanted = wanted(module)?;
        let path = match network.cache().get(Bucket::Blob, wanted.sha256)? {
            Some(path) => path,
            None => get_or_make(module, own.clone(), &wanted, lock, mirrors, network)?,
        };
        if base.is_some() {
            let bytes = crate::host::files::read_optional(&path, 1 << 30)?.unwrap_or_default();
            accept_package(&module.file, &bytes, &module.kernel, own.as_ref())?;
        }
        obtained.push((wanted, ModuleFile { module: module.clone(), path }));
    }
    Ok(obtained)
}

fn get_or_make(
    module: &LockedModule,
    own: Option<crate::module::KernelModule>,
    wanted: &Wanted,
    lock: &Lockfile,
    mirrors: &BTreeMap<String, Mirror>,
    network: &Network<'_>,
) -> Result<PathBuf, Failure> {
    let builds = cfg!(target_os = "linux")
        && Machine::host().is_some_and(|machine| machine.architecture == module.machine);
    let failure = match network.get_one(wanted.clone()) {
        Ok(path) => return Ok(path),
        // bytes that are not the locked ones are no reason to build, but for a word about it
        Err(failure) if failure.class() != Class::Network || !builds => failure,
        Err(_) => {
            let made = make(module, own, lock, mirrors, network)?;
            if made.sha256 == wanted.sha256 {
                return network.get_one(wanted.clone());
            }
            return Err(Failure::new(
                Class::Trust,
                format!(
                    "`{}` was built, and is not the one in `pimg.lock`: expected sha256 {}, got {}",
                    module.file, wanted.sha256, made.sha256
                ),
            )
            .hint(format!("take the one from here: `pimg lock --update {}`", module.name)));
        }
    };
    let failure = failure.context(format!("cannot get the module `{}`", module.name));
    if builds {
        return Err(failure);
    }
    Err(failure.hint(format!(
        "it was built on Linux of {}: build it there with `pimg module build --url URL`, put the file to that address, and take the new `pimg.lock`",
        module.machine
    )))
}

/// The packages of modules as a node installs them.
///
/// # Errors
/// One cannot be taken apart.
pub(in super::super) fn local_modules(
    obtained: Vec<(Wanted, ModuleFile)>,
) -> Result<Vec<LocalPackage>, Failure> {
    let local = |(_, ModuleFile { module, path }): (Wanted, ModuleFile)| {
        Ok(LocalPackage {
            control: control_text(&module.file, &path)?,
            name: module.name,
            version: module.version,
            architecture: Machine::TARGET.architecture.to_owned(),
            size: module.size,
            sha256: module.sha256,
            file: path,
        })
    };
    obtained.into_iter().map(local).collect()
}
