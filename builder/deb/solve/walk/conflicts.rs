//! What a package to be installed does to those it conflicts with.

use super::{Mode, Selection, Walk};
use crate::solve::dependencies::Clause;
use crate::solve::pool::{PackageId, VersionId};

/// Packages in the way.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    /// Those whose candidate is not in the way.
    pub(super) upgrade: Vec<PackageId>,
    /// Those that have to go, once all else is settled.
    pub(super) remove: Vec<PackageId>,
    /// Those whose candidate is in the way, too.
    bad_candidate: Vec<PackageId>,
}

impl<'u> Walk<'_, 'u> {
    /// Keeps out candidates that are in the way and finds what to do about installed versions that are.
    pub(super) fn settle_conflicts(
        &mut self,
        by: VersionId,
        unwanted: &[&Clause<'u>],
        conflicts: &mut Conflicts,
        depth: usize,
        protected: bool,
        asked: bool,
    ) -> bool {
        let mut good = true;
        for clause in unwanted {
            good &= self.settle_candidates(clause, conflicts, depth, protected, asked);
            if !good && !protected && !asked {
                return false;
            }
            good &= self.settle_installed(clause, conflicts, depth, protected, asked);
            if !good && !protected && !asked {
                return false;
            }
        }
        // a package may be in the way twice
        let itself = self.pool.package_of(by);
        conflicts.upgrade.retain(|id| *id != itself);
        good
    }

    fn settle_candidates(
        &mut self,
        clause: &Clause<'u>,
        conflicts: &mut Conflicts,
        depth: usize,
        protected: bool,
        asked: bool,
    ) -> bool {
        let mut good = true;
        for version in self.ways(clause, Selection::Candidate) {
            let id = self.pool.package_of(version);
            let installed = self.pool.package(id).installed;
            if self.candidate(id) != Some(version) {
                continue;
            }
            let settled = if installed == Some(version) {
                self.plan_removal(id, conflicts, depth, protected)
            } else if self.mode(id) == Mode::Install && !self.mark_keep(id, depth) {
                false
            } else {
                if protected {
                    self.discard_candidate(id);
                    if installed.is_none() {
                        self.protect(id);
                    }
                } else {
                    conflicts.bad_candidate.push(id);
                }
                true
            };
            good &= settled;
            if !settled && !protected && !asked {
                break;
            }
        }
        good
    }

    fn settle_installed(
        &mut self,
        clause: &Clause<'u>,
        conflicts: &mut Conflicts,
        depth: usize,
        protected: bool,
        asked: bool,
    ) -> bool {
        let mut good = true;
        for version in self.ways(clause, Selection::Installed) {
            let id = self.pool.package_of(version);
            let candidate = self.candidate(id);
            if candidate.is_some() && candidate != Some(version) && !conflicts.bad_candidate.contains(&id) {
                conflicts.upgrade.push(id);
            } else if candidate != Some(version) && !self.plan_removal(id, conflicts, depth, protected) {
                good = false;
                if !protected && !asked {
                    break;
                }
            }
        }
        good
    }

    fn plan_removal(
        &mut self,
        id: PackageId,
        conflicts: &mut Conflicts,
        depth: usize,
        protected: bool,
    ) -> bool {
        if !protected {
            if self.mode(id) == Mode::Delete {
                return true;
            }
            if !self.may_change(id, Mode::Delete, depth, false) || !self.may_delete(id) {
                return false;
            }
            conflicts.remove.push(id);
            return true;
        }
        if self.mode(id) != Mode::Delete && !self.mark_delete(id, depth.saturating_add(1)) {
            return false;
        }
        self.discard_candidate(id);
        self.protect(id);
        true
    }

    /// Upgrades what is in the way only in its installed version, or removes it.
    pub(super) fn upgrade_conflicting(
        &mut self,
        packages: &[PackageId],
        depth: usize,
        protected: bool,
        asked: bool,
    ) -> bool {
        let deeper = depth.saturating_add(1);
        let mut good = true;
        for id in packages.iter().copied() {
            if self.mode(id) == Mode::Install || self.mark_install(id, true, deeper, false) {
                continue;
            }
            if self.mark_delete(id, deeper) {
                if protected {
                    self.protect(id);
                }
            } else {
                good = false;
                if !protected && !asked {
                    break;
                }
            }
        }
        good
    }
}
