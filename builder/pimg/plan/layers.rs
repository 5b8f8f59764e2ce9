//! Which changes go to the golden layer, which all hosts of a build share, and which to the host's own.
//!
//! The golden layer is laid over the base first, the host's over that: within a layer the order of the plan is kept.
//! A change goes to the golden one if it cannot depend on the host ([`Scope::Shared`]), unless that would put it in
//! front of a change of the host's that has to come before it. Secrets never do: a layer is kept in the cache, where
//! anybody may read it. [`Golden`] can only be had from here, and is the only thing that golden layers are made of.

use std::collections::BTreeSet;

use super::change::{Action, Change, Content, Partition, Scope};
use super::path::GuestPath;

/// Changes of a golden layer, in the order in which they are made. None of them holds a secret.
#[derive(Clone, Debug, Default)]
pub struct Golden(Vec<Change>);

impl Golden {
    /// The changes.
    pub fn changes(&self) -> &[Change] {
        &self.0
    }
}

/// The changes of a plan by the layer that they go to.
#[derive(Clone, Debug, Default)]
pub struct Layered {
    golden: Golden,
    host: Vec<Change>,
}

impl Layered {
    /// Parts changes that are in the order in which they apply.
    pub fn of(changes: Vec<Change>) -> Self {
        let barred: BTreeSet<_> =
            changes.iter().filter(|change| !may_be_golden(change)).filter_map(bars).collect();
        let is_golden = |change: &Change| may_be_golden(change) && !is_barred(change, &barred);
        let (golden, host) = changes.into_iter().partition(is_golden);
        Self { golden: Golden(golden), host }
    }

    /// What all hosts of a build share.
    pub fn golden(&self) -> &Golden {
        &self.golden
    }

    /// What is the host's own.
    pub fn host(&self) -> &[Change] {
        &self.host
    }

    /// All changes, in the order in which they are made.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.golden.0.iter().chain(&self.host)
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.golden.0.len() + self.host.len()
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Whether a change could be golden for what it holds.
fn may_be_golden(change: &Change) -> bool {
    change.scope == Scope::Shared
        && match &change.action {
            Action::PutFile { content: Content::Secret(_), .. } => false,
            // it needs an entry, which may be one that a host's change makes
            Action::SetOwnership { .. } => false,
            Action::PutFile { content: Content::Bytes(_) | Content::HostFile { .. }, .. } => true,
            Action::MakeDir { .. } | Action::Symlink { .. } | Action::Remove => true,
        }
}

/// The place that a change of a host takes or clears: what comes there later cannot come before it.
///
/// A directory that a host makes or gives an owner bars nothing: it may be there already, and what is in it stays.
fn bars(change: &Change) -> Option<(Partition, String)> {
    match change.action {
        Action::Remove | Action::PutFile { .. } | Action::Symlink { .. } => {
            Some(place(change.partition, &change.path))
        }
        Action::MakeDir { .. } | Action::SetOwnership { .. } => None,
    }
}

fn is_barred(change: &Change, barred: &BTreeSet<(Partition, String)>) -> bool {
    let mut at = Some(change.path.clone());
    while let Some(path) = at {
        if barred.contains(&place(change.partition, &path)) {
            return true;
        }
        at = path.parent();
    }
    false
}

/// FAT does not tell upper from lower case.
fn place(partition: Partition, path: &GuestPath) -> (Partition, String) {
    let path = path.as_str();
    (partition, if partition == Partition::Boot { path.to_lowercase() } else { path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::change::{Origin, Ownership};
    use super::{Action, Change, Content, GuestPath, Layered, Partition};
    use crate::secret::Secret;

    fn change(path: &str, action: Action) -> Change {
        Change::root(GuestPath::new(path).expect("a valid path"), action, Origin::Rule { rule: "a test" })
    }

    fn put(path: &str) -> Change {
        let action = Action::PutFile { content: Content::bytes(path), ownership: Ownership::root(0o644) };
        change(path, action)
    }

    fn paths<'c>(changes: impl IntoIterator<Item = &'c Change>) -> Vec<&'c str> {
        changes.into_iter().map(|change| change.path.as_str()).collect()
    }

    #[test]
    fn no_secret_is_golden_whatever_is_said_of_it() {
        let content = Content::Secret(Secret::new(b"hunter2".to_vec()));
        let secret = change("/etc/key", Action::PutFile { content, ownership: Ownership::root(0o600) });
        let layered = Layered::of(vec![put("/a").shared(), secret.shared()]);
        assert_eq!(
            (paths(layered.golden().changes()), paths(layered.host())),
            (vec!["/a"], vec!["/etc/key"])
        );
    }

    #[test]
    fn each_layer_keeps_the_order_and_nothing_is_lost() {
        let removed = change("/z", Action::Remove);
        let layered = Layered::of(vec![
            removed.clone(),
            change("/y", Action::Remove).shared(),
            put("/b").shared(),
            put("/c"),
            put("/d").shared(),
        ]);
        assert_eq!(paths(layered.golden().changes()), ["/y", "/b", "/d"]);
        assert_eq!(paths(layered.host()), ["/z", "/c"]);
        assert_eq!(paths(layered.iter()), ["/y", "/b", "/d", "/z", "/c"]);
        assert_eq!(layered.len(), 5);
    }

    #[test]
    fn what_a_host_clears_first_is_not_filled_before() {
        let kept = put("/home/pi2/x").shared();
        let lost = put("/home/pi/x").shared();
        let layered = Layered::of(vec![change("/home/pi", Action::Remove), lost, kept]);
        assert_eq!(paths(layered.golden().changes()), ["/home/pi2/x"]);
        assert_eq!(paths(layered.host()), ["/home/pi", "/home/pi/x"]);
    }

    #[test]
    fn the_boot_partition_knows_no_case() {
        let at = |change: Change| Change { partition: Partition::Boot, ..change };
        let layered =
            Layered::of(vec![at(change("/OVERLAYS", Action::Remove)), at(put("/overlays/x").shared())]);
        assert_eq!(layered.golden().changes().len(), 0);
        // and the root file system does
        let layered = Layered::of(vec![change("/OVERLAYS", Action::Remove), put("/overlays/x").shared()]);
        assert_eq!(layered.golden().changes().len(), 1);
    }

    #[test]
    fn an_owner_waits_for_the_entry_it_is_for() {
        let owned = change("/srv", Action::SetOwnership { ownership: Ownership::root(0o700) }).shared();
        let made = change("/srv", Action::MakeDir { ownership: Ownership::root(0o755) });
        let layered = Layered::of(vec![made, put("/srv/x").shared(), owned]);
        // a directory of the host's does not keep what is in it from being shared
        assert_eq!(paths(layered.golden().changes()), ["/srv/x"]);
        assert_eq!(paths(layered.host()), ["/srv", "/srv"]);
    }
}
