//! What a new lock says that the old one did not.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::lockfile::{
    LockedBase, LockedDownload, LockedKeyring, LockedModule, LockedPackage, LockedRepository, LockedSet,
    Lockfile,
};

/// The architecture of the images, which need not be said.
const NATIVE: &str = "arm64";

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// The base image; from and to are digests of the published file.
    Base,
    /// The snapshot of a repository; from and to are dates.
    Repository,
    /// A keyring; from and to are fingerprints.
    Keyring,
    /// A download; from and to are digests.
    Download,
    /// A profile that the lock no longer has, with all its packages.
    Profile,
    /// A package that is installed; from and to are versions.
    Package,
    /// A kernel module that is built ahead; from and to are versions of its package.
    Module,
    /// A package of the base that goes, or no longer goes.
    Remove,
    /// A package that is held, or no longer held.
    Hold,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockChange {
    /// What.
    pub kind: ChangeKind,
    /// Its name; of a package of a foreign architecture with that behind a colon.
    pub name: String,
    /// The profiles that it is about, sorted; none where it is about all.
    pub profiles: Vec<String>,
    /// What was locked; `None` where it is new.
    pub old: Option<String>,
    /// What is locked now; `None` where it is gone.
    pub new: Option<String>,
    /// Why it is there, or what else about it changed.
    pub note: String,
}

impl LockChange {
    fn new(kind: ChangeKind, name: &str, old: Option<String>, new: Option<String>, note: String) -> Self {
        Self { kind, name: name.to_owned(), profiles: Vec::new(), old, new, note }
    }
}

/// All that differs, sorted by kind and name. Without an old lock everything is new.
pub fn changes(old: Option<&Lockfile>, new: &Lockfile) -> Vec<LockChange> {
    let empty = Lockfile::new();
    let old = old.unwrap_or(&empty);
    let mut found = bases(old, new);
    found.extend(repositories(old, new));
    found.extend(keyrings(old, new));
    found.extend(downloads(old, new));
    found.extend(sets(old, new));
    found.extend(modules(old, new));
    found.sort_by(|a, b| (a.kind, &a.name, &a.profiles).cmp(&(b.kind, &b.name, &b.profiles)));
    found
}

type Pair<'a, T> = (Option<&'a T>, Option<&'a T>);

/// What has the same key on both sides, where it is not the same.
fn pairs<'a, T: PartialEq, K: Ord>(
    old: &'a [T],
    new: &'a [T],
    key: impl Fn(&'a T) -> K,
) -> impl Iterator<Item = (K, Pair<'a, T>)> {
    let mut pairs: BTreeMap<K, Pair<'a, T>> = BTreeMap::new();
    for one in old {
        pairs.entry(key(one)).or_default().0 = Some(one);
    }
    for one in new {
        pairs.entry(key(one)).or_default().1 = Some(one);
    }
    pairs.into_iter().filter(|(_, (old, new))| old != new)
}

/// One field of an entry.
type Field<T> = fn(&T) -> &str;

/// Remarks about the fields that differ, besides those that are shown as from and to.
fn remarks<T>(pair: Pair<'_, T>, fields: &[(&str, Field<T>)]) -> String {
    let (Some(old), Some(new)) = pair else { return String::new() };
    let differing = fields.iter().filter(|(_, field)| field(old) != field(new));
    let remarks: Vec<_> = differing.map(|(words, field)| format!("{words} {}", field(new))).collect();
    remarks.join(", ")
}

/// As much of a digest as tells two apart in a table.
fn short(digest: &str) -> String {
    digest.get(..12).unwrap_or(digest).to_owned()
}

fn bases(old: &Lockfile, new: &Lockfile) -> Vec<LockChange> {
    let changed = pairs(&old.base, &new.base, |base| base.url.as_str());
    let change = |(name, pair): (&str, Pair<'_, _>)| {
        let digest = |base: Option<&LockedBase>| base.map(|base| short(&base.sha256));
        LockChange::new(ChangeKind::Base, name, digest(pair.0), digest(pair.1), String::new())
    };
    changed.map(change).collect()
}

fn repositories(old: &Lockfile, new: &Lockfile) -> Vec<LockChange> {
    let changed = pairs(&old.repository, &new.repository, |one| one.name.as_str());
    let change = |(name, pair): (&str, Pair<'_, LockedRepository>)| {
        let date = |one: Option<&LockedRepository>| one.map(|one| one.date.clone());
        let note = match pair {
            (None, Some(new)) => format!("signed by {}", new.signed_by),
            _ => remarks(
                pair,
                &[
                    ("now at", |one| &one.uri),
                    ("now suite", |one| &one.suite),
                    ("now signed by", |one| &one.signed_by),
                ],
            ),
        };
        LockChange::new(ChangeKind::Repository, name, date(pair.0), date(pair.1), note)
    };
    changed.map(change).collect()
}

fn keyrings(old: &Lockfile, new: &Lockfile) -> Vec<LockChange> {
    let changed = pairs(&old.keyring, &new.keyring, |one| one.name.as_str());
    let change = |(name, pair): (&str, Pair<'_, LockedKeyring>)| {
        let keys = |one: Option<&LockedKeyring>| one.map(|one| one.fingerprints.join(" "));
        let note = match pair {
            (None, Some(new)) => new.url.clone(),
            _ => remarks(pair, &[("now at", |one| &one.url)]),
        };
        LockChange::new(ChangeKind::Keyring, name, keys(pair.0), keys(pair.1), note)
    };
    changed.map(change).collect()
}

fn downloads(old: &Lockfile, new: &Lockfile) -> Vec<LockChange> {
    let changed = pairs(&old.download, &new.download, |one| one.name.as_str());
    let change = |(name, pair): (&str, Pair<'_, LockedDownload>)| {
        let digest = |one: Option<&LockedDownload>| one.map(|one| short(&one.sha256));
        let note = match pair {
            (None, Some(new)) => new.url.clone(),
            _ => remarks(pair, &[("now at", |one| &one.url)]),
        };
        LockChange::new(ChangeKind::Download, name, digest(pair.0), digest(pair.1), note)
    };
    changed.map(change).collect()
}

fn modules(old: &Lockfile, new: &Lockfile) -> Vec<LockChange> {
    let changed = pairs(&old.module, &new.module, |one| one.name.as_str());
    let change = |(name, pair): (&str, Pair<'_, LockedModule>)| {
        let version = |one: Option<&LockedModule>| one.map(|one| one.version.clone());
        let note = match pair {
            (_, Some(new)) => format!("built with {}", new.compiler),
            (_, None) => "no longer needed".to_owned(),
        };
        LockChange::new(ChangeKind::Module, name, version(pair.0), version(pair.1), note)
    };
    changed.map(change).collect()
}

/// What changed for each profile, profiles with the same change together.
fn sets(old: &Lockfile, new: &Lockfile) -> Vec<LockChange> {
    let profiles = |lock: &Lockfile| -> BTreeSet<String> {
        lock.set.iter().flat_map(|set| &set.profiles).cloned().collect()
    };
    let (before, after) = (profiles(old), profiles(new));
    let mut found: Vec<LockChange> = Vec::new();
    for profile in &after {
        let nothing = LockedSet::default();
        let old_set = old.set_for(profile).unwrap_or(&nothing);
        for change in new.set_for(profile).into_iter().flat_map(|new_set| set_changes(old_set, new_set)) {
            match found.iter_mut().find(|known| known.is_same_change(&change)) {
                Some(known) => known.profiles.push(profile.clone()),
                None => found.push(LockChange { profiles: vec![profile.clone()], ..change }),
            }
        }
    }
    for change in &mut found {
        if change.profiles.len() == after.len() {
            change.profiles.clear();
        }
    }
    for profile in before.difference(&after) {
        let packages = old.set_for(profile).map_or(0, |set| set.package.len());
        let from = Some(format!("{packages} packages"));
        found.push(LockChange::new(ChangeKind::Profile, profile, from, None, "no longer locked".to_owned()));
    }
    found
}

impl LockChange {
    fn is_same_change(&self, other: &Self) -> bool {
        (self.kind, &self.name, &self.old, &self.new, &self.note)
            == (other.kind, &other.name, &other.old, &other.new, &other.note)
    }
}

fn set_changes(old: &LockedSet, new: &LockedSet) -> Vec<LockChange> {
    let mut found: Vec<_> = pairs(&old.package, &new.package, shown_name)
        .filter_map(|(name, pair)| package(&name, pair))
        .collect();
    for (kind, old, new, state) in [
        (ChangeKind::Remove, &old.remove, &new.remove, "removed"),
        (ChangeKind::Hold, &old.hold, &new.hold, "held"),
    ] {
        for (name, (before, after)) in pairs(old, new, String::as_str) {
            let said = |name: Option<&String>| name.map(|_| state.to_owned());
            found.push(LockChange::new(kind, name, said(before), said(after), "asked for".to_owned()));
        }
    }
    found
}

/// A package's name, with the architecture where that is not the image's own.
fn shown_name(package: &LockedPackage) -> String {
    match package.architecture.as_str() {
        NATIVE | "all" => package.name.clone(),
        foreign => format!("{}:{foreign}", package.name),
    }
}

fn package(name: &str, pair: Pair<'_, LockedPackage>) -> Option<LockChange> {
    let note = match pair {
        (Some(old), Some(new)) if old.version == new.version => {
            let moved = remarks(pair, &[("now from", |one| &one.repository)]);
            let other_bytes = if old.sha256 == new.sha256 { "" } else { "other bytes of the same version" };
            let said: Vec<_> = [other_bytes, &moved].into_iter().filter(|words| !words.is_empty()).collect();
            // another reason or another place below the repository is nothing to look at
            if said.is_empty() {
                return None;
            }
            said.join(", ")
        }
        (_, Some(new)) => new.reason.clone(),
        (_, None) => "no longer needed".to_owned(),
    };
    let version = |package: Option<&LockedPackage>| package.map(|package| package.version.clone());
    Some(LockChange::new(ChangeKind::Package, name, version(pair.0), version(pair.1), note))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::lockfile::tests::{full, package};

    fn told(old: Option<&Lockfile>, new: &Lockfile) -> Vec<String> {
        let tell = |change: &LockChange| {
            let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
            let LockChange { kind, name, profiles, note, .. } = change;
            format!(
                "{kind:?} {name} {} {} {note} {}",
                side(&change.old),
                side(&change.new),
                profiles.join(",")
            )
        };
        changes(old, new).iter().map(|change| tell(change).trim_end().to_owned()).collect()
    }

    #[test]
    fn without_an_old_lock_everything_is_new() {
        assert_eq!(
            told(None, &full()),
            [
                "Base https://example.com/base.img.xz - abababababab",
                &format!("Repository debian - 2026-08-19T08:12:01Z signed by {}", "4D".repeat(20)),
                &format!("Keyring pxvirt - {} https://example.com/key.gpg", "5E".repeat(20)),
                "Download acme.sh - 565656565656 https://example.com/acme.tar.gz",
                "Package byobu - 6.11-2 asked for",
                "Package zsh - 5.9-8+b15 asked for",
                "Remove dphys-swapfile - removed asked for",
            ]
        );
    }

    #[test]
    fn the_same_lock_has_no_changes() {
        let mut other = full();
        other.set[0].package.reverse();
        other.set[0].package[0].reason = "needed by zsh".into();
        assert_eq!(told(Some(&full()), &other), [""; 0]);
    }

    #[test]
    fn tells_what_moved() {
        let mut new = full();
        new.repository[0].date = "2026-09-01T00:00:00Z".into();
        new.repository[0].signed_by = "6F".repeat(20);
        new.keyring.clear();
        let set = &mut new.set[0];
        set.package[0] = package("zsh", "5.9-9");
        set.package[1].sha256 = "99".repeat(32);
        set.package.push(LockedPackage { architecture: "armhf".into(), ..package("libc6", "2.41") });
        set.remove.clear();
        set.hold.push("zsh".into());
        assert_eq!(
            told(Some(&full()), &new),
            [
                &format!(
                    "Repository debian 2026-08-19T08:12:01Z 2026-09-01T00:00:00Z now signed by {}",
                    "6F".repeat(20)
                ),
                &format!("Keyring pxvirt {} -", "5E".repeat(20)),
                "Package byobu 6.11-2 6.11-2 other bytes of the same version",
                "Package libc6:armhf - 2.41 asked for",
                "Package zsh 5.9-8+b15 5.9-9 asked for",
                "Remove dphys-swapfile removed - asked for",
                "Hold zsh - held asked for",
            ]
        );
    }

    #[test]
    fn a_package_that_became_one_for_all_architectures_is_an_upgrade() {
        let mut new = full();
        new.set[0].package[0] = LockedPackage { architecture: "all".into(), ..package("zsh", "6") };
        assert_eq!(told(Some(&full()), &new), ["Package zsh 5.9-8+b15 6 asked for"]);
    }

    #[test]
    fn a_change_of_some_profiles_names_them_and_one_that_went_is_one_line() {
        let mut new = full();
        let mut split = new.set[0].clone();
        new.set[0].profiles = vec!["node-a".into()];
        split.profiles = vec!["node-c".into()];
        split.package.truncate(1);
        new.set.push(split);
        assert_eq!(
            told(Some(&full()), &new),
            [
                "Profile node-b 2 packages - no longer locked",
                "Package zsh - 5.9-8+b15 asked for node-c",
                "Remove dphys-swapfile - removed asked for node-c",
            ]
        );
    }
}
