//! `provenance.json` of a layer: what it was baked from, as an in-toto statement with a SLSA provenance.
//!
//! It follows from `layer.json` alone, so that the same layer has the same provenance, and holds neither a time nor
//! anything of this machine. The signed envelope around it is that of images.

use serde_json::json;

use super::manifest::{LAYER, LayerManifest, MANIFEST};
use super::refusal::Refusal;
use crate::image::provenance;

/// What the parameters mean is written there.
const BUILD_TYPE: &str =
    concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/how-to/layers.md#build-type-v1");

/// The text of the statement about a layer; `manifest_sha256` is the digest of `layer.json`.
pub fn statement(layer: &LayerManifest, manifest_sha256: &str) -> Vec<u8> {
    let file = |name: &str, sha256: &str| json!({"name": name, "digest": {"sha256": sha256}});
    let mut dependencies = vec![file("base image", &layer.base_raw_sha256)];
    dependencies.extend(layer.packages.iter().map(|package| {
        let name = format!("{}:{}={}", package.name, package.architecture, package.version);
        file(&name, &package.sha256)
    }));
    let statement = json!({
        "_type": provenance::STATEMENT,
        "subject": [file(LAYER, &layer.layer_sha256), file(MANIFEST, manifest_sha256)],
        "predicateType": provenance::PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"key": layer.key, "recipe": layer.recipe, "epoch": layer.epoch},
                "internalParameters": {"emulator": layer.emulator},
                "resolvedDependencies": dependencies,
            },
            "runDetails": {
                "builder": {"id": provenance::BUILDER, "version": {"pimg": layer.builder}},
            },
        },
    });
    let mut text = serde_json::to_vec_pretty(&statement).expect("texts and numbers are always JSON");
    text.push(b'\n');
    text
}

/// Fails for a statement that is not about this layer.
///
/// # Errors
/// It is no statement, or is about other files.
pub fn require_about(text: &[u8], layer: &LayerManifest, manifest_sha256: &str) -> Result<(), Refusal> {
    let subjects =
        provenance::subjects(text).map_err(|why| Refusal::new(format!("its provenance: {why}")))?;
    for (name, expected) in [(LAYER, layer.layer_sha256.as_str()), (MANIFEST, manifest_sha256)] {
        let found = subjects.iter().find(|(subject, _)| subject == name);
        let got = found.map_or("nothing", |(_, sha256)| sha256);
        if got != expected {
            return Err(Refusal::differs(&format!("its provenance, of `{name}`"), expected, got));
        }
    }
    Ok(())
}
