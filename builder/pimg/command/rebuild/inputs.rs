//! What of the inputs of two builds differs, as their manifests tell.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::command::outcome::{DifferentChange, DifferentInput};

/// Inputs by name, and where a manifest has what tells them apart.
const INPUTS: [(&str, &str); 13] = [
    ("pimg", "/pimg"),
    ("profile", "/profile"),
    ("values of the profile", "/build/profile_sha256"),
    ("ssh keys", "/build/ssh_keys_sha256"),
    ("base image", "/base/raw_sha256"),
    ("published file of the base", "/base/sha256"),
    ("baked layer", "/layer/sha256"),
    ("lock", "/lock_sha256"),
    ("format", "/build/format"),
    ("release", "/build/release"),
    ("SOURCE_DATE_EPOCH", "/build/source_date_epoch"),
    // the disk signature derives from the seed and the host's name
    ("secret seed", "/image/disk_id"),
    ("version of the image", "/version"),
];

/// The inputs that differ.
pub(super) fn changed(was: &Value, is: &Value) -> Vec<DifferentInput> {
    let text = |manifest: &Value, pointer: &str| match manifest.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "-".to_owned(),
    };
    let inputs = INPUTS.iter().map(|(input, pointer)| DifferentInput {
        input,
        was: text(was, pointer),
        is: text(is, pointer),
    });
    inputs.filter(|input| input.was != input.is).collect()
}

/// The changes to the base that only one build made, or each in its own way, by partition and path.
pub(super) fn changes(was: &Value, is: &Value) -> Vec<DifferentChange> {
    let (mut was, is) = (by_path(was), by_path(is));
    let mut different = Vec::new();
    for (path, new) in is {
        let old = was.remove(&path);
        if old != Some(new) {
            let how = if old.is_some() { "differs" } else { "only in the rebuilt image" };
            different.push(change(path, new, how));
        }
    }
    different.extend(was.into_iter().map(|(path, old)| change(path, old, "only in this image")));
    different.sort_by(|a, b| (&a.partition, &a.path).cmp(&(&b.partition, &b.path)));
    different
}

fn by_path(manifest: &Value) -> BTreeMap<(&str, &str), &Value> {
    let changes = manifest["changes"].as_array().into_iter().flatten();
    changes
        .map(|change| {
            let text = |key: &str| change[key].as_str().unwrap_or_default();
            ((text("partition"), text("path")), change)
        })
        .collect()
}

fn change((partition, path): (&str, &str), entry: &Value, how: &'static str) -> DifferentChange {
    let origin = entry["origin"].as_str().unwrap_or_default().to_owned();
    DifferentChange { partition: partition.to_owned(), path: path.to_owned(), how, origin }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{changed, changes};

    #[test]
    fn inputs_are_told_by_their_names() {
        let was = json!({ "pimg": "1", "lock_sha256": "aa", "build": { "release": false } });
        let is = json!({ "pimg": "1", "lock_sha256": "bb", "build": { "release": true } });
        let told: Vec<_> = changed(&was, &is).into_iter().map(|one| (one.input, one.was, one.is)).collect();
        assert_eq!(
            told,
            [("lock", "aa".into(), "bb".into()), ("release", "false".into(), "true".into())]
                as [(_, String, String); 2]
        );
        assert!(changed(&is, &is).is_empty());
    }

    #[test]
    fn changes_are_compared_by_their_paths() {
        let entry = |path: &str, sha256: &str| json!({ "partition": "root", "path": path, "sha256": sha256, "origin": "x" });
        let was = json!({ "changes": [entry("/a", "1"), entry("/b", "1"), entry("/c", "1")] });
        let is = json!({ "changes": [entry("/d", "1"), entry("/c", "2"), entry("/a", "1")] });
        let told: Vec<_> = changes(&was, &is).into_iter().map(|one| (one.path, one.how)).collect();
        let expected = [("/b", "only in this image"), ("/c", "differs"), ("/d", "only in the rebuilt image")];
        assert_eq!(told, expected.map(|(path, how)| (path.to_owned(), how)));
    }
}
