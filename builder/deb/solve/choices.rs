//! What may be chosen for each package.

use std::collections::{BTreeSet, HashMap};

use super::pool::{PackageId, Pool, VersionId};

/// What may be chosen, and what is liked best.
#[derive(Debug, Clone, Default)]
pub(super) struct Choices {
    /// Candidates that are not those of the pool.
    pub(super) candidates: HashMap<PackageId, Option<VersionId>>,
    /// Packages that will not be there.
    pub(super) gone: BTreeSet<PackageId>,
    /// Versions to take where there is a choice.
    pub(super) wished: HashMap<PackageId, VersionId>,
    /// Take the installed version rather than the candidate.
    pub(super) conservative: bool,
}

impl Choices {
    pub(super) fn candidate(&self, pool: &Pool<'_>, id: PackageId) -> Option<VersionId> {
        match self.candidates.get(&id) {
            Some(candidate) => *candidate,
            None => pool.candidate(id),
        }
    }

    /// Versions of a package that may be chosen, best first.
    pub(super) fn allowed(&self, pool: &Pool<'_>, id: PackageId) -> Vec<VersionId> {
        if self.gone.contains(&id) {
            return Vec::new();
        }
        let installed = pool.package(id).installed;
        let candidate = self.candidate(pool, id);
        let (first, second) = if self.conservative { (installed, candidate) } else { (candidate, installed) };
        let mut allowed: Vec<_> = first.into_iter().chain(second).collect();
        allowed.dedup();
        allowed.sort_by_key(|version| self.wished.get(&id) != Some(version));
        allowed
    }

    /// Whether a version may be chosen.
    pub(super) fn allows(&self, pool: &Pool<'_>, version: VersionId) -> bool {
        let id = pool.package_of(version);
        let there = pool.is_installed(version) || self.candidate(pool, id) == Some(version);
        there && !self.gone.contains(&id)
    }
}
