//! Makes the lock fit what the hosts ask for, changing no more of it than was allowed.

use std::collections::BTreeSet;

use pimg_fetch::Wanted;
use pimg_fetch::digest::Sha256Digest;

use super::error::PackagesError;
use super::guard;
use super::network::Network;
use super::obtain::wanted_package;
use super::options::Update;
use super::prebuilt::{self, Settlement};
use super::resolve::{Task, resolve};
use super::wishes::Wishes;
use crate::failure::{Class, Failure};
use crate::guest::base_files::BaseFiles;
use crate::host::files;
use crate::lock::LockError;
use crate::lock::lockfile::{LockedBase, LockedDownload, LockedPackage, LockedSet, Lockfile};
use crate::overlay::Download;
use crate::profile::host::HostSpec;

/// Longest `.deb` that is looked into, in bytes.
const LONGEST_DEB: u64 = 1 << 30;

/// A host that the lock is to fit.
pub struct Settling<'a> {
    /// The host.
    pub host: &'a HostSpec,
    /// What it asks for.
    pub wishes: Wishes,
    /// Its base image.
    pub base: &'a dyn BaseFiles,
    /// What the lock says about that.
    pub locked_base: LockedBase,
}

/// A lock that fits.
pub struct Settled {
    /// The lock.
    pub lock: Lockfile,
    /// Whether it says something else than before.
    pub changed: bool,
}

/// Makes the lock fit.
///
/// # Errors
/// It does not fit and may not change, or nothing that fits can be had.
pub fn settle(
    hosts: &[Settling<'_>],
    before: Option<&Lockfile>,
    update: &Update,
    network: &Network<'_>,
) -> Result<Settled, Failure> {
    if let Update::One(name) = update {
        require_known(name, hosts, before)?;
    }
    let mut lock = before.cloned().unwrap_or_default();
    let mut resolved: Vec<LockedSet> = Vec::new();
    let mut modules = Vec::new();
    for host in hosts {
        let set = settle_host(host, before, &resolved, update, &mut lock, network)?;
        let mut settlement = Settlement { before, update, settled: &mut modules };
        settlement.settle(host, &set, &mut lock, network)?;
        resolved.retain(|other| (&other.base, &other.request) != (&set.base, &set.request));
        resolved.push(set);
    }
    assemble(&mut lock, hosts, resolved);
    let ours: Vec<&str> = hosts.iter().map(|host| host.host.profile.as_str()).collect();
    prebuilt::assemble(&mut lock, &ours, modules);
    Ok(Settled { changed: before != Some(&lock), lock })
}

/// The set of one host: the lock's, one that was just resolved for another host, or a new one.
fn settle_host(
    settling: &Settling<'_>,
    before: Option<&Lockfile>,
    resolved: &[LockedSet],
    update: &Update,
    lock: &mut Lockfile,
    network: &Network<'_>,
) -> Result<LockedSet, Failure> {
    let (host, wishes) = (settling.host, &settling.wishes);
    settle_downloads(settling, before, update, lock, network)?;
    let fits =
        |set: &&LockedSet| set.base == settling.locked_base.raw_sha256 && set.request == wishes.request();
    let with_this_host = |set: &LockedSet| {
        let mut set = set.clone();
        if !set.profiles.contains(&host.profile) {
            set.profiles.push(host.profile.clone());
            set.profiles.sort();
        }
        set
    };
    if let Some(set) = resolved.iter().find(fits) {
        return Ok(with_this_host(set));
    }
    let locked =
        before.into_iter().flat_map(|lock| &lock.set).filter(|set| set.profiles.contains(&host.profile));
    match locked.clone().find(fits) {
        Some(set) if !update.moves_packages() => return Ok(set.clone()),
        None if *update == Update::Locked && !wishes.no_packages() => {
            let why = match locked.clone().next() {
                None => "the lock has no packages for it",
                Some(set) if set.base != settling.locked_base.raw_sha256 => "its base image is another one",
                Some(_) => "its packages, sources or pins changed",
            };
            return Err(
                LockError::DoesNotFit { profile: host.profile.clone(), why: vec![why.to_owned()] }.into()
            );
        }
        _ => {}
    }
    let task = Task {
        wishes,
        mirrors: &host.mirrors,
        base: settling.base,
        base_sha256: settling.locked_base.raw_sha256.clone(),
        lock: before,
        update,
    };
    let found = resolve(&task, network).map_err(|failure| {
        failure.context(format!("cannot resolve the packages of profile `{}`", host.profile))
    })?;
    for repository in found.repositories {
        lock.repository.retain(|other| other.name != repository.name);
        lock.repository.push(repository);
    }
    for keyring in found.keyrings {
        lock.keyring.retain(|other| other.name != keyring.name);
        lock.keyring.push(keyring);
    }
    if let Some(zfs) = found.set.package.iter().find(|package| package.name == "zfs-dkms") {
        check_zfs(zfs, settling, lock, network)?;
    }
    Ok(found.set)
}

/// The module is built on the node; whether that can work is known as soon as its package is here.
fn check_zfs(
    zfs: &LockedPackage,
    settling: &Settling<'_>,
    lock: &Lockfile,
    network: &Network<'_>,
) -> Result<(), Failure> {
    let wanted = wanted_package(zfs, lock, &settling.host.mirrors, network)?;
    let path = network.get_one(wanted)?;
    let bytes = files::read_optional(&path, LONGEST_DEB)?.unwrap_or_default();
    Ok(guard::zfs_builds(&zfs.version, &bytes, settling.base)?)
}

fn settle_downloads(
    settling: &Settling<'_>,
    before: Option<&Lockfile>,
    update: &Update,
    lock: &mut Lockfile,
    network: &Network<'_>,
) -> Result<(), Failure> {
    for download in &settling.wishes.downloads {
        let known = before.into_iter().flat_map(|lock| &lock.download).find(|locked| {
            locked.name == download.name
                && locked.url == download.url
                && download.sha256.as_ref().is_none_or(|pin| *pin == locked.sha256)
        });
        let moves = match update {
            Update::Packages => true,
            Update::One(name) => *name == download.name,
            Update::Locked | Update::Keep | Update::Base => false,
        };
        let locked = match known {
            Some(known) if !moves => known.clone(),
            None if *update == Update::Locked => {
                let why = format!("it has no download `{}` from `{}`", download.name, download.url);
                return Err(
                    LockError::DoesNotFit { profile: settling.host.profile.clone(), why: vec![why] }.into()
                );
            }
            _ => see(download, settling.host, network)?,
        };
        lock.download.retain(|other| other.name != locked.name);
        lock.download.push(locked);
    }
    Ok(())
}

/// Gets a download and notes its digest.
fn see(download: &Download, host: &HostSpec, network: &Network<'_>) -> Result<LockedDownload, Failure> {
    let mirror = network.mirror(&download.name, &host.mirrors);
    let location = mirror.map_or_else(|| download.url.clone(), |mirror| mirror.url.clone());
    let (sha256, size) = match &download.sha256 {
        Some(pin) => {
            let sha256: Sha256Digest = pin.parse().map_err(|error| {
                Failure::caused_by(
                    Class::Profile,
                    format!("the digest of download `{}`", download.name),
                    error,
                )
            })?;
            let wanted =
                Wanted { name: download.name.clone(), locations: vec![location], sha256, size: None };
            (sha256, files::length(&network.get_one(wanted)?)?)
        }
        None => {
            let (sha256, size, _) = network.first_sight(&location)?;
            (sha256, size)
        }
    };
    Ok(LockedDownload {
        name: download.name.clone(),
        url: download.url.clone(),
        sha256: sha256.to_string(),
        size,
    })
}

/// The whole lock: what these hosts need, and what others that were not asked about have.
fn assemble(lock: &mut Lockfile, hosts: &[Settling<'_>], resolved: Vec<LockedSet>) {
    let ours: BTreeSet<&str> = hosts.iter().map(|host| host.host.profile.as_str()).collect();
    for set in &mut lock.set {
        set.profiles.retain(|profile| !ours.contains(profile.as_str()));
    }
    lock.set.retain(|set| !set.profiles.is_empty());
    for mut set in resolved {
        set.profiles.retain(|profile| ours.contains(profile.as_str()));
        match lock.set.iter_mut().find(|other| {
            (&other.base, &other.request, &other.package) == (&set.base, &set.request, &set.package)
        }) {
            Some(same) => {
                same.profiles.extend(set.profiles);
                same.profiles.sort();
                same.profiles.dedup();
            }
            None => lock.set.push(set),
        }
    }
    for host in hosts {
        let new = &host.locked_base;
        lock.base.retain(|base| base.raw_sha256 != new.raw_sha256 && base.url != new.url);
        lock.base.push(host.locked_base.clone());
    }
    let named: BTreeSet<String> = lock.base.iter().map(|base| base.raw_sha256.clone()).collect();
    lock.set.retain(|set| named.contains(&set.base));
    let bases: BTreeSet<String> = lock.set.iter().map(|set| set.base.clone()).collect();
    lock.base.retain(|base| bases.contains(&base.raw_sha256));
    if lock.set.iter().all(|set| set.profiles.iter().all(|profile| ours.contains(profile.as_str()))) {
        drop_unused(lock, hosts);
    }
}

/// Leaves out what no host asks for any more; only where all hosts of the lock are at hand.
fn drop_unused(lock: &mut Lockfile, hosts: &[Settling<'_>]) {
    let sources = hosts.iter().flat_map(|host| &host.wishes.sources);
    let sources: BTreeSet<&str> = sources.map(|source| source.name.as_str()).collect();
    let of_source = |name: &str| sources.contains(name.split('/').next().unwrap_or_default());
    lock.repository.retain(|repository| of_source(&repository.name));
    lock.keyring.retain(|keyring| sources.contains(keyring.name.as_str()));
    let downloads = hosts.iter().flat_map(|host| &host.wishes.downloads);
    let downloads: BTreeSet<(&str, &str)> =
        downloads.map(|one| (one.name.as_str(), one.url.as_str())).collect();
    lock.download.retain(|one| downloads.contains(&(one.name.as_str(), one.url.as_str())));
}

fn require_known(name: &str, hosts: &[Settling<'_>], before: Option<&Lockfile>) -> Result<(), PackagesError> {
    let in_lock = before.into_iter().any(|lock| {
        let mut packages = lock.set.iter().flat_map(|set| &set.package);
        packages.any(|package| package.name == name)
            || lock.download.iter().any(|one| one.name == name)
            || lock.module.iter().any(|one| one.name == name)
    });
    let wished = hosts.iter().any(|host| host.wishes.downloads.iter().any(|one| one.name == name));
    if in_lock || wished { Ok(()) } else { Err(PackagesError::NothingToUpdate { name: name.to_owned() }) }
}
