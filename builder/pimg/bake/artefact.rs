//! A baked layer as an artefact of OCI: which files it is made of, and what its manifest says.
//!
//! | blob | media type |
//! | --- | --- |
//! | config | [`CONFIG_TYPE`]: `layer.json` as it is |
//! | first layer | [`LAYER_TYPE`]: `layer.tar.zst` as it is |
//! | second layer | [`STATEMENT_TYPE`]: `provenance.json` |
//! | third layer, where it is signed | [`ENVELOPE_TYPE`]: `provenance.intoto.jsonl` |
//!
//! All of it follows from the files of the layer: the same layer has the same manifest, wherever it is exported.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pimg_deb::date;
use pimg_fetch::artefact::{Descriptor, Document as _, MANIFEST as MANIFEST_TYPE, Manifest};
use pimg_fetch::digest::Sha256Digest;

use super::manifest::{LAYER, LayerManifest, MANIFEST, SCHEMA};
use super::provenance;
use super::refusal::Refusal;
use crate::image::baked::LayerFile;
use crate::image::provenance::{ENVELOPE, FILE as STATEMENT};

/// What the artefact is for.
pub const ARTEFACT_TYPE: &str = "application/vnd.pimg.bake.v1";

/// Media type of `layer.json`.
pub const CONFIG_TYPE: &str = "application/vnd.pimg.bake.config.v1+json";

/// Media type of `layer.tar.zst`.
pub const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// Media type of `provenance.json`.
pub const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";

/// Media type of `provenance.intoto.jsonl`.
pub const ENVELOPE_TYPE: &str = "application/vnd.dsse.envelope.v1+json";

/// Most bytes of `layer.json`, of a statement and of an envelope: thousands of packages.
pub const LONGEST: u64 = 8 << 20;

const TITLE: &str = "org.opencontainers.image.title";

/// What belongs to a layer besides `layer.tar.zst`.
#[derive(Clone, Debug)]
pub struct Papers {
    /// `layer.json`, read.
    pub layer: LayerManifest,
    /// `layer.json`, as it is.
    pub manifest: Vec<u8>,
    /// `provenance.json`.
    pub statement: Vec<u8>,
    /// `provenance.intoto.jsonl`, where somebody signed.
    pub envelope: Option<Vec<u8>>,
}

impl Papers {
    /// Papers that fit together.
    ///
    /// # Errors
    /// `layer.json` is none of ours, or the statement is about another layer.
    pub fn new(
        manifest: Vec<u8>,
        statement: Option<Vec<u8>>,
        envelope: Option<Vec<u8>>,
    ) -> Result<Self, Refusal> {
        let layer = parse(&manifest)?;
        let sha256 = Sha256Digest::of(&manifest).to_string();
        let statement = match statement {
            Some(statement) => {
                provenance::require_about(&statement, &layer, &sha256)?;
                statement
            }
            None => provenance::statement(&layer, &sha256),
        };
        Ok(Self { layer, manifest, statement, envelope })
    }

    /// What `layer.tar.zst` is to be.
    ///
    /// # Errors
    /// Its digest is none.
    pub fn layer_blob(&self) -> Result<Descriptor, Refusal> {
        let sha256 = digest(&self.layer.layer_sha256)?;
        Ok(Descriptor::new(LAYER_TYPE, sha256, self.layer.layer_size).annotated(TITLE, LAYER))
    }

    /// The manifest of the artefact, as text.
    ///
    /// # Errors
    /// As [`Self::layer_blob`].
    pub fn to_manifest(&self) -> Result<Vec<u8>, Refusal> {
        let mut layers = vec![self.layer_blob()?];
        layers.extend(self.small_blobs().skip(1).map(|(descriptor, _)| descriptor));
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST_TYPE.to_owned(),
            artifact_type: Some(ARTEFACT_TYPE.to_owned()),
            config: Descriptor::of(CONFIG_TYPE, &self.manifest),
            layers,
            annotations: self.annotations(),
        };
        Ok(manifest.to_text())
    }

    /// All blobs but the layer, the config first.
    pub fn small_blobs(&self) -> impl Iterator<Item = (Descriptor, &[u8])> {
        let named = |kind, bytes, name| (Descriptor::of(kind, bytes).annotated(TITLE, name), bytes);
        let config = (Descriptor::of(CONFIG_TYPE, &self.manifest), self.manifest.as_slice());
        let envelope = self.envelope.as_deref().map(|bytes| named(ENVELOPE_TYPE, bytes, ENVELOPE));
        [config, named(STATEMENT_TYPE, &self.statement, STATEMENT)].into_iter().chain(envelope)
    }

    /// The files that lie beside `layer.tar.zst` in the cache.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let envelope = self.envelope.as_deref().map(|bytes| (ENVELOPE, bytes));
        [(MANIFEST, self.manifest.as_slice()), (STATEMENT, self.statement.as_slice())]
            .into_iter()
            .chain(envelope)
    }

    fn annotations(&self) -> BTreeMap<String, String> {
        let all = [
            ("org.opencontainers.image.base.digest", format!("sha256:{}", self.layer.base_raw_sha256)),
            ("org.opencontainers.image.created", date::format_rfc3339(self.layer.epoch)),
            ("io.github.pimg.bake.key", self.layer.key.clone()),
            ("io.github.pimg.version", self.layer.builder.clone()),
        ];
        all.map(|(key, value)| (key.to_owned(), value)).into()
    }
}

/// The blobs that a manifest of an artefact names.
#[derive(Clone, Debug)]
pub struct Parts {
    /// `layer.json`.
    pub config: Descriptor,
    /// `layer.tar.zst`.
    pub layer: Descriptor,
    /// `provenance.json`.
    pub statement: Descriptor,
    /// `provenance.intoto.jsonl`.
    pub envelope: Option<Descriptor>,
}

impl Parts {
    /// Reads the manifest of an artefact.
    ///
    /// # Errors
    /// It is of another artefact, or lacks something.
    pub fn of(text: &[u8]) -> Result<Self, Refusal> {
        let manifest =
            Manifest::parse("its manifest", text).map_err(|error| Refusal::new(error.to_string()))?;
        let kind = manifest.artifact_type.as_deref().unwrap_or(&manifest.config.media_type);
        if kind != ARTEFACT_TYPE || manifest.config.media_type != CONFIG_TYPE {
            return Err(Refusal::new(format!("it is `{kind}`, expected `{ARTEFACT_TYPE}`")));
        }
        let one = |kind: &str| {
            let mut found = manifest.layers.iter().filter(|blob| blob.media_type == kind);
            match (found.next(), found.next()) {
                (_, Some(_)) => Err(Refusal::new(format!("its manifest names two blobs `{kind}`"))),
                (found, None) => Ok(found.cloned()),
            }
        };
        let required = |kind: &str| {
            one(kind)?.ok_or_else(|| Refusal::new(format!("its manifest names no blob `{kind}`")))
        };
        let (layer, statement) = (required(LAYER_TYPE)?, required(STATEMENT_TYPE)?);
        Ok(Self { config: manifest.config.clone(), layer, statement, envelope: one(ENVELOPE_TYPE)? })
    }

    /// Fails unless the manifest names the same layer as `layer.json` does.
    ///
    /// # Errors
    /// Another digest or length.
    pub fn require_same_layer(&self, papers: &Papers) -> Result<(), Refusal> {
        let told = papers.layer_blob()?;
        if (&told.digest, told.size) == (&self.layer.digest, self.layer.size) {
            return Ok(());
        }
        let shown = |blob: &Descriptor| format!("{} of {} bytes", blob.digest, blob.size);
        Err(Refusal::differs(
            "its manifest and `layer.json` name different layers",
            shown(&told),
            shown(&self.layer),
        ))
    }
}

/// Whether a word can be the key of a layer.
pub fn is_key(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The tag that a layer of this key has where nobody gives it another.
pub fn tag(key: &str) -> String {
    format!("bake-{key}")
}

/// Reads `layer.json`.
///
/// # Errors
/// It is none, or of another shape than this pimg knows.
pub fn parse(text: &[u8]) -> Result<LayerManifest, Refusal> {
    let wrong = |why: String| Refusal::new(format!("`{MANIFEST}`: {why}"));
    let value: serde_json::Value = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
    match value.get("schema").and_then(serde_json::Value::as_u64) {
        Some(schema) if schema == u64::from(SCHEMA) => {}
        Some(schema) => {
            return Err(wrong(format!(
                "it is of shape {schema}, and this pimg knows shape {SCHEMA}: another pimg made it"
            )));
        }
        None => return Err(wrong("it has no `schema`".to_owned())),
    }
    let layer: LayerManifest = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
    if !is_key(&layer.key) {
        return Err(wrong("`key` is no SHA-256 digest".to_owned()));
    }
    digest(&layer.base_raw_sha256)?;
    layer_file(&layer, PathBuf::new())?.require_sense().map_err(|error| wrong(error.to_string()))?;
    Ok(layer)
}

/// What is to be found at `path`, where the layer lies.
///
/// # Errors
/// A digest is none.
pub fn layer_file(layer: &LayerManifest, path: PathBuf) -> Result<LayerFile, Refusal> {
    Ok(LayerFile {
        path,
        sha256: digest(&layer.layer_sha256)?,
        size: layer.layer_size,
        tar_sha256: digest(&layer.tar_sha256)?,
        tar_size: layer.tar_size,
        content_size: layer.content_size,
        entries: layer.entries,
        epoch: layer.epoch,
    })
}

/// A digest as `layer.json` has it.
pub(super) fn digest(text: &str) -> Result<Sha256Digest, Refusal> {
    text.parse().map_err(|error| Refusal::new(format!("`{MANIFEST}`: `{text}`: {error}")))
}
