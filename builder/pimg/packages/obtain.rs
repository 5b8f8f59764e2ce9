//! The files that a lock names, on this machine, and what they become in an image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pimg_deb::package::Package;
use pimg_deb::{deb822, index};
use pimg_fetch::Wanted;
use pimg_fetch::digest::Sha256Digest;

use super::error::PackagesError;
use super::network::Network;
use super::prebuilt::{ModuleFile, local_modules, obtain_modules};
use super::wishes::Wishes;
use crate::failure::{Class, Failure};
use crate::guest::base_files::BaseFiles;
use crate::guest::packages::{LocalPackage, PackageSet};
use crate::host::files;
use crate::lock::LockError;
use crate::lock::lockfile::{LockedDownload, LockedKeyring, LockedPackage, LockedSet, Lockfile};
use crate::overlay;
use crate::plan::change::{Action, Change, Content, Origin, Partition};
use crate::plan::path::GuestPath;
use crate::profile::host::{HostSpec, Mirror};

/// Longest file that is taken apart, in bytes.
const LONGEST_FILE: u64 = 4 << 30;

/// What is read of a package to find its control file there, in bytes.
const HEAD: u64 = 128 << 10;

/// What a module that is built on the node needs beside what its package takes: objects and the module itself,
/// once per kernel, in bytes.
const SPACE_TO_BUILD: u64 = 512 << 20;

/// What a host's packages and downloads become.
#[derive(Debug, Default)]
pub struct Obtained {
    /// What the node installs.
    pub packages: PackageSet,
    /// The downloads, as the lock names them.
    pub downloads: Vec<LockedDownload>,
    /// What they put into the image.
    pub changes: Vec<Change>,
    /// Keyrings of the overlays' sources, by the name of the source.
    pub keyrings: BTreeMap<String, Vec<u8>>,
    /// Those of the answers to debconf that depend on the host.
    pub own_answers: Vec<String>,
    /// How much more the root file system holds when everything is installed, in bytes.
    pub growth: u64,
}

/// Gets everything that the lock names for these profiles, many files at a time.
///
/// # Errors
/// Something cannot be had, or is not what the lock names.
pub fn fetch_all(
    hosts: &[(&HostSpec, &Wishes)],
    lock: &Lockfile,
    network: &Network<'_>,
) -> Result<Vec<Wanted>, Failure> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for (host, wishes) in hosts {
        for package in lock.set_for(&host.profile).into_iter().flat_map(|set| &set.package) {
            wanted.push(wanted_package(package, lock, &host.mirrors, network)?);
        }
        wanted
            .extend(wanted_downloads(wishes, lock, &host.mirrors, network)?.into_iter().map(|(_, one)| one));
        wanted.extend(wanted_keyrings(wishes, lock)?.into_iter().map(|(_, one)| one));
        let modules = obtain_modules(&host.profile, lock, &host.mirrors, None, network)?;
        wanted.extend(modules.into_iter().map(|(one, _)| one));
    }
    wanted.sort_by(|a, b| (a.sha256, &a.name).cmp(&(b.sha256, &b.name)));
    wanted.dedup_by(|a, b| a.sha256 == b.sha256);
    network.get("packages", &wanted)?;
    Ok(wanted)
}

/// Gets the packages of the modules that were built ahead for a host.
///
/// # Errors
/// One cannot be had, or does not fit the image.
pub fn fetch_modules(
    host: &HostSpec,
    lock: &Lockfile,
    base: &dyn BaseFiles,
    network: &Network<'_>,
) -> Result<Vec<ModuleFile>, Failure> {
    let modules = obtain_modules(&host.profile, lock, &host.mirrors, Some(base), network)?;
    Ok(modules.into_iter().map(|(_, module)| module).collect())
}

/// What of the lock one host uses, as it goes into its image.
///
/// # Errors
/// Something cannot be had, or cannot be taken apart.
pub fn obtain(
    host: &HostSpec,
    wishes: &Wishes,
    lock: &Lockfile,
    base: &dyn BaseFiles,
    network: &Network<'_>,
) -> Result<Obtained, Failure> {
    let empty = LockedSet::default();
    let set = lock.set_for(&host.profile).unwrap_or(&empty);
    let wanted = set.package.iter().map(|one| wanted_package(one, lock, &host.mirrors, network));
    let paths = network.get("packages", &wanted.collect::<Result<Vec<_>, _>>()?)?;
    let mut install = Vec::new();
    let mut installed = 0_u64;
    let modules = obtain_modules(&host.profile, lock, &host.mirrors, Some(base), network)?;
    let packages = set.package.iter().zip(paths).map(|(package, file)| local(package, file));
    let packages = packages.collect::<Result<Vec<_>, _>>()?;
    for local in packages.into_iter().chain(local_modules(modules)?) {
        installed += installed_size(&local.control);
        install.push(local);
    }
    let building = if install.iter().any(|one| one.name.ends_with("-dkms")) { SPACE_TO_BUILD } else { 0 };
    let growth = (installed + building).saturating_sub(replaced(&install, base)?);
    let mut changes = Vec::new();
    for (download, wanted) in wanted_downloads(wishes, lock, &host.mirrors, network)? {
        let sha256 = wanted.sha256;
        changes.extend(placed(download, network.get_one(wanted)?, sha256)?);
    }
    let mut keyrings = BTreeMap::new();
    for (name, wanted) in wanted_keyrings(wishes, lock)? {
        let path = network.get_one(wanted)?;
        keyrings.insert(name, files::read_optional(&path, LONGEST_FILE)?.unwrap_or_default());
    }
    let packages = PackageSet {
        install,
        remove: set.remove.clone(),
        hold: set.hold.clone(),
        manual: manual(set, lock, host),
        preseeds: wishes.preseeds.clone(),
        keep: wishes.keep,
    };
    let named = |one: &&LockedDownload| wishes.downloads.iter().any(|download| download.name == one.name);
    let downloads = lock.download.iter().filter(named).cloned().collect();
    let own_answers = wishes.own_answers.clone();
    Ok(Obtained { packages, downloads, changes, keyrings, own_answers, growth })
}

/// What apt is to know as installed by hand: what was asked for, and modules, which nothing depends on.
fn manual(set: &LockedSet, lock: &Lockfile, host: &HostSpec) -> Vec<String> {
    let modules = lock.modules_for(&host.profile).map(|module| module.name.clone());
    set.manual.iter().cloned().chain(modules).collect()
}

/// Where the file of a package is to be had.
pub(super) fn wanted_package(
    package: &LockedPackage,
    lock: &Lockfile,
    mirrors: &BTreeMap<String, Mirror>,
    network: &Network<'_>,
) -> Result<Wanted, Failure> {
    let source = package.repository.split('/').next().unwrap_or_default();
    let locked = lock.repository.iter().find(|one| one.name == package.repository);
    let uri = network.mirror(source, mirrors).map(|mirror| mirror.url.as_str());
    let uri = uri.or(locked.map(|one| one.uri.as_str())).unwrap_or_default();
    let name = package.file.rsplit('/').next().unwrap_or_default().to_owned();
    let location = format!("{}/{}", uri.trim_end_matches('/'), package.file);
    Ok(Wanted { name, locations: vec![location], sha256: digest(&package.sha256)?, size: Some(package.size) })
}

fn wanted_downloads<'w>(
    wishes: &'w Wishes,
    lock: &Lockfile,
    mirrors: &BTreeMap<String, Mirror>,
    network: &Network<'_>,
) -> Result<Vec<(&'w overlay::Download, Wanted)>, Failure> {
    let mut wanted = Vec::new();
    for download in &wishes.downloads {
        let same = |one: &&LockedDownload| one.name == download.name && one.url == download.url;
        let locked = lock.download.iter().find(same).ok_or_else(|| LockError::DoesNotFit {
            profile: wishes.profile.clone(),
            why: vec![format!("it has no download `{}` from `{}`", download.name, download.url)],
        })?;
        let mirror = network.mirror(&download.name, mirrors);
        let location = mirror.map_or_else(|| locked.url.clone(), |mirror| mirror.url.clone());
        let sha256 = digest(&locked.sha256)?;
        let name = download.name.clone();
        wanted.push((download, Wanted { name, locations: vec![location], sha256, size: Some(locked.size) }));
    }
    Ok(wanted)
}

fn wanted_keyrings(wishes: &Wishes, lock: &Lockfile) -> Result<Vec<(String, Wanted)>, Failure> {
    let mut wanted = Vec::new();
    if wishes.no_packages() {
        return Ok(wanted);
    }
    for source in &wishes.sources {
        // a keyring that the operator named is that of a mirror for building: the node goes to the source itself, and
        // must not trust the mirror's key for it
        let own = |one: &&LockedKeyring| one.name == source.name && one.url.contains("://");
        let Some(locked) = lock.keyring.iter().find(own) else { continue };
        let locations = vec![locked.url.clone()];
        let name = format!("key of {}", source.name);
        let sha256 = digest(&locked.sha256)?;
        wanted.push((source.name.clone(), Wanted { name, locations, sha256, size: Some(locked.size) }));
    }
    Ok(wanted)
}

/// What a download puts into the image. A file of its own is not read before it is written there.
fn placed(download: &overlay::Download, path: PathBuf, sha256: Sha256Digest) -> Result<Vec<Change>, Failure> {
    let overlay::Place::File { path: place, ownership } = &download.place else {
        let bytes = files::read_optional(&path, LONGEST_FILE)?.unwrap_or_default();
        return Ok(overlay::unpack(download, &bytes)?);
    };
    let origin =
        Origin::Overlay { overlay: download.overlay.clone(), file: format!("download {}", download.name) };
    let (len, sha256) = (files::length(&path)?, sha256.to_string());
    let action = Action::PutFile { content: Content::HostFile { path, len, sha256 }, ownership: *ownership };
    Ok(vec![Change::root(place.clone(), action, origin).shared()])
}

pub(super) fn digest(text: &str) -> Result<Sha256Digest, Failure> {
    text.parse()
        .map_err(|error| Failure::caused_by(Class::Lock, "`pimg.lock` has a digest that is none", error))
}

/// The control file inside the file of a package.
pub(super) fn control_of(package: &LockedPackage, file: &Path) -> Result<String, Failure> {
    control_text(&package.file, file)
}

/// The control file inside of a package that is called `name`.
pub(super) fn control_text(name: &str, file: &Path) -> Result<String, Failure> {
    // it is near the start of files of a hundred MiB
    let head = files::read_head(file, HEAD)?;
    let text = Package::open_head(&head, files::length(file)?).and_then(|deb| deb.control_text());
    if let Ok(text) = text {
        return Ok(text);
    }
    let bytes = files::read_optional(file, LONGEST_FILE)?.unwrap_or_default();
    let damaged = |source| PackagesError::Package { name: name.to_owned(), source };
    Ok(Package::open(&bytes).and_then(|deb| deb.control_text()).map_err(damaged)?)
}

fn local(package: &LockedPackage, file: PathBuf) -> Result<LocalPackage, Failure> {
    let control = control_of(package, &file)?;
    Ok(LocalPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        size: package.size,
        sha256: package.sha256.clone(),
        file,
        control,
    })
}

/// What a package says it takes on the disk, in bytes.
fn installed_size(control: &str) -> u64 {
    let stanzas = deb822::parse(control.as_bytes(), deb822::Comments::Refused).unwrap_or_default();
    let size = stanzas.first().and_then(|stanza| stanza.get("Installed-Size"));
    size.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0).saturating_mul(1024)
}

/// What the installed versions of these packages take, in bytes.
fn replaced(install: &[LocalPackage], base: &dyn BaseFiles) -> Result<u64, Failure> {
    let path = GuestPath::new("/var/lib/dpkg/status").map_err(PackagesError::Path)?;
    let status = base.read(Partition::Root, &path).map_err(PackagesError::from)?.unwrap_or_default();
    let entries = index::entries(&status)
        .map_err(|source| PackagesError::BaseFile { path: path.to_string(), source })?;
    let replaced = entries.iter().filter(|entry| {
        install.iter().any(|new| new.name == entry.package && new.architecture == entry.architecture)
    });
    Ok(replaced.map(|entry| entry.installed_size.saturating_mul(1024)).sum())
}
