//! The relations of one version, and which versions satisfy or offend them.

use super::pool::{Architecture, Pool, VersionId};
use crate::relation::{self, Relation};
use crate::status::MultiArch;

/// What a relation means for the package that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    PreDepends,
    Depends,
    Conflicts,
    Breaks,
    Recommends,
    Suggests,
}

impl Kind {
    /// Depends or Pre-Depends: one of the versions has to be there.
    pub(super) fn is_requirement(self) -> bool {
        matches!(self, Self::PreDepends | Self::Depends)
    }

    /// Conflicts or Breaks: none of the versions may be there.
    pub(super) fn is_negative(self) -> bool {
        matches!(self, Self::Conflicts | Self::Breaks)
    }
}

/// One alternative of a relation.
#[derive(Debug)]
pub(super) struct Alternative<'u> {
    pub(super) relation: Relation<'u>,
    /// Versions of that name or that provide it.
    pub(super) versions: Vec<VersionId>,
}

/// Alternatives of which one is wanted, or, where negative, the one thing that is not.
#[derive(Debug)]
pub(super) struct Clause<'u> {
    pub(super) kind: Kind,
    pub(super) alternatives: Vec<Alternative<'u>>,
}

impl Clause<'_> {
    /// Versions of all alternatives.
    pub(super) fn versions(&self) -> impl Iterator<Item = VersionId> {
        self.alternatives.iter().flat_map(|alternative| alternative.versions.iter().copied())
    }
}

/// Reads the relations of a version in apt's order.
pub(super) fn clauses<'u>(pool: &Pool<'u>, owner: VersionId) -> Vec<Clause<'u>> {
    let entry = pool.version(owner).entry;
    let fields = [
        (Kind::PreDepends, entry.pre_depends),
        (Kind::Depends, entry.depends),
        (Kind::Conflicts, entry.conflicts),
        (Kind::Breaks, entry.breaks),
        (Kind::Recommends, entry.recommends),
        (Kind::Suggests, entry.suggests),
    ];
    let mut clauses = Vec::new();
    for (kind, field) in fields {
        // apt stops at what it cannot read, too
        for alternatives in relation::parse(field).unwrap_or_default() {
            let alternatives = alternatives
                .into_iter()
                .map(|relation| Alternative { versions: satisfying(pool, owner, kind, &relation), relation });
            clauses.push(Clause { kind, alternatives: alternatives.collect() });
        }
    }
    clauses
}

fn satisfying(pool: &Pool<'_>, owner: VersionId, kind: Kind, relation: &Relation<'_>) -> Vec<VersionId> {
    let package = pool.package(pool.package_of(owner));
    let mut found = Vec::new();
    for id in pool.named(relation.name) {
        // a package does not conflict with its other versions by name (apt, `DepIterator::IsIgnorable`)
        let itself =
            pool.package(id).name == package.name && (id == pool.package_of(owner) || pool.is_same(owner));
        if kind.is_negative() && itself {
            continue;
        }
        for version in pool.package(id).versions.iter().copied() {
            if relation.accepts(pool.version(version).entry.version)
                && reaches(pool, package.architecture, kind, relation, version)
            {
                found.push(version);
            }
        }
    }
    for provided in pool.providers(relation.name) {
        let by = pool.package(pool.package_of(provided.by));
        if kind.is_negative() && by.name == package.name {
            continue;
        }
        let right = match provided.version {
            Some(version) => relation.accepts(version),
            None => relation.version.is_none(),
        };
        let reached = reaches(pool, package.architecture, kind, relation, provided.by);
        if right && reached && !found.contains(&provided.by) {
            found.push(provided.by);
        }
    }
    found
}

/// Whether the architectures let `version` satisfy (or offend) a relation of a package of `architecture`.
fn reaches(
    pool: &Pool<'_>,
    architecture: Architecture,
    kind: Kind,
    relation: &Relation<'_>,
    version: VersionId,
) -> bool {
    let multi_arch = pool.version(version).entry.multi_arch;
    let its = pool.package(pool.package_of(version)).architecture;
    match relation.qualifier {
        None => kind.is_negative() || its == architecture || multi_arch == MultiArch::Foreign,
        Some("any") => kind.is_negative() || multi_arch == MultiArch::Allowed,
        Some("native") => its == 0,
        Some(name) => pool.architecture(name) == Some(its),
    }
}

/// A clause as it is written.
pub(super) fn display(clause: &Clause<'_>) -> String {
    let alternatives: Vec<_> = clause.alternatives.iter().map(|one| one.relation.to_string()).collect();
    alternatives.join(" | ")
}
