//! `layer.json`: what is known of a baked layer without opening it.

use serde::{Deserialize, Serialize};

/// Version of the shape of [`LayerManifest`].
pub const SCHEMA: u32 = 1;

/// What a bake does, as a number: raised with each change that gives other bytes for the same inputs.
pub const RECIPE: u32 = 2;

/// Name of the layer in its directory.
pub const LAYER: &str = "layer.tar.zst";

/// Name of its manifest in its directory.
pub const MANIFEST: &str = "layer.json";

/// What `layer.json` says of a baked layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerManifest {
    /// Version of this shape.
    pub schema: u32,
    /// What the layer is made from and for; its name in the cache. All digests are SHA-256 in lower-case hexadecimal.
    pub key: String,
    /// Raw image that it lies over.
    pub base_raw_sha256: String,
    /// Number of the recipe.
    pub recipe: u32,
    /// Seconds since 1970 that times are clamped to.
    pub epoch: i64,
    /// `layer.tar.zst`: its digest.
    pub layer_sha256: String,
    /// Length of `layer.tar.zst` in bytes.
    pub layer_size: u64,
    /// The tar inside: its digest (`diff_id` in OCI's words).
    pub tar_sha256: String,
    /// Length of the tar inside in bytes.
    pub tar_size: u64,
    /// Bytes that its files take, for sizing the root file system.
    pub content_size: u64,
    /// How many entries it has.
    pub entries: u64,
    /// What was installed, sorted by name and architecture.
    pub packages: Vec<BakedPackage>,
    /// Kernels that have an initramfs of the bake.
    pub kernels: Vec<String>,
    /// Machine that ran the maintainer scripts: `native` or the emulator and its version.
    pub emulator: String,
    /// pimg's version.
    pub builder: String,
}

/// A package that a baked layer installed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BakedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, `all` among them.
    pub architecture: String,
    /// SHA-256 of the `.deb` that the lock names, in lower-case hexadecimal.
    pub sha256: String,
}
