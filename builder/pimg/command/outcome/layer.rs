//! What became of baked layers.

use std::path::PathBuf;

use serde::Serialize;

/// `pimg layer`
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum LayerOutcome {
    /// `pimg layer list`
    List(LayerListing),
    /// `pimg layer export`
    Exported(LayerFileMade),
    /// `pimg layer import` and `pimg layer pull`
    Taken(LayersTaken),
    /// `pimg layer push`
    Pushed(LayersPushed),
}

/// The layers of the cache.
#[derive(Clone, Debug, Serialize)]
pub struct LayerListing {
    /// One entry a layer, by key.
    pub layers: Vec<LayerFacts>,
}

/// A baked layer. Digests are SHA-256 in lower-case hexadecimal.
#[derive(Clone, Debug, Serialize)]
pub struct LayerFacts {
    /// Digest of what it is made from.
    pub key: String,
    /// Digest of `layer.tar.zst`.
    pub sha256: String,
    /// Length of `layer.tar.zst` in bytes.
    pub size: u64,
    /// Bytes that its files take in an image.
    pub content_size: u64,
    /// How many packages it installs.
    pub packages: usize,
    /// Digest of the raw base image that it lies over.
    pub base_raw_sha256: String,
    /// `native`, or the emulator that it was baked with.
    pub emulator: String,
    /// The pimg that baked it.
    pub builder: String,
    /// Whether somebody signed it.
    pub signed: bool,
}

/// A layer as a file.
#[derive(Clone, Debug, Serialize)]
pub struct LayerFileMade {
    /// The file.
    pub file: PathBuf,
    /// The layer in it.
    pub layer: LayerFacts,
    /// The key that signed, such as `2C85ABA59765E099`.
    pub key_id: Option<String>,
}

/// Layers that came into the cache.
#[derive(Clone, Debug, Serialize)]
pub struct LayersTaken {
    /// One entry a layer.
    pub layers: Vec<LayerTaken>,
}

/// A layer that came into the cache, or was there.
#[derive(Clone, Debug, Serialize)]
pub struct LayerTaken {
    /// Where it came from.
    pub origin: String,
    /// The layer.
    #[serde(flatten)]
    pub layer: LayerFacts,
    /// The project's key, where that signed it.
    pub verified_by: Option<String>,
    /// Whether the cache had it already.
    pub was_there: bool,
}

/// Layers that others find now.
#[derive(Clone, Debug, Serialize)]
pub struct LayersPushed {
    /// One entry a layer.
    pub layers: Vec<LayerPushed>,
}

/// A layer that others find now.
#[derive(Clone, Debug, Serialize)]
pub struct LayerPushed {
    /// Where it is.
    pub place: String,
    /// Its tag there.
    pub tag: String,
    /// The layer.
    #[serde(flatten)]
    pub layer: LayerFacts,
    /// The key that signed.
    pub key_id: Option<String>,
    /// Bytes that were sent.
    pub sent: u64,
    /// Bytes that were there already.
    pub kept: u64,
}
