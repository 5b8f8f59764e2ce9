//! What `pimg inspect` tells of an image as a whole, besides its partitions.

use serde::{Deserialize, Serialize};

use crate::image::manifest::LayerEntry;

/// What an image was built from, as its manifest says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltFrom {
    /// Version of pimg.
    pub pimg: String,
    /// The profile.
    pub profile: String,
    /// The host.
    pub hostname: String,
    /// Version of the image.
    pub version: String,
    /// File name or URL of the base.
    pub base: String,
    /// SHA-256 of the raw base, in lower-case hexadecimal.
    pub base_raw_sha256: String,
    /// Packages that were installed into the base when the image was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerEntry>,
    /// SHA-256 of `pimg.lock`, where there was one.
    pub lock_sha256: Option<String>,
    /// How many changes were made to the base.
    pub changes: usize,
}

/// A unit that links say something of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnitState {
    /// Its name.
    pub unit: String,
    /// What they say, such as `wanted by multi-user.target` or `masked`.
    pub links: Vec<String>,
}

/// What an image says about one subject, such as `network`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SectionSummary {
    /// The subject.
    pub name: &'static str,
    /// What it says.
    pub facts: Vec<FactSummary>,
}

/// One thing that an image says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FactSummary {
    /// What it is about.
    pub name: String,
    /// What is said.
    pub value: String,
    /// Whether there is more to it than is shown.
    pub secret: bool,
}
