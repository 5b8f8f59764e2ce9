//! From a request to a solution.

use std::collections::BTreeSet;

use super::choices::Choices;
use super::dependencies::Clause;
use super::explain::{self, Unsolvable};
use super::order;
use super::pool::{PackageId, Pool, VersionId};
use super::provider::{self, Fact};
use super::request::{Request, Wish};
use super::solution::{Outcome, Solution};
use super::universe::Universe;
use super::walk::{Mode, Walk};
use crate::version;

/// Finds what to install, upgrade and remove.
///
/// # Errors
/// Why it is not possible.
pub fn solve<'u>(universe: &'u Universe<'_>, request: &'u Request) -> Result<Solution<'u>, Unsolvable> {
    let pool = Pool::new(universe, request);
    let (asked, choices) = wishes(&pool, request)?;
    let resolver = Resolver { pool: &pool, request, asked };
    let (choices, there) = resolver.resolve(choices)?;
    let there = there.into_iter().map(|version| (pool.package_of(version), version)).collect();
    let outcome = Outcome { pool: &pool, request, choices: &choices, asked: &resolver.asked, there };
    Ok(outcome.solution())
}

/// Packages asked for, the candidates that follow from that, and what is to go.
fn wishes(pool: &Pool<'_>, request: &Request) -> Result<(Vec<PackageId>, Choices), Unsolvable> {
    let mut choices = Choices { conservative: true, ..Choices::default() };
    let (mut asked, mut switches, mut problems, mut hints) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for text in &request.remove {
        let wish = Wish::parse(text);
        let found = package(pool, &wish);
        if let Some(id) = found.filter(|id| pool.must_stay(*id)) {
            problems.push(format!("`{}` is essential and cannot be removed", pool.label(id)));
        }
        choices.gone.extend(found);
    }
    for text in &request.install {
        let wish = Wish::parse(text);
        match wanted(pool, &wish) {
            Ok(version) => {
                let id = pool.package_of(version);
                if choices.gone.contains(&id) {
                    problems.push(format!("`{}` is to be installed and removed", pool.label(id)));
                }
                choices.candidates.insert(id, Some(version));
                if !asked.contains(&id) {
                    asked.push(id);
                }
                switches.extend(wish.suite.map(|suite| (version, suite)));
            }
            Err(problem) => {
                problems.push(problem);
                hints.push(format!("check the spelling of `{}` and which repositories are read", wish.name));
            }
        }
    }
    if !problems.is_empty() {
        return Err(Unsolvable::new(problems, hints));
    }
    for (version, suite) in switches {
        follow_suite(pool, &mut choices, version, suite, 0);
    }
    Ok((asked, choices))
}

fn package(pool: &Pool<'_>, wish: &Wish<'_>) -> Option<PackageId> {
    let all = || pool.named(wish.name).filter(|id| !pool.package(*id).versions.is_empty());
    match wish.architecture {
        Some(name) => all().find(|id| Some(pool.package(*id).architecture) == pool.architecture(name)),
        None => all().min_by_key(|id| pool.package(*id).architecture),
    }
}

/// The version that is asked for, or why there is none.
fn wanted(pool: &Pool<'_>, wish: &Wish<'_>) -> Result<VersionId, String> {
    let name = wish.name;
    let none = || explain::absent(pool, &Choices::default(), name);
    let Some(id) = package(pool, wish) else { return only_provider(pool, wish).ok_or_else(none) };
    let mut versions = pool.package(id).versions.iter().copied();
    if let Some(wanted) = wish.version {
        let found = versions.find(|id| version::compare(pool.version(*id).entry.version, wanted).is_eq());
        return found.ok_or_else(|| format!("there is no version {wanted} of `{name}`: {}", none()));
    }
    if let Some(suite) = wish.suite {
        let found = of_suite(pool, id, suite);
        return found.ok_or_else(|| format!("there is no `{name}` in {suite}: {}", none()));
    }
    let candidate = pool.unheld_candidate(id).or(pool.package(id).installed);
    let candidate = candidate.or_else(|| only_provider(pool, wish));
    candidate.ok_or_else(|| format!("no version of `{name}` may be installed: {}", none()))
}

/// apt takes what provides a name if that is one package only.
fn only_provider(pool: &Pool<'_>, wish: &Wish<'_>) -> Option<VersionId> {
    let provided = pool.providers(wish.name).iter().map(|provided| provided.by);
    let mut candidates = provided.filter(|by| pool.candidate(pool.package_of(*by)) == Some(*by));
    let first = candidates.next()?;
    let same = |other: VersionId| pool.package_of(other) == pool.package_of(first);
    (wish.version.is_none() && wish.suite.is_none() && candidates.all(same)).then_some(first)
}

fn of_suite(pool: &Pool<'_>, id: PackageId, suite: &str) -> Option<VersionId> {
    let within = |version: &VersionId| {
        let mut archives = pool.version(*version).archives.iter();
        archives.any(|(archive, _)| {
            pool.archives().get(*archive).is_some_and(|one| one.suite == suite || one.codename == suite)
        })
    };
    pool.package(id).versions.iter().copied().find(within)
}

/// Takes from that suite what a version of it needs in versions that are not candidates, and what these need in
/// turn (apt, `SetCandidateRelease`).
fn follow_suite(pool: &Pool<'_>, choices: &mut Choices, version: VersionId, suite: &str, depth: usize) {
    if depth > 100 {
        return;
    }
    for clause in pool.clauses(version).iter().filter(|clause| clause.kind.is_requirement()) {
        if clause.versions().any(|version| is_at_hand(pool, choices, version)) {
            continue;
        }
        let versioned = clause.alternatives.iter().filter(|one| one.relation.version.is_some());
        let mut ways = versioned.flat_map(|one| one.versions.iter().copied());
        let other = ways.find(|way| of_suite(pool, pool.package_of(*way), suite) == Some(*way));
        if let Some(other) = other {
            choices.candidates.insert(pool.package_of(other), Some(other));
            follow_suite(pool, choices, other, suite, depth.saturating_add(1));
        }
    }
}

/// Whether a version is installed, or is a candidate whose own needs candidates can meet.
fn is_at_hand(pool: &Pool<'_>, choices: &Choices, version: VersionId) -> bool {
    let is_candidate =
        |version: VersionId| choices.candidate(pool, pool.package_of(version)) == Some(version);
    let is_met = |version: VersionId| pool.is_installed(version) || is_candidate(version);
    if pool.is_installed(version) {
        return true;
    }
    let clauses = pool.clauses(version);
    is_candidate(version)
        && clauses
            .iter()
            .filter(|clause| clause.kind.is_requirement())
            .all(|clause| clause.versions().any(is_met))
}

/// What has to be there, what must not, and what would be nice.
struct Attempt {
    choices: Choices,
    hard: Vec<Vec<VersionId>>,
}

type Versions = BTreeSet<VersionId>;

struct Resolver<'p, 'u> {
    pool: &'p Pool<'u>,
    request: &'p Request,
    asked: Vec<PackageId>,
}

impl<'p, 'u> Resolver<'p, 'u> {
    fn installed(&self) -> impl Iterator<Item = PackageId> {
        self.pool.packages().filter(|id| self.pool.package(*id).installed.is_some())
    }

    /// Tries what apt would do, then all that leaves the installed packages there, then what lets some go.
    fn resolve(&self, mut choices: Choices) -> Result<(Choices, Versions), Unsolvable> {
        choices.conservative = !self.request.upgrade;
        let refused = choices.gone.clone();
        let walk = self.walk(&choices);
        let wish = self.wished(&walk, &choices);
        let found = provider::choose(self.pool, &wish.choices, &wish.hard, &[]);
        if let Ok(there) = found {
            return Ok((wish.choices, there));
        }
        choices.wished = wish.choices.wished;
        let mut sets_gone = vec![wish.choices.gone];
        if sets_gone.first() != Some(&refused) {
            sets_gone.push(refused);
        }
        for gone in &sets_gone {
            choices.gone.clone_from(gone);
            let hard = self.hard(&choices, |id| !gone.contains(&id));
            if let Ok(there) = provider::choose(self.pool, &choices, &hard, &[]) {
                return Ok((choices, there));
            }
        }
        let mut facts = Vec::new();
        for gone in sets_gone {
            choices.gone = gone;
            match self.let_go(&choices) {
                Ok(solved) => return Ok(solved),
                Err(why) => facts = why,
            }
        }
        Err(explain::explain(self.pool, &choices, &self.asked, &facts))
    }

    /// Marks packages as apt does.
    fn walk(&self, choices: &Choices) -> Walk<'p, 'u> {
        let mut walk = Walk::new(self.pool, self.request.recommends, choices.candidates.clone());
        for id in &self.asked {
            walk.ask_for(*id);
        }
        for id in &choices.gone {
            walk.refuse(*id);
        }
        let mut in_order = self.asked.clone();
        in_order.sort_by_key(|id| order::mention(self.pool, *id));
        for id in in_order {
            walk.complete(id);
        }
        if self.request.upgrade {
            walk.upgrade_all();
        } else {
            walk.upgrade_broken();
        }
        walk
    }

    /// The versions of the walk as an attempt, without those that nothing needs in the end.
    fn wished(&self, walk: &Walk<'_, '_>, choices: &Choices) -> Attempt {
        let mut choices = choices.clone();
        let changed: BTreeSet<_> = walk.changed().collect();
        let deleted = changed.iter().copied().filter(|id| walk.mode(*id) == Mode::Delete);
        choices.gone.extend(deleted);
        let needed = self.needed(walk, &changed);
        let mut hard = Vec::new();
        for id in self.installed().chain(changed).collect::<BTreeSet<_>>() {
            if let Some(version) = walk.installs(id).filter(|_| needed.contains(&id)) {
                choices.wished.insert(id, version);
                hard.push(vec![version]);
            }
        }
        Attempt { choices, hard }
    }

    /// Installed packages, those asked for, and whatever they need or like to have.
    fn needed(&self, walk: &Walk<'_, '_>, changed: &BTreeSet<PackageId>) -> BTreeSet<PackageId> {
        let mut needed = BTreeSet::new();
        let mut open: Vec<_> = self.installed().chain(self.asked.iter().copied()).collect();
        while let Some(id) = open.pop() {
            let Some(version) = walk.installs(id).filter(|_| needed.insert(id)) else { continue };
            let clauses = self.pool.clauses(version).iter().filter(|clause| !clause.kind.is_negative());
            let others = clauses.flat_map(Clause::versions).filter(|other| {
                let package = self.pool.package_of(*other);
                changed.contains(&package) && walk.installs(package) == Some(*other)
            });
            open.extend(others.map(|other| self.pool.package_of(other)));
        }
        needed
    }

    /// What is asked for, and the installed packages that have to stay.
    fn hard(&self, choices: &Choices, stays: impl Fn(PackageId) -> bool) -> Vec<Vec<VersionId>> {
        let asked = self.asked.iter().filter_map(|id| choices.candidate(self.pool, *id));
        let staying = self.installed().filter(|id| stays(*id) && !self.asked.contains(id));
        let staying = staying.map(|id| choices.allowed(self.pool, id));
        asked.map(|version| vec![version]).chain(staying).collect()
    }

    /// Finds which installed packages cannot stay, then solves without them.
    fn let_go(&self, choices: &Choices) -> Result<(Choices, Versions), Vec<Fact>> {
        let pool = self.pool;
        let fixed = |id: PackageId| pool.must_stay(id) || pool.package(id).held;
        let mut choices = choices.clone();
        let hard = self.hard(&choices, |id| fixed(id) && !choices.gone.contains(&id));
        let others = pool.sorted(self.installed().filter(|id| !fixed(*id)).collect());
        let soft: Vec<_> = others.iter().flat_map(|id| choices.allowed(pool, *id)).collect();
        let there = provider::choose(pool, &choices, &hard, &soft)?;
        let stay: BTreeSet<_> = there.iter().map(|version| pool.package_of(*version)).collect();
        choices.gone.extend(self.installed().filter(|id| !stay.contains(id)));
        let hard = self.hard(&choices, |id| stay.contains(&id));
        let there = provider::choose(pool, &choices, &hard, &[])?;
        Ok((choices, there))
    }
}
