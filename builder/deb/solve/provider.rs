//! The solver: packages and relations as `resolvo` wants them. No other file knows that crate.
//!
//! A name of the solver is a package of one architecture, a solvable is a version of it. Only versions that apt
//! could choose are offered: the installed one and the candidate. Requirements list the versions that satisfy
//! them, best first; conflicts are given by their complement, as the solver knows only what may be chosen.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Display;

use resolvo::conflict::{ConflictCause, ConflictEdge, ConflictNode};
use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider, Interner,
    KnownDependencies, NameId, Problem, Requirement, SolvableId, Solver, SolverCache, StringId,
    UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};

use super::choices::Choices;
use super::dependencies::{self, Clause};
use super::order;
use super::pool::{PackageId, Pool, VersionId};

/// One step of an explanation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    /// The request (`None`) or a version needs one of these.
    Needs { who: Option<VersionId>, what: String, any_of: Vec<VersionId> },
    /// Two versions cannot be there together.
    Conflict { who: VersionId, with: VersionId, what: String },
}

/// Finds versions such that one of each of `hard` is there, and as many of `soft` as fit, in their order.
///
/// # Errors
/// Why there are none for `hard`.
pub(super) fn choose(
    pool: &Pool<'_>,
    choices: &Choices,
    hard: &[Vec<VersionId>],
    soft: &[VersionId],
) -> Result<BTreeSet<VersionId>, Vec<Fact>> {
    let provider = Provider { pool, choices, sets: RefCell::default() };
    let requirements = hard.iter().map(|any_of| provider.root_requirement(any_of)).collect();
    let problem = Problem::new()
        .requirements(requirements)
        .soft_requirements(soft.iter().map(|version| solvable(*version)).collect::<Vec<_>>());
    let mut solver = Solver::new(provider);
    match solver.solve(problem) {
        Ok(solvables) => Ok(solvables.into_iter().map(version).collect()),
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => Err(facts(&solver, &conflict)),
        Err(UnsolvableOrCancelled::Cancelled(_)) => Err(Vec::new()),
    }
}

fn solvable(version: VersionId) -> SolvableId {
    SolvableId::from_raw(version.raw())
}

fn version(solvable: SolvableId) -> VersionId {
    VersionId::from_raw(solvable.into_raw())
}

#[derive(Debug, Clone)]
struct Set {
    name: Name,
    members: Members,
    label: String,
}

#[derive(Debug, Clone)]
enum Members {
    Only(Vec<VersionId>),
    AllBut(Vec<VersionId>),
}

#[derive(Debug, Clone, Copy)]
enum Name {
    Package(PackageId),
    /// A name that no package has; the number of its label.
    Unknown(u32),
}

#[derive(Debug, Default)]
struct Sets {
    sets: Vec<Set>,
    single: HashMap<VersionId, VersionSetId>,
    unions: Vec<Vec<VersionSetId>>,
    known_unions: HashMap<Vec<VersionSetId>, VersionSetUnionId>,
    unknown: Vec<String>,
}

fn number(length: usize) -> u32 {
    u32::try_from(length).expect("memory ends before 2^32 relations")
}

fn position(id: u32) -> usize {
    usize::try_from(id).expect("pimg runs on machines of 32 bits or more")
}

impl Sets {
    fn add(&mut self, set: Set) -> VersionSetId {
        let id = VersionSetId(number(self.sets.len()));
        self.sets.push(set);
        id
    }

    fn unknown(&mut self, name: &str) -> Name {
        let known = self.unknown.iter().position(|known| known == name);
        Name::Unknown(number(known.unwrap_or_else(|| {
            self.unknown.push(name.to_owned());
            self.unknown.len().saturating_sub(1)
        })))
    }

    fn union(&mut self, sets: Vec<VersionSetId>) -> Requirement {
        if let [only] = sets.as_slice() {
            return Requirement::Single(*only);
        }
        if let Some(known) = self.known_unions.get(&sets) {
            return Requirement::Union(*known);
        }
        let id = VersionSetUnionId(number(self.unions.len()));
        self.unions.push(sets.clone());
        self.known_unions.insert(sets, id);
        Requirement::Union(id)
    }
}

struct Provider<'p, 'u> {
    pool: &'p Pool<'u>,
    choices: &'p Choices,
    sets: RefCell<Sets>,
}

impl Provider<'_, '_> {
    fn set(&self, id: VersionSetId) -> Set {
        let sets = self.sets.borrow();
        sets.sets.get(position(id.0)).cloned().expect("the solver asks only for sets it was given")
    }

    fn name_id(&self, name: Name) -> NameId {
        NameId::from_raw(match name {
            Name::Package(id) => id.raw(),
            Name::Unknown(label) => number(self.pool.package_count()).saturating_add(label),
        })
    }

    fn package(&self, name: NameId) -> Option<PackageId> {
        let id = PackageId::from_raw(name.into_raw());
        (id.index() < self.pool.package_count()).then_some(id)
    }

    fn root_requirement(&self, any_of: &[VersionId]) -> ConditionalRequirement {
        let label = any_of.first().map(|id| self.pool.label(self.pool.package_of(*id))).unwrap_or_default();
        self.requirement(any_of.to_vec(), &label, &label)
    }

    fn requirement(&self, versions: Vec<VersionId>, name: &str, label: &str) -> ConditionalRequirement {
        let mut sets = self.sets.borrow_mut();
        let mut members = Vec::with_capacity(versions.len());
        for id in versions {
            let known = sets.single.get(&id).copied();
            members.push(known.unwrap_or_else(|| {
                let name = Name::Package(self.pool.package_of(id));
                let set = Set { name, members: Members::Only(vec![id]), label: label.to_owned() };
                let added = sets.add(set);
                sets.single.insert(id, added);
                added
            }));
        }
        if members.is_empty() {
            let unknown = self.pool.named(name).next().map(Name::Package);
            let name = unknown.unwrap_or_else(|| sets.unknown(name));
            let set = Set { name, members: Members::Only(Vec::new()), label: label.to_owned() };
            members.push(sets.add(set));
        }
        sets.union(members).into()
    }

    /// Versions that satisfy a clause, best first: those wished for, those of installed packages, apt's order.
    fn ways(&self, clause: &Clause<'_>) -> Vec<VersionId> {
        let pool = self.pool;
        let mut ways = Vec::new();
        for alternative in &clause.alternatives {
            let allowed = alternative.versions.iter().copied().filter(|id| self.choices.allows(pool, *id));
            let mut allowed: Vec<_> = allowed.collect();
            allowed.sort_by(|a, b| {
                let older = |id: VersionId| self.rank(id);
                order::compare(pool, alternative.relation.name, |_| false, *a, *b)
                    .then_with(|| older(*a).cmp(&older(*b)))
            });
            ways.extend(allowed.into_iter().filter(|id| !ways.contains(id)).collect::<Vec<_>>());
        }
        ways.sort_by_key(|id| {
            let package = pool.package_of(*id);
            let wished = self.choices.wished.get(&package) == Some(id);
            (!wished, pool.package(package).installed.is_none())
        });
        ways
    }

    fn rank(&self, id: VersionId) -> usize {
        let allowed = self.choices.allowed(self.pool, self.pool.package_of(id));
        allowed.iter().position(|other| *other == id).unwrap_or(usize::MAX)
    }

    /// Sets that leave out what must not be there together with a version.
    fn constrains(&self, id: VersionId) -> Vec<VersionSetId> {
        let pool = self.pool;
        let mut unwanted: BTreeMap<PackageId, (Vec<VersionId>, String)> = BTreeMap::new();
        for clause in pool.clauses(id).iter().filter(|clause| clause.kind.is_negative()) {
            for other in clause.versions().filter(|other| self.choices.allows(pool, *other)) {
                let entry = unwanted.entry(pool.package_of(other)).or_default();
                entry.0.push(other);
                entry.1 = dependencies::display(clause);
            }
        }
        let package = pool.package_of(id);
        let together = |other: VersionId| {
            let (mine, its) = (pool.version(id).entry, pool.version(other).entry);
            pool.is_same(id) && pool.is_same(other) && mine.version == its.version
        };
        for sibling in pool.named(pool.package(package).name).filter(|sibling| *sibling != package) {
            for other in self.choices.allowed(pool, sibling).into_iter().filter(|other| !together(*other)) {
                let entry = unwanted.entry(sibling).or_default();
                entry.0.push(other);
                entry.1 = format!("{} in another version or architecture", pool.package(package).name);
            }
        }
        let mut sets = self.sets.borrow_mut();
        let unwanted = unwanted.into_iter().filter(|(other, _)| *other != package);
        unwanted
            .map(|(other, (versions, label))| {
                sets.add(Set { name: Name::Package(other), members: Members::AllBut(versions), label })
            })
            .collect()
    }
}

impl Interner for Provider<'_, '_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.pool.display(version(solvable))
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        match self.package(name) {
            Some(id) => self.pool.label(id),
            None => {
                let label = name.into_raw().saturating_sub(number(self.pool.package_count()));
                self.sets.borrow().unknown.get(position(label)).cloned().unwrap_or_default()
            }
        }
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        self.set(set).label
    }

    fn display_string(&self, _: StringId) -> impl Display + '_ {
        ""
    }

    fn version_set_name(&self, set: VersionSetId) -> NameId {
        self.name_id(self.set(set).name)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        self.name_id(Name::Package(self.pool.package_of(version(solvable))))
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        self.sets.borrow().unions.get(position(union.0)).cloned().unwrap_or_default().into_iter()
    }

    fn resolve_condition(&self, _: ConditionId) -> Condition {
        unreachable!("no requirement is given with a condition")
    }
}

impl DependencyProvider for Provider<'_, '_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let set = self.set(set);
        let within = |id: SolvableId| match &set.members {
            Members::Only(versions) => versions.contains(&version(id)),
            Members::AllBut(versions) => !versions.contains(&version(id)),
        };
        candidates.iter().copied().filter(|id| within(*id) != inverse).collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let allowed = self.choices.allowed(self.pool, self.package(name)?);
        Some(Candidates { candidates: allowed.into_iter().map(solvable).collect(), ..Candidates::default() })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_by_key(|id| self.rank(version(*id)));
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let id = version(solvable);
        let required = self.pool.clauses(id).iter().filter(|clause| clause.kind.is_requirement());
        let requirements = required.map(|clause| {
            let name = clause.alternatives.first().map_or("", |one| one.relation.name);
            self.requirement(self.ways(clause), name, &dependencies::display(clause))
        });
        let requirements = requirements.collect();
        Dependencies::Known(KnownDependencies { requirements, constrains: self.constrains(id) })
    }
}

/// The conflict as the solver found it, one fact an edge or set of alternatives.
fn facts(solver: &Solver<Provider<'_, '_>>, conflict: &resolvo::conflict::Conflict) -> Vec<Fact> {
    let provider = solver.provider();
    let graph = conflict.graph(solver).graph;
    let node = |index| match graph.node_weight(index) {
        Some(ConflictNode::Solvable(id)) => Some(version(*id)),
        _ => None,
    };
    let mut needs: BTreeMap<(Option<VersionId>, Requirement), Vec<VersionId>> = BTreeMap::new();
    let mut facts = Vec::new();
    for edge in graph.raw_edges() {
        let (who, target) = (node(edge.source()), node(edge.target()));
        match (&edge.weight, who, target) {
            (ConflictEdge::Requires(requirement), who, target) => {
                needs.entry((who, *requirement)).or_default().extend(target);
            }
            (ConflictEdge::Conflict(ConflictCause::Constrains(set)), Some(who), Some(with)) => {
                facts.push(Fact::Conflict { who, with, what: provider.set(*set).label });
            }
            (ConflictEdge::Conflict(_), Some(who), Some(with)) => {
                facts.push(Fact::Conflict { who, with, what: String::new() });
            }
            (ConflictEdge::Conflict(_), _, _) => {}
        }
    }
    facts.extend(needs.into_iter().map(|((who, requirement), any_of)| {
        let what = match (who, requirement) {
            (Some(id), _) => provider.clause_text(id, &any_of, requirement),
            (None, requirement) => requirement.display(provider).to_string(),
        };
        Fact::Needs { who, what, any_of }
    }));
    facts
}

impl Provider<'_, '_> {
    /// The relation of a version that made a requirement.
    fn clause_text(&self, id: VersionId, any_of: &[VersionId], requirement: Requirement) -> String {
        let mut clauses = self.pool.clauses(id).iter().filter(|clause| clause.kind.is_requirement());
        if let (true, Requirement::Single(set)) = (any_of.is_empty(), requirement) {
            return self.set(set).label;
        }
        let text = clauses.find(|clause| any_of.iter().all(|one| clause.versions().any(|v| v == *one)));
        text.map(dependencies::display).unwrap_or_default()
    }
}
