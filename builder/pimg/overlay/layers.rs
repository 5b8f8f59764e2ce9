//! What the overlays of one host put where, in order, and which of them may not meet.

use std::collections::BTreeMap;

use crate::plan::change::{Action, Change, Origin, Ownership, Partition};
use crate::plan::path::GuestPath;
use crate::profile::problem::{Located, Problem};

use super::tree::BOOT_MOUNT;

/// The changes so far, by path.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    changes: Vec<Option<Change>>,
    placed: BTreeMap<(Partition, String), usize>,
    removed: Vec<(Partition, GuestPath, Located<GuestPath>, String)>,
}

fn overlay_of(change: &Change) -> &str {
    match &change.origin {
        Origin::Overlay { overlay, .. } => overlay,
        _ => "",
    }
}

/// FAT does not tell upper from lower case.
fn key(partition: Partition, path: &str) -> (Partition, String) {
    (partition, if partition == Partition::Boot { path.to_lowercase() } else { path.to_owned() })
}

/// The partition and path of a path as the running node sees it.
pub(crate) fn locate(path: &GuestPath) -> Option<(Partition, GuestPath)> {
    match path.as_str().strip_prefix(BOOT_MOUNT) {
        Some("") => None,
        Some(rest) if rest.starts_with('/') => Some((Partition::Boot, GuestPath::new(rest).ok()?)),
        _ => Some((Partition::Root, path.clone())),
    }
}

impl Layers {
    /// Adds a file, link or directory. `may_replace`: the overlay says that it replaces an earlier one's.
    pub(crate) fn put(&mut self, change: Change, may_replace: bool, problems: &mut Vec<Problem>) {
        let key = key(change.partition, change.path.as_str());
        let is_directory = matches!(change.action, Action::MakeDir { .. });
        if let Some(earlier) = self.above(&key).or_else(|| self.below(&key).filter(|_| !is_directory)) {
            let message = format!(
                "{} and {} cannot both be there: one would be written through the other",
                earlier.origin, change.origin
            );
            problems.push(Problem::new(message));
            return;
        }
        if let Some(at) = self.placed.get(&key).copied() {
            let Some(earlier) = self.changes.get(at).and_then(Option::as_ref) else { return };
            match (&earlier.action, &change.action) {
                (Action::MakeDir { ownership: a }, Action::MakeDir { ownership: b }) if a == b => return,
                _ if may_replace && overlay_of(earlier) != overlay_of(&change) => self.changes[at] = None,
                _ => {
                    problems.push(collision(earlier, &change));
                    return;
                }
            }
        }
        self.placed.insert(key, self.changes.len());
        self.changes.push(Some(change));
    }

    /// Sets owner and mode of what the base image has.
    pub(crate) fn own(&mut self, path: GuestPath, ownership: Ownership, origin: Origin) {
        self.changes.push(Some(Change::root(path, Action::SetOwnership { ownership }, origin)));
    }

    /// Removes a path of the base image.
    pub(crate) fn remove(&mut self, overlay: &str, path: &Located<GuestPath>, problems: &mut Vec<Problem>) {
        let Some((partition, guest)) = locate(&path.value) else {
            problems.push(Problem::at(&path.place, "is the whole boot partition"));
            return;
        };
        let origin = Origin::Overlay { overlay: overlay.to_owned(), file: "overlay.toml".to_owned() };
        if !self.removed.iter().any(|(other, path, ..)| *other == partition && *path == guest) {
            let action = Action::Remove;
            let change = Change { partition, ..Change::root(guest.clone(), action, origin).shared() };
            self.changes.push(Some(change));
        }
        self.removed.push((partition, guest, path.clone(), overlay.to_owned()));
    }

    /// Whether this very path is there already, from the same place.
    pub(crate) fn has(&self, partition: Partition, path: &GuestPath, origin: &Origin) -> bool {
        let at = self.placed.get(&key(partition, path.as_str()));
        at.and_then(|at| self.changes.get(*at))
            .is_some_and(|change| change.as_ref().is_some_and(|change| change.origin == *origin))
    }

    /// All changes in order, once what is removed was compared with what is put.
    pub(crate) fn finish(self, problems: &mut Vec<Problem>) -> Vec<Change> {
        let changes: Vec<Change> = self.changes.into_iter().flatten().collect();
        for (partition, path, written, overlay) in &self.removed {
            let put = |change: &&Change| {
                let inside = change.partition == *partition && change.path.is_within(path);
                let own = overlay_of(change) == overlay && change.path != *path;
                inside && !own && !matches!(change.action, Action::Remove)
            };
            if let Some(other) = changes.iter().find(put) {
                problems.push(Problem::at(
                    &written.place,
                    format!("is removed here, but {} puts it there", other.origin),
                ));
            }
        }
        changes
    }

    fn above(&self, (partition, path): &(Partition, String)) -> Option<&Change> {
        let ends = path.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0);
        let found = ends.filter_map(|end| self.placed.get(&(*partition, path.get(..end)?.to_owned())));
        let mut changes = found.filter_map(|at| self.changes.get(*at)?.as_ref());
        changes.find(|change| !matches!(change.action, Action::MakeDir { .. }))
    }

    fn below(&self, (partition, path): &(Partition, String)) -> Option<&Change> {
        let prefix = format!("{path}/");
        let (found, at) = self.placed.range((*partition, prefix.clone())..).next()?;
        let inside = found.0 == *partition && found.1.starts_with(&prefix);
        self.changes.get(*at).filter(|_| inside)?.as_ref()
    }
}

fn collision(earlier: &Change, later: &Change) -> Problem {
    let path = match later.partition {
        Partition::Root => later.path.to_string(),
        Partition::Boot => format!("{BOOT_MOUNT}{}", later.path),
    };
    let message = format!("{} and {} both put `{path}`", earlier.origin, later.origin);
    let hint = if overlay_of(earlier) == overlay_of(later) {
        "keep one of them".to_owned()
    } else {
        let overlay = overlay_of(later);
        format!(
            "keep one of them, or let overlays/{overlay}/overlay.toml say `[[replace]]` with `path = \"{path}\"`"
        )
    };
    Problem::new(message).with_hint(hint)
}
