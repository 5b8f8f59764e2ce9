//! An image against its own manifest.

use pimg_fetch::digest::Sha256Digest;
use serde_json::Value;

use super::base::BaseImage;
use super::manifest::SCHEMA;
use crate::guest::base_files::{BaseFiles, EntryKind};
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Compared {
    /// Paths on the root file system that the manifest says were written.
    pub changed: Vec<String>,
    /// What is otherwise than the manifest says, a line each.
    pub wrong: Vec<String>,
}

/// Compares every change of a manifest with the image.
pub fn compare(manifest: &Value, image: &BaseImage) -> Compared {
    let mut compared = Compared::default();
    let schema = manifest["schema"].as_u64();
    if schema != Some(u64::from(SCHEMA)) {
        let got = schema.map_or_else(|| "none".to_owned(), |schema| schema.to_string());
        compared.wrong.push(format!("schema: expected {SCHEMA}, got {got}"));
        return compared;
    }
    for change in manifest["changes"].as_array().into_iter().flatten() {
        let text = change["path"].as_str().unwrap_or_default();
        let Ok(path) = GuestPath::new(text) else {
            compared.wrong.push(format!("`{text}` is no path of an image"));
            continue;
        };
        let partition = if change["partition"] == "boot" { Partition::Boot } else { Partition::Root };
        match differs(change, partition, &path, image) {
            Ok(None) if partition == Partition::Root => compared.changed.push(path.to_string()),
            Ok(None) => {}
            Ok(Some(how)) => compared.wrong.push(format!("`{path}` ({} partition) {how}", partition.name())),
            Err(error) => compared.wrong.push(error.to_string()),
        }
    }
    compared
}

fn differs(
    change: &Value,
    partition: Partition,
    path: &GuestPath,
    image: &BaseImage,
) -> Result<Option<String>, crate::guest::base_files::BaseReadError> {
    let kind = image.kind(partition, path)?;
    Ok(match (change["action"].as_str().unwrap_or_default(), kind) {
        ("remove", None) => None,
        ("remove", Some(_)) => Some("is still there".to_owned()),
        (_, None) => Some("is missing".to_owned()),
        ("symlink", Some(EntryKind::Symlink(target))) => {
            (change["target"] != target.as_str()).then(|| format!("is a link to `{target}`"))
        }
        ("file", Some(EntryKind::File)) => match change["sha256"].as_str() {
            None => None,
            Some(expected) => {
                let bytes = image.read(partition, path)?.unwrap_or_default();
                let got = Sha256Digest::of(&bytes).to_string();
                (got != expected).then(|| format!("holds other bytes: expected sha256 {expected}, got {got}"))
            }
        },
        ("directory", Some(EntryKind::Directory)) | ("ownership", Some(_)) => None,
        _ => Some("is of another kind".to_owned()),
    })
}
