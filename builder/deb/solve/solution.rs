//! What is to be done, and why.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use super::choices::Choices;
use super::dependencies::{self, Kind};
use super::pool::{PackageId, Pool, VersionId};
use super::request::Request;
use crate::index::Entry;
use crate::version;

/// What is to be done so that all that was asked for is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solution<'u> {
    /// Packages that are new or change their version, by name and architecture.
    pub packages: Vec<Chosen<'u>>,
    /// Installed packages that go, by name and architecture.
    pub removed: Vec<Removed>,
    /// Installed packages that an upgrade left as they are, by name and architecture.
    pub kept_back: Vec<KeptBack>,
}

/// A version to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen<'u> {
    /// The stanza of the index.
    pub entry: &'u Entry<'u>,
    /// The index, by the order of [`super::Universe::add_index`].
    pub archive: usize,
    /// What that changes.
    pub action: Action,
    /// Why it is there.
    pub reason: Reason,
}

/// How a package changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It was not there.
    New,
    /// It was there in an older version.
    Upgrade {
        /// That version.
        from: String,
    },
    /// It was there in a newer version.
    Downgrade {
        /// That version.
        from: String,
    },
}

/// Why a package is installed or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The request names it.
    Asked,
    /// Everything is to be upgraded.
    Upgrade,
    /// Another package needs it.
    Needed {
        /// Name of that package.
        by: String,
    },
    /// Another package recommends it.
    Recommended {
        /// Name of that package.
        by: String,
    },
}

/// A package that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Its name.
    pub name: String,
    /// Its architecture, `all` among them.
    pub architecture: String,
    /// Its installed version.
    pub version: String,
    /// Why, such as ``conflicts with `exim4` ``.
    pub reason: String,
}

/// A package that has a newer version but stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBack {
    /// Its name, with the architecture where that is a foreign one.
    pub name: String,
    /// Its installed version.
    pub installed: String,
    /// The version it could have.
    pub candidate: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("asked for"),
            Self::Upgrade => f.write_str("upgrade"),
            Self::Needed { by } => write!(f, "needed by {by}"),
            Self::Recommended { by } => write!(f, "recommended by {by}"),
        }
    }
}

/// The versions that will be there, seen against those that are.
pub(super) struct Outcome<'p, 'u> {
    pub(super) pool: &'p Pool<'u>,
    pub(super) request: &'p Request,
    pub(super) choices: &'p Choices,
    pub(super) asked: &'p [PackageId],
    pub(super) there: BTreeMap<PackageId, VersionId>,
}

impl<'u> Outcome<'_, 'u> {
    pub(super) fn solution(&self) -> Solution<'u> {
        let pool = self.pool;
        let reasons = self.reasons();
        let changed =
            self.there.iter().filter(|(id, version)| pool.package(**id).installed != Some(**version));
        let changed = pool.sorted(changed.map(|(id, _)| *id).collect());
        let chosen = |id: PackageId| {
            let version = self.there.get(&id)?;
            let (archive, entry) = pool.version(*version).archives.first().copied()?;
            let reason = reasons.get(&id).cloned().unwrap_or(Reason::Upgrade);
            Some(Chosen { entry, archive, action: self.action(id, *version), reason })
        };
        let installed = pool.packages().filter(|id| pool.package(*id).installed.is_some());
        let gone = pool.sorted(installed.filter(|id| !self.there.contains_key(id)).collect());
        Solution {
            packages: changed.into_iter().filter_map(chosen).collect(),
            removed: gone.into_iter().filter_map(|id| self.removed(id)).collect(),
            kept_back: self.kept_back(),
        }
    }

    fn action(&self, id: PackageId, chosen: VersionId) -> Action {
        let Some(installed) = self.pool.package(id).installed else { return Action::New };
        let from = self.pool.version(installed).entry.version.to_owned();
        match version::compare(self.pool.version(chosen).entry.version, &from).is_lt() {
            true => Action::Downgrade { from },
            false => Action::Upgrade { from },
        }
    }

    /// Goes from what was asked for to what it needs, and so on; then from all else that is there.
    fn reasons(&self) -> BTreeMap<PackageId, Reason> {
        let pool = self.pool;
        let is_new = |id: &PackageId| self.there.get(id).is_some_and(|version| !pool.is_installed(*version));
        let mut reasons = BTreeMap::new();
        let mut visited = BTreeSet::new();
        let mut queue = VecDeque::new();
        for id in self.asked.iter().copied().filter(|id| self.there.contains_key(id)) {
            reasons.insert(id, Reason::Asked);
            queue.push_back(id);
        }
        if self.request.upgrade {
            let upgraded =
                self.there.keys().filter(|id| is_new(id) && pool.package(**id).installed.is_some());
            for id in pool.sorted(upgraded.copied().collect()) {
                reasons.entry(id).or_insert(Reason::Upgrade);
                queue.push_back(id);
            }
        }
        queue.extend(pool.sorted(self.there.keys().copied().collect()));
        let mut recommending = Vec::new();
        while let Some(id) = queue.pop_front() {
            if !visited.insert(id) {
                continue;
            }
            for other in self.satisfying(id, Kind::is_requirement) {
                if is_new(&other) && !reasons.contains_key(&other) {
                    reasons.insert(other, Reason::Needed { by: pool.label(id) });
                    queue.push_front(other);
                }
            }
            recommending.push(id);
        }
        for id in recommending {
            for other in self.satisfying(id, |kind| kind == Kind::Recommends) {
                let reason = || Reason::Recommended { by: pool.label(id) };
                if is_new(&other) {
                    reasons.entry(other).or_insert_with(reason);
                }
            }
        }
        reasons
    }

    /// Packages there that satisfy relations of a package.
    fn satisfying(&self, id: PackageId, kinds: impl Fn(Kind) -> bool) -> Vec<PackageId> {
        let Some(version) = self.there.get(&id) else { return Vec::new() };
        let clauses = self.pool.clauses(*version).iter().filter(|clause| kinds(clause.kind));
        let versions = clauses.flat_map(|clause| clause.versions());
        let there =
            versions.filter(|version| self.there.get(&self.pool.package_of(*version)) == Some(version));
        there.map(|version| self.pool.package_of(version)).collect()
    }

    fn removed(&self, id: PackageId) -> Option<Removed> {
        let installed = self.pool.package(id).installed?;
        let entry = self.pool.version(installed).entry;
        Some(Removed {
            name: entry.package.to_owned(),
            architecture: entry.architecture.to_owned(),
            version: entry.version.to_owned(),
            reason: self.why_removed(id, installed),
        })
    }

    fn why_removed(&self, id: PackageId, installed: VersionId) -> String {
        let pool = self.pool;
        let names = |text: &String| *text == pool.package(id).name || *text == pool.label(id);
        if self.request.remove.iter().any(names) {
            return "asked for".to_owned();
        }
        let there = |version: &VersionId| self.there.get(&pool.package_of(*version)) == Some(version);
        for (other, version) in &self.there {
            let mut negative = pool.clauses(*version).iter().filter(|clause| clause.kind.is_negative());
            if negative.any(|clause| clause.versions().any(|version| version == installed)) {
                return format!("conflicts with `{}`", pool.label(*other));
            }
        }
        for clause in pool.clauses(installed) {
            let met = clause.versions().find(there);
            match met {
                Some(other) if clause.kind.is_negative() => {
                    return format!("conflicts with `{}`", pool.label(pool.package_of(other)));
                }
                None if clause.kind.is_requirement() => {
                    return format!("needs `{}`", dependencies::display(clause));
                }
                _ => {}
            }
        }
        "in the way of what was asked for".to_owned()
    }

    fn kept_back(&self) -> Vec<KeptBack> {
        if !self.request.upgrade {
            return Vec::new();
        }
        let pool = self.pool;
        let kept = |id: PackageId| {
            let installed = pool.package(id).installed?;
            let newest = match pool.package(id).held {
                true => pool.unheld_candidate(id),
                false => self.choices.candidate(pool, id),
            };
            let candidate = newest.filter(|candidate| *candidate != installed)?;
            (self.there.get(&id) == Some(&installed)).then(|| KeptBack {
                name: pool.label(id),
                installed: pool.version(installed).entry.version.to_owned(),
                candidate: pool.version(candidate).entry.version.to_owned(),
            })
        };
        pool.sorted(pool.packages().collect()).into_iter().filter_map(kept).collect()
    }
}
