//! The kernel's view of an image against its manifest: every change is there, and every other entry is as it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::judges::partitions;
use crate::mount::{Entry, Mount};

/// Mounts the root file systems of a raw base and of the image that was built on it, and compares them. Returns at
/// once where only root may mount.
pub(crate) fn expect_as_planned(base: &Path, image: &Path, what: &str) {
    let Some(before) = Mount::read_only(base, partitions(base).1.start) else { return };
    let Some(after) = Mount::read_only(image, partitions(image).1.start) else { return };
    let manifest = fs::read(image.with_file_name("manifest.json")).expect("the manifest");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    expect_changes(&manifest, &before.tree(), &after.tree(), what);
}

/// Every change of the manifest is there, and every other entry is as it was.
fn expect_changes(
    manifest: &Value,
    before: &BTreeMap<String, Entry>,
    after: &BTreeMap<String, Entry>,
    what: &str,
) {
    let changes = manifest["changes"].as_array().expect("changes");
    let on_root: Vec<_> = changes.iter().filter(|change| change["partition"] == "root").collect();
    assert!(on_root.len() > 20, "{what}: a host needs more than {} changes", on_root.len());
    let mut touched: BTreeMap<String, ()> = BTreeMap::new();
    let mut removed = Vec::new();
    for change in on_root {
        let path = change["path"].as_str().expect("a path");
        if change["action"] == "remove" {
            removed.push(path);
        } else {
            expect_entry(change, after.get(path), &format!("{what}: {path}"));
        }
        touched.insert(path.to_owned(), ());
        for (index, _) in path.match_indices('/') {
            touched.insert(if index == 0 { "/".to_owned() } else { path[..index].to_owned() }, ());
        }
    }
    let gone = |path: &str| removed.iter().any(|gone| path == *gone || path.starts_with(&format!("{gone}/")));
    for (path, entry) in before.iter().filter(|(path, _)| !touched.contains_key(*path)) {
        if gone(path) {
            assert!(!after.contains_key(path), "{what}: {path} is still there");
        } else {
            assert_eq!(after.get(path), Some(entry), "{what}: {path} was not to be touched");
        }
    }
    let added = after.keys().filter(|path| !before.contains_key(*path) && !touched.contains_key(*path));
    assert_eq!(added.collect::<Vec<_>>(), Vec::<&String>::new(), "{what}: nobody asked for these");
}

fn expect_entry(change: &Value, entry: Option<&Entry>, what: &str) {
    let entry = entry.unwrap_or_else(|| panic!("{what} is missing"));
    let kind = match change["action"].as_str().expect("an action") {
        "file" => 'f',
        "directory" => 'd',
        "symlink" => 'l',
        other => {
            assert_eq!(other, "ownership", "{what}");
            entry.kind
        }
    };
    assert_eq!(entry.kind, kind, "{what}: kind");
    if let Some(mode) = change["mode"].as_str() {
        assert_eq!(format!("{:04o}", entry.mode), mode, "{what}: mode");
        assert_eq!(u64::from(entry.owner.0), change["uid"].as_u64().expect("uid"), "{what}: owner");
        assert_eq!(u64::from(entry.owner.1), change["gid"].as_u64().expect("gid"), "{what}: group");
    }
    if let Some(sha256) = change["sha256"].as_str() {
        assert_eq!(entry.content, sha256, "{what}: content");
    }
    if let Some(target) = change["target"].as_str() {
        assert_eq!(entry.content, target, "{what}: target");
    }
    if change["secret"] == true {
        // /etc/shadow is open to its group, as on every Debian
        assert!(entry.mode & 0o007 == 0, "{what}: a secret that others may read");
        assert!(
            entry.mode & 0o070 == 0 || what.ends_with("shadow"),
            "{what}: a secret that a group may read"
        );
    }
}
