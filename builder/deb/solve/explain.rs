//! Why there is no solution, for whoever has to change the request.

use std::collections::BTreeSet;
use std::fmt;

use super::choices::Choices;
use super::pool::{PackageId, Pool, VersionId};
use super::provider::Fact;

/// More lines than these do not help anybody.
const LINES: usize = 24;

/// Why what was asked for cannot be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsolvable {
    lines: Vec<String>,
    hints: Vec<String>,
}

impl Unsolvable {
    pub(super) fn new(lines: Vec<String>, hints: Vec<String>) -> Self {
        Self { lines, hints }
    }

    /// The explanation, one step a line, indented by two spaces a level.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// What could be done about it.
    pub fn hints(&self) -> Vec<String> {
        self.hints.clone()
    }
}

impl fmt::Display for Unsolvable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for Unsolvable {}

/// Tells the facts as a tree that begins at what was asked for.
pub(super) fn explain(pool: &Pool<'_>, choices: &Choices, asked: &[PackageId], facts: &[Fact]) -> Unsolvable {
    let mut tree =
        Tree { pool, choices, facts, told: BTreeSet::new(), lines: Vec::new(), hints: BTreeSet::new() };
    // what was asked for comes before what has to stay anyway
    let roots = facts.iter().filter_map(|fact| match fact {
        Fact::Needs { who: None, any_of, .. } => any_of.first().copied(),
        _ => None,
    });
    let is_asked = |id: &VersionId| asked.contains(&pool.package_of(*id));
    let (first, last): (Vec<_>, Vec<_>) = roots.partition(is_asked);
    for id in first {
        tree.lines.push(format!("`{}` is asked for", pool.display(id)));
        tree.tell(id, 1);
    }
    for id in last {
        tree.lines.push(format!("`{}` has to stay", pool.display(id)));
        tree.tell(id, 1);
    }
    if tree.lines.len() > LINES {
        let more = tree.lines.len().saturating_sub(LINES);
        tree.lines.truncate(LINES);
        tree.lines.push(format!("({more} more lines)"));
    }
    Unsolvable::new(tree.lines, tree.hints.into_iter().collect())
}

struct Tree<'p, 'u> {
    pool: &'p Pool<'u>,
    choices: &'p Choices,
    facts: &'p [Fact],
    told: BTreeSet<VersionId>,
    lines: Vec<String>,
    hints: BTreeSet<String>,
}

impl Tree<'_, '_> {
    fn say(&mut self, depth: usize, text: &str) {
        self.lines.push(format!("{}{text}", "  ".repeat(depth)));
    }

    fn tell(&mut self, id: VersionId, depth: usize) {
        if !self.told.insert(id) {
            return;
        }
        for fact in self.facts {
            match fact {
                Fact::Conflict { who, with, what } if *who == id => {
                    self.tell_conflict(id, *with, what, depth)
                }
                Fact::Conflict { who, with, .. } if *with == id && !self.told.contains(who) => {
                    let text = format!("`{}` is in the way of it", self.pool.display(*who));
                    self.say(depth, &text);
                }
                Fact::Needs { who: Some(who), what, any_of } if *who == id => {
                    self.tell_need(what, any_of, depth);
                }
                _ => {}
            }
        }
    }

    fn tell_conflict(&mut self, who: VersionId, with: VersionId, what: &str, depth: usize) {
        let pool = self.pool;
        let (mine, its) = (pool.label(pool.package_of(who)), pool.label(pool.package_of(with)));
        let text = if mine == its {
            format!(
                "only one version of `{mine}` can be there, not also {}",
                pool.version(with).entry.version
            )
        } else if what == its || what.is_empty() {
            format!("it conflicts with `{}`", pool.display(with))
        } else {
            format!("it conflicts with `{what}`, which is `{}`", pool.display(with))
        };
        self.say(depth, &text);
        self.hints.insert(format!("leave out `{mine}` or `{its}`"));
    }

    fn tell_need(&mut self, what: &str, any_of: &[VersionId], depth: usize) {
        if any_of.is_empty() {
            self.say(depth, &format!("it needs `{what}`, which cannot be had"));
            self.tell_why_not(what, depth.saturating_add(1));
            return;
        }
        self.say(depth, &format!("it needs `{what}`"));
        for id in any_of {
            if self.told.contains(id) {
                continue;
            }
            let text = format!("`{}`", self.pool.display(*id));
            self.say(depth.saturating_add(1), &text);
            self.tell(*id, depth.saturating_add(2));
        }
    }

    /// What there is of the names of a relation, and why it does not count.
    fn tell_why_not(&mut self, what: &str, depth: usize) {
        for alternative in what.split('|') {
            let name = alternative.trim_ascii().split([' ', ':']).next().unwrap_or_default();
            let text = absent(self.pool, self.choices, name);
            self.say(depth, &text);
        }
    }
}

/// What there is of a name and why apt would not take it.
pub(super) fn absent(pool: &Pool<'_>, choices: &Choices, name: &str) -> String {
    let mut known = Vec::new();
    for id in pool.named(name) {
        for version in pool.package(id).versions.iter().copied() {
            let number = pool.version(version).entry.version;
            let state = if choices.gone.contains(&id) {
                "is to be removed".to_owned()
            } else if pool.package(id).held {
                if pool.is_installed(version) { "is held".to_owned() } else { continue }
            } else if choices.candidate(pool, id) == Some(version) {
                "is the candidate".to_owned()
            } else {
                format!("has priority {}", pool.priority(version))
            };
            known.push(format!("{number} {state}"));
        }
    }
    let providers: BTreeSet<_> =
        pool.providers(name).iter().map(|one| pool.label(pool.package_of(one.by))).collect();
    match (known.is_empty(), providers.is_empty()) {
        (true, true) => format!("no repository has `{name}`"),
        (true, false) => {
            let providers: Vec<_> = providers.into_iter().map(|name| format!("`{name}`")).collect();
            format!("`{name}` is provided by {}", providers.join(", "))
        }
        (false, _) => format!("of `{name}`, {}", known.join(", ")),
    }
}
