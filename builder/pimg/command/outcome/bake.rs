//! What `pimg bake` made.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::in_seconds;

/// `pimg bake`
#[derive(Clone, Debug, Serialize)]
pub struct BakeOutcome {
    /// The layers, in the order of the hosts.
    pub layers: Vec<BakedLayer>,
    /// Hosts that ask for no packages, so that nothing is baked for them.
    pub without: Vec<String>,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "in_seconds")]
    pub elapsed: Duration,
}

/// A layer of installed packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BakedLayer {
    /// What it was made from and for.
    pub key: String,
    /// The hosts that it is for.
    pub hosts: Vec<String>,
    /// How many packages were installed.
    pub packages: usize,
    /// How many files, directories and deletions it has.
    pub entries: u64,
    /// Length of its file in bytes.
    pub size: u64,
    /// Bytes that its files take in an image.
    pub content_size: u64,
    /// SHA-256 of its file, in lower-case hexadecimal.
    pub sha256: String,
    /// Machine that ran the scripts of packages: `native` or an emulator.
    pub emulator: String,
    /// Where it is in the cache.
    pub directory: PathBuf,
    /// Whether it was made now.
    pub is_new: bool,
}
