//! `/var/lib/pimg/sha256sums`: what every packaged and every changed file of the image holds, so that a node can
//! tell whether its card gives back what was written (`sha256sum -c`).

use std::collections::BTreeMap;

use pimg_fetch::digest::Sha256Digest;

use crate::plan::change::{Action, Change, Content, Origin, Ownership, Partition};
use crate::plan::path::GuestPath;

/// Where the list is on the node.
pub const LIST: &str = "/var/lib/pimg/sha256sums";

/// Where the boot partition is mounted on the node.
const BOOT_MOUNT: &str = "/boot/firmware";

/// Digests by the path on the node, in lower-case hexadecimal.
pub type Digests = BTreeMap<String, String>;

/// Digest of what a file is to hold, in lower-case hexadecimal. Not for showing where the content is a secret.
pub fn sha256_of(content: &Content) -> String {
    match content {
        Content::Bytes(bytes) => Sha256Digest::of(bytes).to_string(),
        Content::Secret(secret) => Sha256Digest::of(secret.expose()).to_string(),
        Content::HostFile { sha256, .. } => sha256.clone(),
    }
}

/// The list as a change: `base` as the changes leave it.
///
/// Secrets are left out, since a digest lets anybody test a guess, and since the node wipes them. So are files
/// that the node itself rewrites: `volatile` says which.
pub fn list(base: &Digests, changes: &[Change], volatile: impl Fn(&str) -> bool) -> Change {
    let mut digests = base.clone();
    for change in changes {
        let path = path_on_node(change);
        match &change.action {
            Action::PutFile { content: Content::Secret(_), .. } | Action::Symlink { .. } => {
                digests.remove(&path);
            }
            Action::PutFile { content, .. } => {
                digests.insert(path, sha256_of(content));
            }
            Action::Remove => {
                let below = format!("{path}/");
                digests.retain(|known, _| *known != path && !known.starts_with(&below));
            }
            Action::MakeDir { .. } | Action::SetOwnership { .. } => {}
        }
    }
    digests.retain(|path, _| !volatile(path));
    let action =
        Action::PutFile { content: Content::bytes(to_text(&digests)), ownership: Ownership::root(0o644) };
    let path = GuestPath::new(LIST).expect("the list's path is valid");
    Change::root(path, action, Origin::Rule { rule: "a node can check its card" })
}

fn path_on_node(change: &Change) -> String {
    match change.partition {
        Partition::Boot => format!("{BOOT_MOUNT}{}", change.path),
        Partition::Root => change.path.to_string(),
    }
}

/// The list in the form of `sha256sum`. A name with a backslash or a line break would be escaped there, and is left
/// out here: no package has one.
pub fn to_text(digests: &Digests) -> String {
    let plain = digests.iter().filter(|(path, _)| !path.contains(['\\', '\n', '\r']));
    plain.map(|(path, digest)| format!("{digest}  {path}\n")).collect()
}

/// Reads what [`to_text`] writes. `None` where a line is of another form.
pub fn parse(text: &str) -> Option<Digests> {
    text.lines()
        .map(|line| line.split_once("  ").map(|(digest, path)| (path.to_owned(), digest.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Action, Change, Content, Digests, GuestPath, Origin, Ownership, list, parse};
    use crate::secret::Secret;

    fn change(path: &str, content: Content) -> Change {
        let action = Action::PutFile { content, ownership: Ownership::root(0o644) };
        Change::root(GuestPath::new(path).expect("a valid path"), action, Origin::Rule { rule: "a test" })
    }

    #[test]
    fn changed_files_are_listed_as_changed_and_secrets_not_at_all() {
        let base: Digests = ["/a", "/b", "/c"].map(|path| (path.to_owned(), "0".repeat(64))).into();
        let changes = [
            change("/b", Content::bytes("b")),
            change("/c", Content::Secret(Secret::new(b"c".to_vec()))),
            change("/d", Content::bytes("d")),
        ];
        let listed = list(&base, &changes, |path| path == "/d");
        let Action::PutFile { content: Content::Bytes(bytes), .. } = listed.action else { panic!("no file") };
        let listed = parse(std::str::from_utf8(&bytes).expect("UTF-8")).expect("a list");
        assert_eq!(listed.keys().collect::<Vec<_>>(), ["/a", "/b"]);
        assert_ne!(listed["/b"], "0".repeat(64));
    }
}
