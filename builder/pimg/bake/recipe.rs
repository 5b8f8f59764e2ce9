//! What decides a baked layer, and its name: a digest of all that.
//!
//! A layer is named by what goes into it and not by what comes out, so that it can be looked for before it is made, on
//! a machine that could not make it. Neither time nor host nor emulator are part of the name: a bake on an arm64 machine
//! is to give the same layer as one under an emulator.

use pimg_fetch::digest::Sha256Digest;
use sha2::{Digest as _, Sha256};

use super::manifest::RECIPE;
use crate::guest::packages::LocalPackage;
use crate::image::digests::sha256_of;
use crate::plan::change::{Action, Change, Content, Ownership, Partition, Scope};

/// Directories whose files change what packages do while they are installed.
const SEEN: [&str; 10] = [
    "/etc/apt",
    "/etc/dpkg",
    "/etc/dkms",
    "/etc/initramfs-tools",
    "/etc/kernel",
    "/etc/default",
    "/etc/modprobe.d",
    "/etc/modules-load.d",
    "/etc/debconf.conf",
    "/etc/needrestart",
];

/// What a layer is made from.
#[derive(Clone, Copy, Debug)]
pub struct BakeInputs<'a> {
    /// SHA-256 of the raw base image, in lower-case hexadecimal.
    pub base_raw_sha256: &'a str,
    /// Packages to be installed.
    pub packages: &'a [LocalPackage],
    /// To be removed: `name` or `name:architecture`.
    pub remove: &'a [String],
    /// To be held: `name` or `name:architecture`.
    pub hold: &'a [String],
    /// What was asked for by name.
    pub manual: &'a [String],
    /// Answers to debconf that cannot depend on the host, one `PACKAGE QUESTION TYPE VALUE` each.
    pub answers: &'a [String],
    /// Files that packages see while they are installed: [`seen_by_packages`].
    pub files: &'a [Change],
}

impl BakeInputs<'_> {
    /// The layer's name: 64 hexadecimal digits. The order of a list is none of its business.
    pub fn key(&self) -> String {
        let mut fields = Fields(Sha256::new());
        fields.add("baked layer");
        fields.add(&RECIPE.to_string());
        fields.add(self.base_raw_sha256);
        let package =
            |one: &LocalPackage| format!("{} {} {} {}", one.name, one.version, one.architecture, one.sha256);
        fields.add_list("packages", self.packages.iter().map(package));
        for (name, list) in
            [("remove", self.remove), ("hold", self.hold), ("manual", self.manual), ("answers", self.answers)]
        {
            fields.add_list(name, list.iter().cloned());
        }
        fields.add_list("files", self.files.iter().map(file));
        Sha256Digest::from_bytes(fields.0.finalize().into()).to_string()
    }
}

/// The changes of a plan that packages see while they are installed, and that every host has alike.
pub fn seen_by_packages<'c>(changes: impl IntoIterator<Item = &'c Change>) -> Vec<Change> {
    changes.into_iter().filter(|change| is_seen(change)).cloned().collect()
}

fn is_seen(change: &Change) -> bool {
    let path = change.path.as_str();
    let is_below = |directory: &&str| {
        path.strip_prefix(*directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_secret = matches!(change.action, Action::PutFile { content: Content::Secret(_), .. });
    change.partition == Partition::Root
        && change.scope == Scope::Shared
        && !is_secret
        && SEEN.iter().any(is_below)
}

/// What one of those files is: its path first, so that sorting sorts by it.
fn file(change: &Change) -> String {
    let path = change.path.as_str();
    let owned = |Ownership { uid, gid, mode }: Ownership| format!("{uid}:{gid} {mode:04o}");
    match &change.action {
        Action::PutFile { content, ownership } => {
            format!("{path}\0file {} {}", owned(*ownership), sha256_of(content))
        }
        Action::MakeDir { ownership } => format!("{path}\0directory {}", owned(*ownership)),
        Action::Symlink { target } => format!("{path}\0symlink {target}"),
        Action::Remove => format!("{path}\0remove"),
        Action::SetOwnership { ownership } => format!("{path}\0ownership {}", owned(*ownership)),
    }
}

/// Digests fields so that no two lists of them are alike: each behind its length.
struct Fields(Sha256);

impl Fields {
    fn add(&mut self, field: &str) {
        self.0.update((field.len() as u64).to_le_bytes());
        self.0.update(field);
    }

    fn add_list(&mut self, name: &str, items: impl Iterator<Item = String>) {
        let mut items: Vec<String> = items.collect();
        items.sort();
        self.add(name);
        self.add(&items.len().to_string());
        items.iter().for_each(|item| self.add(item));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::{BakeInputs, seen_by_packages};
    use crate::guest::packages::LocalPackage;
    use crate::plan::change::{Action, Change, Content, Origin, Ownership};
    use crate::plan::path::GuestPath;
    use crate::secret::Secret;

    fn package(name: &str, sha256: &str) -> LocalPackage {
        LocalPackage {
            name: name.to_owned(),
            version: "1.0-1".to_owned(),
            architecture: "arm64".to_owned(),
            size: 10,
            sha256: sha256.to_owned(),
            file: PathBuf::from("/somewhere"),
            control: String::new(),
        }
    }

    fn put(path: &str, content: Content, mode: u16) -> Change {
        let path = GuestPath::new(path).expect("a valid path");
        let action = Action::PutFile { content, ownership: Ownership::root(mode) };
        Change::root(path, action, Origin::Rule { rule: "a test" })
    }

    fn dkms(text: &str, mode: u16) -> Change {
        put("/etc/dkms/zfs.conf", Content::bytes(text), mode).shared()
    }

    #[test]
    fn every_input_is_in_the_name_and_nothing_else_is() {
        let packages = [package("zfs-dkms", "aa"), package("dkms", "bb")];
        let [zfs, by_hand] = ["zfs-dkms".to_owned(), "dkms".to_owned()];
        let files = [dkms("a", 0o644)];
        let plain = BakeInputs {
            base_raw_sha256: "cc",
            packages: &packages,
            remove: &[],
            hold: &[],
            manual: &[],
            answers: &[],
            files: &files,
        };
        let one = std::slice::from_ref(&zfs);
        let other_package = [package("zfs-dkms", "ab"), package("dkms", "bb")];
        let (other_mode, other_text) = ([dkms("a", 0o600)], [dkms("b", 0o644)]);
        let mut newer = packages.clone();
        "1.0-2".clone_into(&mut newer[0].version);
        let others = [
            plain,
            BakeInputs { base_raw_sha256: "cd", ..plain },
            BakeInputs { packages: &other_package, ..plain },
            BakeInputs { packages: &newer, ..plain },
            BakeInputs { packages: &packages[..1], ..plain },
            BakeInputs { remove: one, ..plain },
            BakeInputs { hold: one, ..plain },
            BakeInputs { manual: one, ..plain },
            BakeInputs { answers: one, ..plain },
            BakeInputs { files: &other_mode, ..plain },
            BakeInputs { files: &other_text, ..plain },
            BakeInputs { files: &[], ..plain },
        ];
        let keys: BTreeSet<_> = others.iter().map(BakeInputs::key).collect();
        assert_eq!(keys.len(), others.len());
        assert!(keys.iter().all(|key| key.len() == 64));

        // where a file lies, in which order a list is, and who says so changes nothing
        let mut moved = [packages[1].clone(), packages[0].clone()];
        moved[0].file = PathBuf::from("/elsewhere");
        let mut told = dkms("a", 0o644);
        told.origin = Origin::Rule { rule: "another" };
        let told = [told];
        assert_eq!(BakeInputs { packages: &moved, files: &told, ..plain }.key(), plain.key());
        let (forth, back) = ([zfs.clone(), by_hand.clone()], [by_hand, zfs]);
        let named = |manual| BakeInputs { manual, ..plain }.key();
        assert_eq!(named(&forth), named(&back));
    }

    #[test]
    fn packages_see_what_all_hosts_share_and_no_secret() {
        let secret = put("/etc/default/key", Content::Secret(Secret::new(b"hunter2".to_vec())), 0o600);
        let changes = [
            dkms("a", 0o644),
            put("/etc/default/grub", Content::bytes("a"), 0o644),
            put("/etc/default-other", Content::bytes("a"), 0o644).shared(),
            put("/usr/share/x", Content::bytes("a"), 0o644).shared(),
            put("/etc/debconf.conf", Content::bytes("a"), 0o644).shared(),
            secret.shared(),
        ];
        let seen = seen_by_packages(&changes);
        let paths: Vec<_> = seen.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, ["/etc/dkms/zfs.conf", "/etc/debconf.conf"]);
    }
}
