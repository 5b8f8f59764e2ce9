//! Which of several versions that satisfy a relation apt takes first.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::pool::{PackageId, Pool, VersionId};
use crate::index::{Entry, Priority};
use crate::relation;

/// The order of apt among the versions that satisfy one alternative (apt, `CompareProviders`).
///
/// `target` is the name asked for, `protected` says which packages may not be changed any more.
pub(super) fn compare(
    pool: &Pool<'_>,
    target: &str,
    protected: impl Fn(PackageId) -> bool,
    a: VersionId,
    b: VersionId,
) -> Ordering {
    let (id_a, id_b) = (pool.package_of(a), pool.package_of(b));
    let (package_a, package_b) = (pool.package(id_a), pool.package(id_b));
    let (entry_a, entry_b) = (pool.version(a).entry, pool.version(b).entry);
    let sibling = |version: VersionId, name: &str| {
        pool.is_same(version) && pool.named(name).any(|id| pool.package(id).installed.is_some())
    };
    let first = |a: bool, b: bool| b.cmp(&a);
    first(protected(id_a), protected(id_b))
        .then_with(|| first(sibling(a, package_a.name), sibling(b, package_b.name)))
        .then_with(|| first(package_a.installed.is_some(), package_b.installed.is_some()))
        .then_with(|| first(package_a.name == target, package_b.name == target))
        .then_with(|| first(entry_a.essential, entry_b.essential))
        .then_with(|| first(entry_a.protected, entry_b.protected))
        .then_with(|| package_a.architecture.cmp(&package_b.architecture))
        .then_with(|| rank(entry_a.priority).cmp(&rank(entry_b.priority)))
        .then_with(|| mention(pool, id_b).cmp(&mention(pool, id_a)))
}

/// apt's numbers; a package without a priority comes before all others there.
fn rank(priority: Priority) -> u8 {
    match priority {
        Priority::Unknown => 0,
        Priority::Required => 1,
        Priority::Important => 2,
        Priority::Standard => 3,
        Priority::Optional => 4,
        Priority::Extra => 5,
    }
}

/// When the name of a package came up first as apt read the indexes; this is how its packages are numbered.
pub(super) fn mention(pool: &Pool<'_>, id: PackageId) -> (usize, usize) {
    let package = pool.package(id);
    let mentions = pool.mentions().get_or_init(|| mentions(pool));
    (mentions.get(package.name).copied().unwrap_or(usize::MAX), package.architecture)
}

/// apt reads the indexes in the order of its sources and dpkg's status last (`pkgCacheGenerator`).
fn mentions<'u>(pool: &Pool<'u>) -> HashMap<&'u str, usize> {
    let universe = pool.universe();
    let mut mentions = HashMap::with_capacity(pool.package_count().saturating_mul(2));
    let mut meet = |name: &'u str| {
        let next = mentions.len();
        mentions.entry(name).or_insert(next);
    };
    let available = universe.indexes.iter().flat_map(|(_, entries)| entries);
    for entry in available.chain(&universe.installed) {
        meet(entry.package);
        names(entry, &mut meet);
    }
    mentions
}

fn names<'u>(entry: &'u Entry<'u>, meet: &mut impl FnMut(&'u str)) {
    let fields = [
        entry.pre_depends,
        entry.depends,
        entry.conflicts,
        entry.breaks,
        entry.recommends,
        entry.suggests,
        entry.replaces,
        entry.provides,
    ];
    for field in fields.into_iter().filter(|field| !field.is_empty()) {
        for relation in relation::parse(field).unwrap_or_default().into_iter().flatten() {
            meet(relation.name);
        }
    }
}
