//! What an image has in place of a repository where its packages were installed when it was built, for all nodes at once.
//!
//! The step `packages` of the first boot finds its work done. What is left for it is what a set of packages does on a running node and
//! cannot do in a layer that nodes share: the answers of this host, state that no two nodes may have in common
//! ([`super::per_host`]), and the start of services. Until it has done that, units that the packages have enabled are held: a mail
//! server that starts before it has its name would send in the name of another.

use std::collections::BTreeSet;

use super::base_files::{BaseFiles, EntryKind};
use super::error::Error;
use super::inputs::Changes;
use super::packages::{self, LISTS, PackageSet};
use super::per_host::{self, Left};
use super::units::{self, UnitName};
use crate::plan::change::{Change, Origin, Partition};
use crate::plan::path::GuestPath;

/// Says why the changes are made.
const RULE: &str = "packages are in the image already";
/// A unit with this file waits; the step `packages` takes it away.
const HOLD: &str = "50-pimg-hold.conf";
/// Where `update-rc.d` has its links, of the run level that systemd takes for `multi-user.target`.
const RUN_LEVEL: &str = "/etc/rc2.d";

/// A set of packages that a layer has brought.
#[derive(Clone, Copy)]
pub struct Baked<'a> {
    /// The layer's name, for whoever looks on the node where its packages are from.
    pub key: &'a str,
    /// The set, with all of its answers to debconf: a package that is configured again has forgotten those that were given when the
    /// layer was made.
    pub set: &'a PackageSet,
    /// Those of its answers to debconf that depend on the host, and were not given when the layer was made.
    pub own_answers: &'a [String],
    /// The base without the layer.
    pub base: &'a dyn BaseFiles,
    /// The base with it.
    pub baked: &'a dyn BaseFiles,
}

/// What the step [`packages::step`] works from. None for a set that asks for nothing.
///
/// # Errors
/// A name or an answer cannot be what it is, or the base cannot be read.
pub fn changes(baked: &Baked<'_>) -> Result<Vec<Change>, Error> {
    if baked.set.is_empty() {
        return Ok(Vec::new());
    }
    let (mut shared, mut own) = (Changes::default(), Changes::default());
    packages::put_lists(&mut own, &PackageSet { keep: false, ..baked.set.clone() })?;
    packages::put_quiet(&mut shared)?;
    shared.file(&format!("{LISTS}/baked"), 0o644, format!("{}\n", baked.key), origin())?;
    let reconfigure = reconfigured(baked);
    if !reconfigure.is_empty() {
        own.file(&format!("{LISTS}/reconfigure"), 0o644, packages::lines(&reconfigure), origin())?;
    }
    for rule in per_host::RULES.iter().filter(|rule| installed(baked.set).contains(rule.package)) {
        if let Left::Text(text) = rule.left {
            shared.file(rule.path, 0o600, text, origin())?;
        }
    }
    let held = held(baked.base, baked.baked)?;
    for unit in &held {
        let path = format!("{}/{unit}.d/{HOLD}", units::CONFIGURATION);
        shared.file(&path, 0o644, include_str!("baked/hold.conf"), origin())?;
    }
    if !held.is_empty() {
        shared.file(&format!("{LISTS}/held"), 0o644, packages::lines(&held), origin())?;
    }
    Ok(shared.0.into_iter().map(Change::shared).chain(own.0).collect())
}

fn origin() -> Origin {
    Origin::Rule { rule: RULE }
}

fn installed(set: &PackageSet) -> BTreeSet<&str> {
    set.install.iter().map(|package| package.name.as_str()).collect()
}

/// Lines of `reconfigure`: a package that was installed for all nodes and is one host's, and the files that it only makes where there
/// is none.
fn reconfigured(baked: &Baked<'_>) -> Vec<String> {
    let installed = installed(baked.set);
    let made = per_host::reconfigured();
    let mut lines = Vec::new();
    for (package, files) in made.iter().filter(|(package, _)| installed.contains(package)) {
        lines.push(format!("{package} {}", files.join(" ")));
    }
    let owners: BTreeSet<&str> =
        baked.own_answers.iter().filter_map(|answer| answer.split_whitespace().next()).collect();
    let is_new =
        |owner: &&&str| installed.contains(*owner) && made.iter().all(|(package, _)| package != *owner);
    lines.extend(owners.iter().filter(is_new).map(|owner| (*owner).to_owned()));
    lines
}

/// Units that the layer has enabled: they would start with the first boot, and those of a set that is installed on the node start
/// when their packages are configured.
///
/// # Errors
/// A base cannot be read.
pub fn held(base: &dyn BaseFiles, baked: &dyn BaseFiles) -> Result<BTreeSet<String>, Error> {
    let (before, after) = (enabled(base)?, enabled(baked)?);
    let mut held: BTreeSet<String> = after.difference(&before).cloned().collect();
    let before = scripts(base)?;
    for name in scripts(baked)?.difference(&before) {
        let unit = format!("{name}.service");
        // a unit of its own decides for itself whether it is enabled
        if UnitName::new(&unit).is_ok() && !units::exists(baked, &unit)? {
            held.insert(unit);
        }
    }
    Ok(held)
}

/// Names in the directories of dependencies of `/etc/systemd/system`.
fn enabled(base: &dyn BaseFiles) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    let root = GuestPath::new(units::CONFIGURATION)?;
    for directory in names(base, &root)? {
        if ![".wants", ".requires", ".upholds"].iter().any(|end| directory.ends_with(end)) {
            continue;
        }
        let directory = root.join(&directory)?;
        for name in names(base, &directory)? {
            if UnitName::new(&name).is_ok() && !is_masked(base, &root.join(&name)?)? {
                found.insert(name);
            }
        }
    }
    Ok(found)
}

/// Names of the scripts that are started as in System V, for which systemd makes units.
fn scripts(base: &dyn BaseFiles) -> Result<BTreeSet<String>, Error> {
    let started = |name: &str| {
        let rest = name.strip_prefix('S')?;
        let (order, name) = rest.split_at_checked(2)?;
        order.chars().all(|c| c.is_ascii_digit()).then(|| name.to_owned())
    };
    Ok(names(base, &GuestPath::new(RUN_LEVEL)?)?.iter().filter_map(|name| started(name)).collect())
}

fn is_masked(base: &dyn BaseFiles, path: &GuestPath) -> Result<bool, Error> {
    let kind = base.kind(Partition::Root, path)?;
    Ok(matches!(kind, Some(EntryKind::Symlink(target)) if target == "/dev/null"))
}

fn names(base: &dyn BaseFiles, path: &GuestPath) -> Result<Vec<String>, Error> {
    Ok(base.list(Partition::Root, path)?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
