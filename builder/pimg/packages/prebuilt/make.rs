//! The package of a module from the cache of what was built, or built now.
//!
//! The cache has each under a digest of everything that it is built of, `module-v1/KEY`; a package appears there whole.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use pimg_deb::{deb822, package::Package};
use pimg_fetch::Bucket;
use pimg_fetch::digest::Sha256Digest;

use super::super::error::PackagesError;
use super::super::network::Network;
use super::super::obtain::wanted_package;
use super::resolve::{SOURCE, headers_of, names};
use crate::failure::{Class, Failure};
use crate::host::layers::LayerFiles;
use crate::host::{HostError, files};
use crate::lock::lockfile::{LockedModule, Lockfile};
use crate::module::{self, KernelModule, Machine, ModuleError, Recipe, accept_package};
use crate::profile::host::Mirror;

/// Longest package of a module that is read, in bytes.
const LONGEST: u64 = 1 << 30;

const BUCKET: &str = "module-v1";

/// Raised when the same packages are to give another module.
const RECIPE: u32 = 1;

/// A package that is in the cache now, by its digest.
pub(super) struct Made {
    pub(super) sha256: Sha256Digest,
    pub(super) size: u64,
}

/// The package, built if it was not before.
///
/// # Errors
/// A package that it is built of cannot be had, the build fails, or what came out does not fit the kernel.
pub(super) fn make(
    module: &LockedModule,
    own: Option<KernelModule>,
    lock: &Lockfile,
    mirrors: &BTreeMap<String, Mirror>,
    network: &Network<'_>,
) -> Result<Made, Failure> {
    let kept = LayerFiles::open_bucket(network.derived_dir(), BUCKET)?;
    let key = key(module);
    let stop = || network.reporter().interrupted();
    let Some(_lock) = kept.lock(&key, &stop)? else { return Err(Failure::interrupted()) };
    let bytes = match cached(&kept, &key, module, own.as_ref(), network)? {
        Some(bytes) => bytes,
        None => {
            module::require_namespaces(&stop)?;
            let recipe = recipe(module, own, lock, mirrors, network)?;
            let bytes = module::build(&recipe, kept.directory(), network.reporter())?;
            let mut file = kept.unfinished()?;
            file.write_all(&bytes).map_err(HostError::file("write", file.path()))?;
            kept.publish(&key, file)?;
            bytes
        }
    };
    let sha256 = Sha256Digest::of(&bytes);
    network.cache().insert(Bucket::Blob, sha256, bytes.as_slice())?;
    Ok(Made { sha256, size: u64::try_from(bytes.len()).unwrap_or(u64::MAX) })
}

/// Everything that the bytes of the package follow from.
fn key(module: &LockedModule) -> String {
    let LockedModule { kernel, kernel_version, zfs, compiler, machine, .. } = module;
    let mut text = format!("{RECIPE}\n{kernel}\n{kernel_version}\n{zfs}\n{compiler}\n{machine}\n");
    let mut digests: Vec<&str> = module.package.iter().map(|package| package.sha256.as_str()).collect();
    digests.sort_unstable();
    for digest in digests {
        let _ = writeln!(text, "{digest}");
    }
    Sha256Digest::of(text.as_bytes()).to_string()
}

/// What was built before. One that is damaged, or does not fit after all, is forgotten.
fn cached(
    kept: &LayerFiles,
    key: &str,
    module: &LockedModule,
    own: Option<&KernelModule>,
    network: &Network<'_>,
) -> Result<Option<Vec<u8>>, Failure> {
    let Some(file) = kept.get(key)? else { return Ok(None) };
    let bytes = files::read_optional(file.device.path(), LONGEST)?.unwrap_or_default();
    match accept_package(&module.file, &bytes, &module.kernel, own) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) => {
            kept.forget(key)?;
            let text = format!("the module in the cache is damaged and is built again: {error}");
            network.reporter().notice(&text);
            Ok(None)
        }
    }
}

/// What the packages of the lock are for.
fn recipe<'m>(
    module: &'m LockedModule,
    own: Option<KernelModule>,
    lock: &Lockfile,
    mirrors: &BTreeMap<String, Mirror>,
    network: &Network<'_>,
) -> Result<Recipe<'m>, Failure> {
    let machine = Machine::host().filter(|machine| machine.architecture == module.machine);
    let machine = machine.ok_or(ModuleError::NotLinux)?;
    let wanted = module.package.iter().map(|package| wanted_package(package, lock, mirrors, network));
    let paths = network.get("compiler and sources", &wanted.collect::<Result<Vec<_>, _>>()?)?;
    let (mut source, mut headers, mut tools) = (None, None, Vec::new());
    let own_headers = headers_of(&module.kernel);
    for (package, path) in module.package.iter().zip(paths) {
        match package.name.as_str() {
            SOURCE => source = Some(path),
            name if name == own_headers => headers = Some(path),
            _ => tools.push(path),
        }
    }
    let missing = |name: &str| {
        let text = format!("the module `{}` in `pimg.lock` is built of no `{name}`", module.name);
        Failure::new(Class::Lock, text).hint("`pimg lock --update packages` makes it anew")
    };
    let (source, headers) =
        (source.ok_or_else(|| missing(SOURCE))?, headers.ok_or_else(|| missing(&own_headers))?);
    let named = |prefix: &str| {
        let mut names = module.package.iter().map(|package| package.name.as_str());
        names.find(|name| name.starts_with(prefix) && *name != own_headers).ok_or_else(|| missing(prefix))
    };
    let (common, kbuild) = (named("linux-headers-")?, named("linux-kbuild-")?);
    let asked = asked_kbuild(&headers, &own_headers)?.unwrap_or_else(|| kbuild.to_owned());
    let compiler = module.compiler.split(' ').next().unwrap_or_default();
    Ok(Recipe {
        kernel: &module.kernel,
        kernel_version: &module.kernel_version,
        zfs: &module.zfs,
        compiler,
        machine,
        source,
        headers,
        common,
        tools,
        kbuild: (asked, kbuild),
        own,
    })
}

/// The programs of kbuild that headers ask for.
fn asked_kbuild(headers: &std::path::Path, name: &str) -> Result<Option<String>, Failure> {
    let bytes = files::read_optional(headers, LONGEST)?.unwrap_or_default();
    let damaged = |source| PackagesError::Package { name: name.to_owned(), source };
    let control = Package::open(&bytes).and_then(|deb| deb.control_text()).map_err(damaged)?;
    let stanzas = deb822::parse(control.as_bytes(), deb822::Comments::Refused).unwrap_or_default();
    let depends = stanzas.first().and_then(|stanza| stanza.get("Depends")).unwrap_or_default();
    let found = names(depends).into_iter().find(|name| name.starts_with("linux-kbuild-"));
    Ok(found.map(str::to_owned))
}
