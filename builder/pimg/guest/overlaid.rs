//! The base image as it will be once changes are made: what a later rule sees of an earlier one.

use std::collections::BTreeSet;

use super::base_files::{BaseFiles, BaseReadError, EntryKind};
use crate::plan::change::{Action, Change, Content, Partition};
use crate::plan::path::GuestPath;

/// Changes over a base. Paths are taken as they stand: links among their parents are not followed.
#[derive(Clone, Copy)]
pub struct Overlaid<'a> {
    base: &'a dyn BaseFiles,
    changes: &'a [Change],
}

impl<'a> Overlaid<'a> {
    /// The base as `changes` will leave it.
    pub fn new(base: &'a dyn BaseFiles, changes: &'a [Change]) -> Self {
        Self { base, changes }
    }

    fn change(&self, partition: Partition, path: &GuestPath) -> Option<&'a Change> {
        self.changes.iter().rev().find(|change| change.partition == partition && change.path == *path)
    }

    fn is_removed(&self, partition: Partition, path: &GuestPath) -> bool {
        self.changes.iter().any(|change| {
            change.partition == partition
                && matches!(change.action, Action::Remove)
                && path.is_within(&change.path)
        })
    }
}

impl BaseFiles for Overlaid<'_> {
    fn read(&self, partition: Partition, path: &GuestPath) -> Result<Option<Vec<u8>>, BaseReadError> {
        match self.change(partition, path).map(|change| &change.action) {
            Some(Action::PutFile { content: Content::Bytes(bytes), .. }) => Ok(Some(bytes.to_vec())),
            Some(Action::PutFile { content: Content::Secret(secret), .. }) => {
                Ok(Some(secret.expose().to_vec()))
            }
            // too large to be a text that a rule reads
            Some(Action::PutFile { .. } | Action::MakeDir { .. } | Action::Remove) => Ok(None),
            Some(Action::Symlink { target }) => match linked(path, target) {
                Some(target) => self.read(partition, &target),
                None => Ok(None),
            },
            Some(Action::SetOwnership { .. }) | None if self.is_removed(partition, path) => Ok(None),
            Some(Action::SetOwnership { .. }) | None => self.base.read(partition, path),
        }
    }

    fn list(&self, partition: Partition, path: &GuestPath) -> Result<Option<Vec<String>>, BaseReadError> {
        let base = if self.is_removed(partition, path) { None } else { self.base.list(partition, path)? };
        let exists = base.is_some();
        let mut names: BTreeSet<String> = base.unwrap_or_default().into_iter().collect();
        let mut added = false;
        for change in self.changes.iter().filter(|change| change.partition == partition) {
            if change.path.parent().as_ref() != Some(path) {
                continue;
            }
            if matches!(change.action, Action::Remove) {
                names.remove(change.path.name());
            } else {
                added = true;
                names.insert(change.path.name().to_owned());
            }
        }
        Ok((exists || added).then(|| names.into_iter().collect()))
    }

    fn kind(&self, partition: Partition, path: &GuestPath) -> Result<Option<EntryKind>, BaseReadError> {
        match self.change(partition, path).map(|change| &change.action) {
            Some(Action::PutFile { .. }) => Ok(Some(EntryKind::File)),
            Some(Action::MakeDir { .. }) => Ok(Some(EntryKind::Directory)),
            Some(Action::Symlink { target }) => Ok(Some(EntryKind::Symlink(target.clone()))),
            Some(Action::Remove) => Ok(None),
            Some(Action::SetOwnership { .. }) | None if self.is_removed(partition, path) => Ok(None),
            Some(Action::SetOwnership { .. }) | None => self.base.kind(partition, path),
        }
    }
}

/// Where a link leads, if it is an absolute one or one to a neighbour: those that units use.
fn linked(path: &GuestPath, target: &str) -> Option<GuestPath> {
    if target.starts_with('/') { GuestPath::new(target).ok() } else { path.parent()?.join(target).ok() }
}

#[cfg(test)]
mod tests {
    use super::{Action, BaseFiles, Change, Content, EntryKind, GuestPath, Overlaid, Partition};
    use crate::guest::test_support::MapBase;
    use crate::plan::change::{Origin, Ownership};

    fn path(text: &str) -> GuestPath {
        GuestPath::new(text).expect("a valid path")
    }

    fn change(at: &str, action: Action) -> Change {
        Change::root(path(at), action, Origin::Rule { rule: "a test" })
    }

    fn file(at: &str, text: &str) -> Change {
        change(at, Action::PutFile { content: Content::bytes(text), ownership: Ownership::root(0o644) })
    }

    #[test]
    fn later_rules_see_what_earlier_ones_change() {
        let base = MapBase::default()
            .file("/etc/hostname", "raspberrypi\n")
            .file("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
            .directory("/etc/ssh")
            .file("/etc/ssh/sshd_config", "");
        let link = Action::Symlink { target: "new".to_owned() };
        let changes = [
            file("/etc/hostname", "node\n"),
            file("/etc/pimg/new", "text"),
            change("/etc/pimg/link", link),
            change("/etc/ssh", Action::Remove),
        ];
        let seen = Overlaid::new(&base, &changes);
        let read = |at: &str| seen.read(Partition::Root, &path(at)).expect("a map cannot fail");
        assert_eq!(read("/etc/hostname").as_deref(), Some(&b"node\n"[..]));
        assert_eq!(read("/etc/pimg/link").as_deref(), Some(&b"text"[..]), "a link is followed");
        assert_eq!(read("/etc/passwd"), base.read(Partition::Root, &path("/etc/passwd")).expect("a map"));
        let names = seen.list(Partition::Root, &path("/etc/pimg")).expect("a map");
        assert_eq!(names, Some(vec!["link".to_owned(), "new".to_owned()]));
        assert_eq!(seen.kind(Partition::Root, &path("/etc/ssh/sshd_config")).expect("a map"), None);
        let link = seen.kind(Partition::Root, &path("/etc/pimg/link")).expect("a map");
        assert_eq!(link, Some(EntryKind::Symlink("new".to_owned())));
    }
}
