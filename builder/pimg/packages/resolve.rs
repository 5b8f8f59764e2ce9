//! A set of packages that fits, out of what the sources have today.

use std::collections::BTreeMap;

use pimg_deb::index::{self, Entry};
use pimg_deb::pattern::Pattern;
use pimg_deb::solve::{self, Request, Solution, Universe};

use super::error::PackagesError;
use super::guard;
use super::network::Network;
use super::options::Update;
use super::snapshots::{Index, read_indexes, snapshots};
use super::vanished::vanished;
use super::wishes::Wishes;
use crate::failure::Failure;
use crate::guest::base_files::BaseFiles;
use crate::lock::lockfile::{LockedKeyring, LockedPackage, LockedRepository, LockedSet, Lockfile};
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;
use crate::profile::host::Mirror;

/// A set of packages, and what it was chosen from.
pub(super) struct Resolved {
    pub(super) set: LockedSet,
    pub(super) repositories: Vec<LockedRepository>,
    pub(super) keyrings: Vec<LockedKeyring>,
}

/// What a set is resolved for.
pub(super) struct Task<'a> {
    pub(super) wishes: &'a Wishes,
    /// Redirections of the profile.
    pub(super) mirrors: &'a BTreeMap<String, Mirror>,
    pub(super) base: &'a dyn BaseFiles,
    /// SHA-256 of the raw base image.
    pub(super) base_sha256: String,
    pub(super) lock: Option<&'a Lockfile>,
    pub(super) update: &'a Update,
}

impl Task<'_> {
    /// The set that the lock has for this profile.
    pub(super) fn locked_set(&self) -> Option<&LockedSet> {
        self.lock.and_then(|lock| lock.set_for(&self.wishes.profile))
    }

    /// The locked packages that may not move.
    fn kept(&self) -> Vec<&LockedPackage> {
        let keeps = |name: &str| match self.update {
            Update::Packages => false,
            Update::One(moved) => moved != name,
            Update::Locked | Update::Keep | Update::Base => true,
        };
        let locked = self.locked_set().map(|set| set.package.as_slice()).unwrap_or_default();
        locked.iter().filter(|package| keeps(&package.name)).collect()
    }

    /// The foreign architectures that matter: of those that dpkg knows, each that an installed package has or that
    /// somebody asks for. Raspberry Pi OS knows armhf, and few use it; its indexes are as long as the native ones.
    pub(super) fn foreign(&self) -> Result<Vec<String>, Failure> {
        let text = read_base(self.base, "/var/lib/dpkg/arch")?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let status = read_base(self.base, "/var/lib/dpkg/status")?;
        let status = index::entries(&status).map_err(damaged_status)?;
        let asked = |architecture: &str| {
            let suffix = format!(":{architecture}");
            self.wishes
                .install
                .iter()
                .any(|wish| wish.split(['=', '/']).next().unwrap_or("").ends_with(&suffix))
        };
        let known = text.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "arm64");
        let used = known.filter(|known| {
            asked(known) || status.iter().any(|entry| entry.architecture == *known && is_installed(entry))
        });
        Ok(used.map(str::to_owned).collect())
    }
}

/// Reads what the sources have, and chooses.
///
/// # Errors
/// A source cannot be read or trusted, or no set fits.
pub(super) fn resolve(task: &Task<'_>, network: &Network<'_>) -> Result<Resolved, Failure> {
    let mut set = LockedSet {
        profiles: vec![task.wishes.profile.clone()],
        base: task.base_sha256.clone(),
        request: task.wishes.request(),
        ..LockedSet::default()
    };
    if task.wishes.no_packages() {
        return Ok(Resolved { set, repositories: Vec::new(), keyrings: Vec::new() });
    }
    let (suites, keyrings) = snapshots(task, &task.foreign()?, network)?;
    let reporter = network.context.reporter;
    let bar = reporter.begin("resolving packages", None);
    let status = read_base(task.base, "/var/lib/dpkg/status")?;
    let mut indexes = read_indexes(&suites)?;
    indexes.extend(vanished(&task.kept(), &suites, &indexes, network)?);
    let mut universe = Universe::new("arm64", &task.foreign()?);
    universe.add_installed(index::entries(&status).map_err(damaged_status)?);
    for index in &indexes {
        universe.add_index(index.archive(), index.entries()?);
    }
    let asked = request(task);
    let mut with_headers = asked.clone();
    let mut solution = solve(&universe, &asked, task)?;
    // what is built on the node needs the headers of the kernel that will run there
    with_headers.install.extend(guard::missing_headers(&solution, task.base)?);
    if with_headers.install.len() > asked.install.len() {
        solution = solve::solve(&universe, &with_headers)
            .map_err(|why| guard::no_headers(&with_headers.install, &asked.install, &why))?;
    }
    guard::no_foreign_kernel(&solution, task.wishes)?;
    set.package = solution.packages.iter().map(|chosen| locked_package(chosen, &indexes)).collect();
    for package in &mut set.package {
        let only_now = |list: &[String]| list.contains(&package.name);
        if only_now(&with_headers.install) && !only_now(&asked.install) {
            "headers of the image's kernel, for building modules".clone_into(&mut package.reason);
        }
    }
    set.package.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
    set.remove = solution.removed.iter().map(|removed| removed.name.to_string()).collect();
    set.manual = manual(&solution, &asked);
    set.hold = held(&status, &task.wishes.hold).map_err(damaged_status)?;
    let mut repositories: Vec<LockedRepository> =
        suites.iter().map(|suite| suite.repository.clone()).collect();
    repositories.sort_by(|a, b| a.name.cmp(&b.name));
    let size: u64 = set.package.iter().map(|package| package.size).sum();
    reporter.finish(bar, &format!("{} packages, {} MiB", set.package.len(), size.div_ceil(1 << 20)));
    for kept in &solution.kept_back {
        reporter.notice(&format!(
            "`{}` stays at {}: {} does not fit the rest",
            kept.name, kept.installed, kept.candidate
        ));
    }
    Ok(Resolved { set, repositories, keyrings })
}

fn solve<'u>(
    universe: &'u Universe<'_>,
    request: &'u Request,
    task: &Task<'_>,
) -> Result<Solution<'u>, PackagesError> {
    solve::solve(universe, request)
        .map_err(|why| PackagesError::NoSolution { profile: task.wishes.profile.clone(), why: Box::new(why) })
}

fn request(task: &Task<'_>) -> Request {
    let wishes = task.wishes;
    let kept = task.kept();
    let prefer = kept.iter().map(|one| ((one.name.clone(), one.architecture.clone()), one.version.clone()));
    Request {
        install: wishes.install.clone(),
        remove: wishes.remove.clone(),
        hold: wishes.hold.clone(),
        upgrade: wishes.upgrade,
        recommends: wishes.recommends,
        prefer: prefer.collect(),
        pins: wishes.pins.clone(),
    }
}

fn locked_package(chosen: &solve::Chosen<'_>, indexes: &[Index<'_>]) -> LockedPackage {
    locked_entry(chosen.entry, indexes.get(chosen.archive), chosen.reason.to_string())
}

/// A package of an index as the lock names it.
pub(super) fn locked_entry(entry: &Entry<'_>, index: Option<&Index<'_>>, reason: String) -> LockedPackage {
    let repository = index.map(|index| index.suite.repository.name.clone());
    LockedPackage {
        name: entry.package.to_owned(),
        version: entry.version.to_owned(),
        architecture: entry.architecture.to_owned(),
        repository: repository.unwrap_or_default(),
        file: entry.filename.trim_start_matches("./").to_owned(),
        size: entry.size,
        sha256: entry.sha256.to_owned(),
        reason,
    }
}

/// What apt is to know as installed by hand, out of what is installed anew.
fn manual(solution: &Solution<'_>, request: &Request) -> Vec<String> {
    let asked = |name: &str| {
        request.install.iter().any(|wish| {
            let wish = wish.split(['=', '/']).next().unwrap_or_default();
            wish.split(':').next() == Some(name)
        })
    };
    let names = solution.packages.iter().map(|chosen| chosen.entry.package);
    let mut manual: Vec<String> = names.filter(|name| asked(name)).map(str::to_owned).collect();
    manual.sort();
    manual
}

/// The installed packages that a pattern holds, by name.
fn held(status: &[u8], patterns: &[String]) -> Result<Vec<String>, pimg_deb::Error> {
    let installed = index::entries(status)?;
    let patterns = patterns.iter().map(|pattern| Pattern::parse(pattern)).collect::<Vec<_>>();
    let matches = |name: &str| patterns.iter().flatten().any(|pattern| pattern.matches(name));
    let installed = installed.iter().filter(|entry| is_installed(entry));
    let mut held: Vec<String> =
        installed.map(|entry| entry.package).filter(|name| matches(name)).map(str::to_owned).collect();
    held.sort();
    held.dedup();
    Ok(held)
}

fn is_installed(entry: &Entry<'_>) -> bool {
    entry.status.ends_with(" installed")
}

fn damaged_status(source: pimg_deb::Error) -> PackagesError {
    PackagesError::BaseFile { path: "/var/lib/dpkg/status".to_owned(), source }
}

fn read_base(base: &dyn BaseFiles, path: &str) -> Result<Vec<u8>, Failure> {
    let path = GuestPath::new(path).map_err(PackagesError::Path)?;
    Ok(base.read(Partition::Root, &path).map_err(PackagesError::from)?.unwrap_or_default())
}
