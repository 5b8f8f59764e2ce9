//! Which images are booted: those that were named, or the newest of the profiles that were.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::super::request::{Selection, TestRequest, TestSubject};
use super::super::{Context, hosts};
use crate::failure::{Class, Failure};
use crate::host::files;
use crate::image::manifest;

/// The part of a manifest that matters here.
#[derive(Deserialize)]
struct Manifest {
    image: Image,
}

#[derive(Deserialize)]
struct Image {
    file: String,
}

/// The image files, each once, in the order in which they were named.
///
/// # Errors
/// A profile is wrong, or has no image yet.
pub(super) fn find(request: &TestRequest, context: &Context<'_>) -> Result<Vec<PathBuf>, Failure> {
    let (names, cluster) = match &request.subject {
        TestSubject::Images(images) => return Ok(images.clone()),
        TestSubject::Profiles { names, cluster } => (names, *cluster),
    };
    let selected = hosts::select(&Selection::Named(names.clone()), context)?;
    let mut nodes: Vec<String> = Vec::new();
    for host in &selected {
        let members = match &host.cluster {
            Some(members) if cluster => members.nodes.iter().map(|node| node.hostname.to_string()).collect(),
            None if cluster => {
                let message = format!("`{}` is in no cluster", host.profile);
                return Err(Failure::new(Class::Usage, message).hint("leave `--cluster` out"));
            }
            _ => vec![host.hostname.to_string()],
        };
        for member in members {
            if !nodes.contains(&member) {
                nodes.push(member);
            }
        }
    }
    let out = request.out.clone().unwrap_or_else(|| context.in_project("out"));
    nodes.iter().map(|node| newest(&out, node)).collect()
}

/// The image that the manifest of the last build names.
fn newest(out: &Path, node: &str) -> Result<PathBuf, Failure> {
    let dir = out.join(node);
    let manifest = files::read_optional(&dir.join("manifest.json"), manifest::LONGEST)?;
    let named = manifest.and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).ok());
    let image = named.map(|manifest| dir.join(manifest.image.file)).filter(|image| image.is_file());
    image.ok_or_else(|| {
        Failure::new(Class::Usage, format!("there is no image of `{node}` in `{}`", dir.display()))
            .hint(format!("build it first: `pimg build --profile {node}`, or `--all` for a whole cluster"))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::newest;

    #[test]
    fn the_manifest_says_which_image_is_the_newest() -> Result<(), Box<dyn std::error::Error>> {
        let out = tempfile::tempdir()?;
        let dir = out.path().join("node-a");
        fs::create_dir(&dir)?;
        let error = newest(out.path(), "node-a").expect_err("nothing is built");
        assert!(error.hints()[0].contains("pimg build --profile node-a"));
        fs::write(dir.join("node-a-1.img"), "old")?;
        fs::write(dir.join("node-a-2.img.zst"), "new")?;
        fs::write(dir.join("manifest.json"), r#"{"schema":1,"image":{"file":"node-a-2.img.zst"}}"#)?;
        assert_eq!(newest(out.path(), "node-a").expect("is built"), dir.join("node-a-2.img.zst"));
        Ok(())
    }
}
