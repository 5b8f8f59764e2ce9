//! How packages are marked.

use std::collections::HashMap;

use super::DEPTH_LIMIT;
use crate::solve::dependencies::{Clause, Kind};
use crate::solve::pool::{PackageId, Pool, VersionId};

/// What is to happen to a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::solve) enum Mode {
    /// It stays as it is: installed or not.
    Keep,
    /// Its candidate is installed.
    Install,
    /// It is removed.
    Delete,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    mode: Mode,
    installs: Option<VersionId>,
    protected: bool,
    /// Comes in because something needs it.
    automatic: bool,
}

/// Marks of all packages.
#[derive(Debug)]
pub(in crate::solve) struct Walk<'p, 'u> {
    pub(super) pool: &'p Pool<'u>,
    recommends: bool,
    marks: HashMap<PackageId, Mark>,
    candidates: HashMap<PackageId, Option<VersionId>>,
}

impl<'p, 'u> Walk<'p, 'u> {
    /// Nothing is marked; `candidates` are taken instead of those of the pool.
    pub(in crate::solve) fn new(
        pool: &'p Pool<'u>,
        recommends: bool,
        candidates: HashMap<PackageId, Option<VersionId>>,
    ) -> Self {
        Self { pool, recommends, marks: HashMap::new(), candidates }
    }

    fn mark(&self, id: PackageId) -> Mark {
        self.marks.get(&id).copied().unwrap_or_else(|| Mark {
            mode: Mode::Keep,
            installs: self.pool.package(id).installed,
            protected: false,
            automatic: false,
        })
    }

    fn change(&mut self, id: PackageId, change: impl FnOnce(&mut Mark)) {
        let mut mark = self.mark(id);
        change(&mut mark);
        self.marks.insert(id, mark);
    }

    /// Packages that are not as they were.
    pub(in crate::solve) fn changed(&self) -> impl Iterator<Item = PackageId> {
        self.marks.keys().copied().filter(|id| self.installs(*id) != self.pool.package(*id).installed)
    }

    /// The version that will be there.
    pub(in crate::solve) fn installs(&self, id: PackageId) -> Option<VersionId> {
        match self.marks.get(&id) {
            Some(mark) => mark.installs,
            None => self.pool.package(id).installed,
        }
    }

    pub(in crate::solve) fn mode(&self, id: PackageId) -> Mode {
        self.marks.get(&id).map_or(Mode::Keep, |mark| mark.mode)
    }

    pub(super) fn candidate(&self, id: PackageId) -> Option<VersionId> {
        match self.candidates.get(&id) {
            Some(candidate) => *candidate,
            None => self.pool.candidate(id),
        }
    }

    pub(super) fn is_protected(&self, id: PackageId) -> bool {
        self.marks.get(&id).is_some_and(|mark| mark.protected)
    }

    pub(super) fn protect(&mut self, id: PackageId) {
        self.change(id, |mark| mark.protected = true);
    }

    pub(super) fn unprotect(&mut self, id: PackageId) {
        self.change(id, |mark| mark.protected = false);
    }

    /// Protected, and not to be there.
    pub(super) fn is_ruled_out(&self, id: PackageId) -> bool {
        self.is_protected(id) && self.installs(id).is_none()
    }

    pub(super) fn clauses(&self, version: VersionId) -> &'p [Clause<'u>] {
        self.pool.clauses(version)
    }

    /// Whether apt sees to relations of that kind.
    pub(super) fn matters(&self, kind: Kind) -> bool {
        match kind {
            Kind::PreDepends | Kind::Depends | Kind::Conflicts | Kind::Breaks => true,
            Kind::Recommends => self.recommends,
            Kind::Suggests => false,
        }
    }

    /// Whether a clause is as it should be with the versions that will be there.
    pub(super) fn holds(&self, clause: &Clause<'_>) -> bool {
        let there = clause.versions().any(|version| self.is_there(version));
        there != clause.kind.is_negative()
    }

    fn is_there(&self, version: VersionId) -> bool {
        self.installs(self.pool.package_of(version)) == Some(version)
    }

    /// Whether something that the version to be there needs is missing or in its way.
    pub(in crate::solve) fn is_broken(&self, id: PackageId) -> bool {
        self.fails(id, |kind| kind.is_requirement() || kind.is_negative())
    }

    pub(super) fn lacks_recommended(&self, id: PackageId) -> bool {
        self.recommends && self.fails(id, |kind| kind == Kind::Recommends)
    }

    fn fails(&self, id: PackageId, kinds: impl Fn(Kind) -> bool) -> bool {
        let Some(version) = self.installs(id) else { return false };
        self.clauses(version).iter().any(|clause| kinds(clause.kind) && !self.holds(clause))
    }

    /// Whether a package may get another mode (apt, `IsModeChangeOk`).
    pub(super) fn may_change(&self, id: PackageId, mode: Mode, depth: usize, asked: bool) -> bool {
        let package = self.pool.package(id);
        if depth > DEPTH_LIMIT || package.versions.is_empty() {
            return false;
        }
        if asked || self.mode(id) == mode {
            return true;
        }
        let held = mode != Mode::Keep && package.held;
        let stays = mode == Mode::Delete && self.pool.must_stay(id);
        !self.is_protected(id) && !held && !stays
    }

    /// Whether siblings of other architectures keep up and all that is needed can be had (apt, `IsInstallOk`).
    pub(super) fn may_install(
        &mut self,
        id: PackageId,
        version: VersionId,
        whole: bool,
        asked: bool,
    ) -> bool {
        let installed = self.pool.package(id).installed;
        let chosen = self.mode(id) == Mode::Install && self.installs(id) == Some(version);
        if !asked && !chosen && Some(version) != installed && !self.siblings_keep_up(id, version) {
            return false;
        }
        if !whole || Some(version) == installed {
            return true;
        }
        let in_reach = |clause: &Clause<'_>| {
            clause.versions().any(|version| {
                self.is_there(version) || self.candidate(self.pool.package_of(version)) == Some(version)
            })
        };
        let good =
            self.clauses(version).iter().all(|clause| !clause.kind.is_requirement() || in_reach(clause));
        if !good && !self.is_protected(id) {
            self.candidates.insert(id, installed);
            if self.mode(id) != Mode::Delete {
                self.change(id, |mark| {
                    mark.mode = Mode::Keep;
                    mark.installs = installed;
                });
            }
        }
        good
    }

    fn siblings_keep_up(&self, id: PackageId, version: VersionId) -> bool {
        let pool = self.pool;
        if !pool.is_same(version) {
            return true;
        }
        let number = |version| pool.version(version).entry.version;
        pool.named(pool.package(id).name).all(|sibling| {
            if sibling == id || pool.package(sibling).installed.is_none() {
                return true;
            }
            self.candidate(sibling).is_none_or(|candidate| {
                number(candidate) == number(version)
                    || !pool.is_same(candidate)
                    || pool.version(candidate).archives.is_empty()
            })
        })
    }

    pub(super) fn choose_candidate(&mut self, id: PackageId, asked: bool) {
        let candidate = self.candidate(id);
        let installed = self.pool.package(id).installed;
        let mark = self.mark(id);
        if mark.protected && mark.installs == candidate {
            return;
        }
        self.change(id, |mark| {
            mark.mode = if candidate == installed { Mode::Keep } else { Mode::Install };
            mark.installs = candidate;
            if asked {
                mark.automatic = false;
            } else if installed.is_none() {
                mark.automatic = true;
            }
        });
    }

    pub(super) fn mark_keep(&mut self, id: PackageId, depth: usize) -> bool {
        if !self.may_change(id, Mode::Keep, depth, false) {
            return false;
        }
        let installed = self.pool.package(id).installed;
        if self.mode(id) != Mode::Keep {
            self.change(id, |mark| {
                mark.mode = Mode::Keep;
                mark.installs = installed;
            });
        }
        true
    }

    pub(super) fn mark_delete(&mut self, id: PackageId, depth: usize) -> bool {
        if !self.may_change(id, Mode::Delete, depth, false) {
            return false;
        }
        if self.installs(id).is_none() {
            return true;
        }
        if !self.may_delete(id) {
            return false;
        }
        self.remove(id);
        true
    }

    /// What was asked for and is new is not removed again.
    pub(super) fn may_delete(&self, id: PackageId) -> bool {
        let mark = self.mark(id);
        self.pool.package(id).installed.is_some() || mark.installs.is_none() || mark.automatic
    }

    pub(super) fn remove(&mut self, id: PackageId) {
        let installed = self.pool.package(id).installed.is_some();
        self.change(id, |mark| {
            mark.mode = if installed { Mode::Delete } else { Mode::Keep };
            mark.installs = None;
        });
    }

    /// Takes back the mark of a package that could not be completed, and does not try it again.
    pub(super) fn discard_install(&mut self, id: PackageId) {
        let installed = self.pool.package(id).installed;
        self.change(id, |mark| {
            mark.mode = Mode::Keep;
            mark.installs = installed;
        });
        self.discard_candidate(id);
    }

    pub(super) fn discard_candidate(&mut self, id: PackageId) {
        let installs = self.installs(id);
        self.candidates.insert(id, installs);
    }
}
