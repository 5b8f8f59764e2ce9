//! apt's way of marking packages (`pkgDepCache::MarkInstall` of apt 2.6 and 3.0), to wish for what apt would take.
//!
//! One package is marked after the other, each with what it needs, depth first: what is installed or marked
//! already satisfies, then come the alternatives as written. Nothing is ever tried twice, so the result may lack
//! something or contradict itself; the solver sees to that.

mod conflicts;
mod state;

use super::dependencies::{Clause, Kind};
use super::order;
use super::pool::{PackageId, VersionId};
pub(super) use state::{Mode, Walk};

/// How deep packages may need each other before the walk gives up (apt stops at 3000).
const DEPTH_LIMIT: usize = 1000;

/// Which versions of packages count as a way to satisfy a clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Selection {
    Candidate,
    Installed,
    Either,
}

impl<'p, 'u> Walk<'p, 'u> {
    /// Marks a package that is asked for, without what it needs.
    pub(super) fn ask_for(&mut self, package: PackageId) {
        self.protect(package);
        self.mark_install(package, false, 0, true);
    }

    /// Marks what a package that is asked for needs.
    pub(super) fn complete(&mut self, package: PackageId) {
        self.mark_install(package, true, 0, true);
    }

    /// Marks a package for removal that is not wanted.
    pub(super) fn refuse(&mut self, package: PackageId) {
        self.protect(package);
        self.remove(package);
    }

    /// Upgrades all that is installed and removes nothing (apt, `pkgAllUpgradeWithNewPackages`).
    pub(super) fn upgrade_all(&mut self) {
        let pool = self.pool;
        let installed: Vec<_> = pool.packages().filter(|id| pool.package(*id).installed.is_some()).collect();
        for id in installed.iter().copied() {
            if self.installs(id).is_some() && self.candidate(id) != pool.package(id).installed {
                self.mark_install(id, false, 0, false);
            }
        }
        for id in pool.packages().filter(|id| self.mode(*id) == Mode::Install).collect::<Vec<_>>() {
            self.mark_install(id, true, 0, false);
        }
        for id in installed.into_iter().filter(|id| self.mode(*id) == Mode::Delete).collect::<Vec<_>>() {
            self.mark_keep(id, 0);
        }
    }

    /// Upgrades what was broken by now, as the resolver of apt begins.
    pub(super) fn upgrade_broken(&mut self) {
        let pool = self.pool;
        let installed: Vec<_> = pool.packages().filter(|id| pool.package(*id).installed.is_some()).collect();
        let mut again = true;
        while again {
            again = false;
            for id in installed.iter().copied() {
                if self.mode(id) == Mode::Keep && self.is_broken(id) {
                    self.mark_install(id, false, 0, false);
                    again |= self.mode(id) == Mode::Install;
                }
            }
        }
    }

    pub(super) fn mark_install(&mut self, id: PackageId, whole: bool, depth: usize, asked: bool) -> bool {
        let installed = self.pool.package(id).installed;
        let candidate = self.candidate(id);
        let only_protects = self.is_protected(id)
            && self.mode(id) == Mode::Keep
            && candidate.is_some()
            && candidate == installed;
        if !only_protects && !self.may_change(id, Mode::Install, depth, asked) {
            return false;
        }
        let Some(candidate) = candidate else { return false };
        if !self.is_protected(id) && !self.is_broken(id) && !self.lacks_recommended(id) {
            if Some(candidate) == installed {
                return self.installs(id).is_some() || self.mark_keep(id, depth);
            }
            if self.mode(id) == Mode::Install {
                return true;
            }
        }
        if !self.may_install(id, candidate, whole, asked) {
            return false;
        }
        if asked {
            self.choose_candidate(id, true);
        }
        if !whole {
            if !asked {
                self.choose_candidate(id, false);
            }
            return true;
        }
        self.mark_with_dependencies(id, candidate, depth, asked)
    }

    fn mark_with_dependencies(
        &mut self,
        id: PackageId,
        version: VersionId,
        depth: usize,
        asked: bool,
    ) -> bool {
        let protected = self.is_protected(id);
        let fails_early = !protected && !asked;
        let (needed, unwanted) = self.open_clauses(version, protected);
        let mut conflicts = conflicts::Conflicts::default();
        let mut good = self.settle_conflicts(version, &unwanted, &mut conflicts, depth, protected, asked);
        if !good && fails_early {
            return false;
        }
        if !asked {
            self.choose_candidate(id, false);
        }
        // nothing that follows may change this package
        self.protect(id);
        for step in 0..3 {
            let done = match step {
                0 => self.upgrade_conflicting(&conflicts.upgrade, depth, protected, asked),
                1 => self.install_needed(id, version, &needed, depth, protected, asked),
                _ => conflicts.remove.iter().all(|other| self.mark_delete(*other, depth) || !fails_early),
            };
            if !done && fails_early {
                self.unprotect(id);
                self.discard_install(id);
                return false;
            }
            good &= done;
        }
        if !protected {
            self.unprotect(id);
        }
        good
    }

    /// Clauses that do not hold yet; of a protected package all, for they have to be protected too.
    fn open_clauses(
        &self,
        version: VersionId,
        protected: bool,
    ) -> (Vec<&'p Clause<'u>>, Vec<&'p Clause<'u>>) {
        let clauses = self.clauses(version).iter();
        let open = clauses.filter(|clause| self.matters(clause.kind) && (protected || !self.holds(clause)));
        open.partition(|clause| !clause.kind.is_negative())
    }

    fn install_needed(
        &mut self,
        id: PackageId,
        version: VersionId,
        needed: &[&Clause<'u>],
        depth: usize,
        protected: bool,
        asked: bool,
    ) -> bool {
        let mut good = true;
        for clause in needed {
            if self.holds(clause) {
                if protected && clause.kind.is_requirement() {
                    good &= self.protect_only_way(clause, depth);
                }
                continue;
            }
            if !clause.kind.is_requirement() && self.ignored_before(id, version, clause) {
                continue;
            }
            if !self.install_one_of(clause, depth, protected) && clause.kind.is_requirement() {
                good = false;
                if !protected && !asked {
                    break;
                }
            }
        }
        good
    }

    /// What satisfies a clause and is the only thing that can, must not be touched any more.
    fn protect_only_way(&mut self, clause: &Clause<'u>, depth: usize) -> bool {
        let ways = self.ways(clause, Selection::Either);
        let [only] = ways.as_slice() else { return true };
        let other = self.pool.package_of(*only);
        if self.is_protected(other) {
            return true;
        }
        self.protect(other);
        self.mark_install(other, true, depth.saturating_add(1), false)
    }

    fn install_one_of(&mut self, clause: &Clause<'u>, depth: usize, protected: bool) -> bool {
        let ways = self.ways(clause, Selection::Candidate);
        let deeper = depth.saturating_add(1);
        for version in &ways {
            let other = self.pool.package_of(*version);
            if self.candidate(other) != Some(*version) {
                continue;
            }
            if protected && clause.kind.is_requirement() && ways.len() == 1 {
                if !self.mark_install(other, false, deeper, false) {
                    continue;
                }
                self.protect(other);
            }
            if self.mark_install(other, true, deeper, false) {
                return true;
            }
        }
        false
    }

    /// An upgrade does not bring in what was recommended before and not there.
    fn ignored_before(&self, id: PackageId, version: VersionId, clause: &Clause<'u>) -> bool {
        let Some(installed) = self.pool.package(id).installed.filter(|installed| *installed != version)
        else {
            return self.pool.package(id).installed.is_some();
        };
        let name = |clause: &Clause<'_>| clause.alternatives.first().map(|one| one.relation.name.to_owned());
        let mut known = self
            .clauses(installed)
            .iter()
            .filter(|old| old.kind == Kind::Recommends && name(old) == name(clause))
            .peekable();
        known.peek().is_some() && !known.any(|old| old.versions().any(|id| self.pool.is_installed(id)))
    }

    /// Versions that would satisfy (or offend) a clause, in the order in which apt tries them.
    fn ways(&self, clause: &Clause<'u>, selection: Selection) -> Vec<VersionId> {
        let (mut here, mut new) = (Vec::new(), Vec::new());
        for alternative in &clause.alternatives {
            let selected = alternative.versions.iter().copied().filter(|version| {
                let package = self.pool.package_of(*version);
                let is_candidate = self.candidate(package) == Some(*version);
                let is_installed = self.pool.is_installed(*version);
                match selection {
                    Selection::Candidate => is_candidate,
                    Selection::Installed => is_installed,
                    Selection::Either => is_candidate || is_installed,
                }
            });
            let mut selected: Vec<_> = selected.collect();
            let protected = |id| self.is_protected(id);
            selected.sort_by(|a, b| order::compare(self.pool, alternative.relation.name, protected, *a, *b));
            for version in selected {
                let package = self.pool.package(self.pool.package_of(version));
                let list = if package.installed.is_some() { &mut here } else { &mut new };
                if !list.contains(&version) {
                    list.push(version);
                }
            }
        }
        here.append(&mut new);
        if !clause.kind.is_negative() {
            here.retain(|version| !self.is_ruled_out(self.pool.package_of(*version)));
        }
        here
    }
}
