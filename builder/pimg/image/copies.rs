//! `/var/lib/pimg/copies`: second copies of small files without which a node cannot finish its first boot, named by
//! their digests, so that it can mend what its card gives back wrongly (see [`super::digests`]).
//!
//! What packages brought is left out: it is a hundred times as much, and comes anew with the package.

use std::collections::BTreeMap;

use super::digests::sha256_of;
use crate::plan::change::{Action, Change, Content, Origin, Ownership, Partition};
use crate::plan::path::GuestPath;

/// Where the copies are on the node.
pub const DIRECTORY: &str = "/var/lib/pimg/copies";

/// Longest file that is copied, in bytes.
const LONGEST: u64 = 2 << 20;
/// Most that all copies take, in bytes.
const MOST: u64 = 6 << 20;

/// Files of ours that the boot and the steps need: directories end with a slash.
const COPIED: [&str; 11] = [
    "/etc/NetworkManager/",
    "/etc/apt/",
    "/etc/fstab",
    "/etc/initramfs-tools/",
    "/etc/network/",
    "/etc/pimg/",
    "/etc/ssh/",
    "/etc/systemd/",
    "/usr/lib/pimg/",
    "/usr/lib/systemd/",
    "/var/lib/pimg/packages/",
];

/// Files of the base that the first run of dpkg reads and that are in no package's list of digests: owned by root,
/// with mode 0644. They are written anew, to blocks of their own, as a card was seen to lose one of them.
const REWRITTEN: [&str; 4] = [
    "/etc/initramfs-tools/initramfs.conf",
    "/etc/initramfs-tools/modules",
    "/etc/initramfs-tools/update-initramfs.conf",
    "/var/lib/dpkg/status",
];

/// The copies as changes, with the files of the base that are written anew. To be asked for before the list of
/// digests is made, which is to have them all.
///
/// # Errors
/// `read`, which gives a file of the base's root file system, failed.
pub fn changes<E>(
    planned: &[Change],
    read: impl Fn(&GuestPath) -> Result<Option<Vec<u8>>, E>,
) -> Result<Vec<Change>, E> {
    let origin = || Origin::Rule { rule: "a node can mend its files" };
    let mut changes = Vec::new();
    for path in REWRITTEN {
        let path = GuestPath::new(path).expect("a path of ours is valid");
        let is_planned = |change: &Change| change.partition == Partition::Root && change.path == path;
        if planned.iter().any(is_planned) {
            continue;
        }
        if let Some(content) = read(&path)? {
            let content = Content::bytes(content);
            let action = Action::PutFile { content, ownership: Ownership::root(0o644) };
            changes.push(Change::root(path, action, origin()).shared());
        }
    }
    let mut copies = BTreeMap::new();
    let mut room = MOST;
    for change in planned.iter().chain(&changes) {
        let Action::PutFile { content: content @ Content::Bytes(_), ownership } = &change.action else {
            continue;
        };
        let digest = sha256_of(content);
        if change.partition != Partition::Root || !is_copied(&change.path) || copies.contains_key(&digest) {
            continue;
        }
        // what is too long leaves the room to the shorter ones behind it
        if content.is_empty() || content.len() > LONGEST || content.len() > room {
            continue;
        }
        room -= content.len();
        copies.insert(digest, (content.clone(), *ownership, change.scope));
    }
    changes.extend(copies.into_iter().map(|(digest, (content, ownership, scope))| {
        let path = GuestPath::new(format!("{DIRECTORY}/{digest}")).expect("digits make a valid path");
        Change { scope, ..Change::root(path, Action::PutFile { content, ownership }, origin()) }
    }));
    Ok(changes)
}

fn is_copied(path: &GuestPath) -> bool {
    let path = path.as_str();
    let is_in = |place: &&str| if place.ends_with('/') { path.starts_with(*place) } else { path == *place };
    COPIED.iter().chain(&REWRITTEN).any(is_in)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::{
        Action, Change, Content, DIRECTORY, GuestPath, LONGEST, MOST, Origin, Ownership, changes, sha256_of,
    };
    use crate::secret::Secret;

    fn change(path: &str, content: Content, mode: u16) -> Change {
        let action = Action::PutFile { content, ownership: Ownership::root(mode) };
        Change::root(GuestPath::new(path).expect("a valid path"), action, Origin::Rule { rule: "a test" })
    }

    fn made(planned: &[Change]) -> Vec<Change> {
        let base = |path: &GuestPath| {
            Ok::<_, Infallible>((path.as_str() == "/var/lib/dpkg/status").then(|| b"Package: x\n".to_vec()))
        };
        changes(planned, base).expect("a base in memory")
    }

    fn file_at<'a>(made: &'a [Change], path: &str) -> Option<(&'a Content, u16)> {
        made.iter().find(|change| change.path.as_str() == path).and_then(|change| match &change.action {
            Action::PutFile { content, ownership } => Some((content, ownership.mode)),
            _ => None,
        })
    }

    #[test]
    fn what_a_node_needs_is_there_twice_and_secrets_are_not() {
        let step = || Content::bytes("#!/bin/bash\n");
        let planned = [
            change("/usr/lib/pimg/steps/x", step(), 0o755),
            change("/etc/NetworkManager/system-connections/x", Content::bytes("[ipv4]\n"), 0o600),
            change("/etc/ssh/key", Content::Secret(Secret::new(b"secret".to_vec())), 0o600),
            change("/usr/share/x", Content::bytes("of an overlay\n"), 0o644),
            change("/etc/pimg/empty.conf", Content::bytes(""), 0o644),
        ];
        let made = made(&planned);
        let copy = |content: &Content| format!("{DIRECTORY}/{}", sha256_of(content));
        // as nobody may read more than of the file itself
        for (content, mode) in [(step(), 0o755), (Content::bytes("[ipv4]\n"), 0o600)] {
            assert_eq!(file_at(&made, &copy(&content)).expect("a copy").1, mode);
        }
        let status = Content::bytes("Package: x\n");
        assert!(file_at(&made, "/var/lib/dpkg/status").is_some(), "written anew");
        assert!(file_at(&made, &copy(&status)).is_some());
        assert_eq!(made.len(), 4, "{made:?}");
    }

    #[test]
    fn what_is_planned_is_not_written_twice() {
        let planned = [change("/var/lib/dpkg/status", Content::bytes("Package: y\n"), 0o644)];
        assert!(file_at(&made(&planned), "/var/lib/dpkg/status").is_none());
    }

    #[test]
    fn copies_are_bounded() {
        let long =
            |byte: u8, length: u64| Content::bytes(vec![byte; usize::try_from(length).expect("small")]);
        let mut planned = vec![change("/usr/lib/pimg/too-long", long(0, LONGEST + 1), 0o644)];
        planned.extend((1..=4).map(|n| change(&format!("/usr/lib/pimg/{n}"), long(n, LONGEST), 0o644)));
        let total: u64 = made(&planned)
            .iter()
            .filter_map(|change| match &change.action {
                Action::PutFile { content, .. } if change.path.as_str().starts_with(DIRECTORY) => {
                    Some(content.len())
                }
                _ => None,
            })
            .sum();
        assert_eq!(total, MOST);
    }
}
