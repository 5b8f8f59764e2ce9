//! What wins when several layers speak of one path, and in which order changes apply.
//!
//! Nothing wins silently. Two changes of one path are one where they ask for the same, the later one wins
//! where its overlay says so (`[[replace]]`), and everything else is a collision that names both origins.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::change::{Action, Change, Content, Origin, Partition};
use super::path::GuestPath;

/// Two layers that cannot both have their way.
#[derive(Debug, thiserror::Error)]
#[error("two layers disagree about {path} ({partition} partition)\n  {first}\n  {second}")]
pub struct Collision {
    /// `boot` or `root`.
    pub partition: &'static str,
    /// The path that both speak of.
    pub path: GuestPath,
    /// What the first asks for, and where it comes from.
    pub first: String,
    /// What the second asks for, and where it comes from.
    pub second: String,
}

impl Collision {
    fn between(first: &Change, second: &Change) -> Self {
        Self {
            partition: first.partition.name(),
            path: second.path.clone(),
            first: format!("{} by {}", first.action.verb(), first.origin),
            second: format!("{} by {}", second.action.verb(), second.origin),
        }
    }
}

/// Merges the changes of all layers, in the order of the layers, into the order in which they apply:
/// removals, then directories, files, links, owners, each sorted by path.
///
/// `may_replace` says whether the origin of the second change may take the place of the first.
///
/// # Errors
/// All collisions.
pub fn merge(
    changes: impl IntoIterator<Item = Change>,
    may_replace: impl Fn(&Change, &Change) -> bool,
) -> Result<Vec<Change>, Vec<Collision>> {
    let mut by_path: BTreeMap<(Partition, GuestPath), Change> = BTreeMap::new();
    let mut collisions = Vec::new();
    for change in changes {
        match by_path.entry((change.partition, change.path.clone())) {
            Entry::Vacant(vacant) => {
                vacant.insert(change);
            }
            Entry::Occupied(mut occupied) => {
                let earlier = occupied.get();
                if asks_the_same(&earlier.action, &change.action) {
                    continue;
                }
                if !may_replace(earlier, &change) {
                    collisions.push(Collision::between(earlier, &change));
                }
                occupied.insert(change);
            }
        }
    }
    collisions.extend(by_path.values().filter_map(|change| collision_with_a_parent(change, &by_path)));
    if !collisions.is_empty() {
        return Err(collisions);
    }
    let mut merged: Vec<Change> = by_path.into_values().collect();
    // BTreeMap has sorted by path already, and the sort is stable
    merged.sort_by_key(|change| change.action.phase());
    Ok(merged)
}

/// A file, link or removal cannot have entries below it: whoever puts one there disagrees.
fn collision_with_a_parent(
    change: &Change,
    by_path: &BTreeMap<(Partition, GuestPath), Change>,
) -> Option<Collision> {
    if matches!(change.action, Action::Remove) {
        return None;
    }
    let mut above = change.path.parent();
    while let Some(path) = above {
        above = path.parent();
        let Some(parent) = by_path.get(&(change.partition, path)) else { continue };
        let one_hand = parent.origin == change.origin && matches!(parent.action, Action::Remove);
        let holds_entries = matches!(parent.action, Action::MakeDir { .. } | Action::SetOwnership { .. });
        if !holds_entries && !one_hand {
            return Some(Collision::between(parent, change));
        }
    }
    None
}

fn asks_the_same(first: &Action, second: &Action) -> bool {
    match (first, second) {
        (
            Action::PutFile { content: Content::Bytes(a), ownership: owned_a },
            Action::PutFile { content: Content::Bytes(b), ownership: owned_b },
        ) => a == b && owned_a == owned_b,
        (Action::MakeDir { ownership: a }, Action::MakeDir { ownership: b })
        | (Action::SetOwnership { ownership: a }, Action::SetOwnership { ownership: b }) => a == b,
        (Action::Symlink { target: a }, Action::Symlink { target: b }) => a == b,
        (Action::Remove, Action::Remove) => true,
        _ => false,
    }
}

impl Action {
    /// What it does, as a verb in the third person.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::PutFile { .. } => "written",
            Self::MakeDir { .. } => "made a directory",
            Self::Symlink { .. } => "linked",
            Self::Remove => "removed",
            Self::SetOwnership { .. } => "given another owner or mode",
        }
    }

    /// Removals make room, directories come before what they hold, owners come last.
    fn phase(&self) -> u8 {
        match self {
            Self::Remove => 0,
            Self::MakeDir { .. } => 1,
            Self::PutFile { .. } => 2,
            Self::Symlink { .. } => 3,
            Self::SetOwnership { .. } => 4,
        }
    }
}

impl Partition {
    /// `boot` or `root`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Root => "root",
        }
    }
}

impl Origin {
    /// The overlay that it is in, if it is in one.
    pub fn overlay(&self) -> Option<&str> {
        match self {
            Self::Overlay { overlay, .. } => Some(overlay),
            Self::Profile { .. } | Self::Rule { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::change::Ownership;
    use super::{Action, Change, Collision, Content, GuestPath, Origin, merge};

    fn put(overlay: &str, path: &str, text: &str) -> Change {
        let origin = Origin::Overlay { overlay: overlay.to_owned(), file: format!("rootfs{path}") };
        let content = Content::bytes(text);
        let path = GuestPath::new(path).expect("a valid path");
        Change::root(path, Action::PutFile { content, ownership: Ownership::root(0o644) }, origin)
    }

    fn remove(rule: &'static str, path: &str) -> Change {
        Change::root(GuestPath::new(path).expect("a valid path"), Action::Remove, Origin::Rule { rule })
    }

    fn collisions(changes: Vec<Change>) -> Vec<Collision> {
        merge(changes, |_, _| false).expect_err("these disagree")
    }

    #[test]
    fn a_collision_names_both_origins() {
        let found = collisions(vec![put("a", "/etc/motd", "1"), put("b", "/etc/motd", "2")]);
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["two layers disagree about /etc/motd (root partition)\n  \
              written by overlays/a/rootfs/etc/motd\n  written by overlays/b/rootfs/etc/motd"]
        );
    }

    #[test]
    fn a_file_below_a_removed_directory_or_a_file_is_a_collision() {
        assert_eq!(collisions(vec![remove("pi is gone", "/home/pi"), put("a", "/home/pi/x", "")]).len(), 1);
        assert_eq!(collisions(vec![put("a", "/etc/x", ""), put("b", "/etc/x/y", "")]).len(), 1);
    }

    #[test]
    fn the_same_wish_twice_is_one_change_and_replacing_is_allowed_where_it_is_declared() {
        let twice =
            merge(vec![put("a", "/x", "1"), put("b", "/x", "1")], |_, _| false).expect("no collision");
        assert_eq!(twice.len(), 1);
        let replaced = merge(vec![put("a", "/x", "1"), put("b", "/x", "2")], |_, later| {
            later.origin.overlay() == Some("b")
        });
        assert_eq!(replaced.expect("allowed")[0].origin.overlay(), Some("b"));
    }

    #[test]
    fn removals_come_first_and_paths_are_sorted() {
        let merged = merge(vec![put("a", "/b", ""), put("a", "/a", ""), remove("r", "/z")], |_, _| false);
        let order: Vec<_> = merged.expect("no collision").iter().map(|c| c.path.to_string()).collect();
        assert_eq!(order, ["/z", "/a", "/b"]);
    }
}
