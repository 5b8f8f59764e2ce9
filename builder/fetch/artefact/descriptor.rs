//! Descriptors, manifests and indexes (<https://github.com/opencontainers/image-spec>, version 1.1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256Digest;
use crate::error::{Error, Result};

/// Media type of an image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Media type of an image index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What a manifest says of a blob. Fields that are not named here are of no use to us, and others may have them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What kind of file it is.
    pub media_type: String,
    /// What an artefact is for, on the manifest of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Its length in bytes.
    pub size: u64,
    /// Notes about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Of a file with this digest and length.
    pub fn new(media_type: &str, sha256: Sha256Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            artifact_type: None,
            digest: format!("sha256:{sha256}"),
            size,
            annotations: BTreeMap::new(),
        }
    }

    /// Of these bytes.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, Sha256Digest::of(bytes), bytes.len() as u64)
    }

    /// With one more note.
    #[must_use]
    pub fn annotated(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Its digest.
    ///
    /// # Errors
    /// `Untrusted`: it is no SHA-256 digest.
    pub fn sha256(&self) -> Result<Sha256Digest> {
        let digits = self.digest.strip_prefix("sha256:").unwrap_or_default();
        digits.parse().map_err(|_| Error::Untrusted {
            origin: self.digest.clone(),
            reason: "it is no `sha256:` digest".to_owned(),
        })
    }

    /// Fails for bytes that are not those that it describes.
    ///
    /// # Errors
    /// `SizeMismatch` and `DigestMismatch` about `what`.
    pub fn require(&self, what: &str, bytes: &[u8]) -> Result<()> {
        let got = bytes.len() as u64;
        if got != self.size {
            let (what, expected) = (what.to_owned(), self.size);
            return Err(Error::SizeMismatch { what, expected, got, whole: true });
        }
        let (expected, got) = (self.sha256()?, Sha256Digest::of(bytes));
        if got == expected {
            Ok(())
        } else {
            Err(Error::DigestMismatch { what: what.to_owned(), expected, got })
        }
    }
}

/// A manifest: the config of an artefact, and its layers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// [`MANIFEST`].
    #[serde(default)]
    pub media_type: String,
    /// What the artefact is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Its config.
    pub config: Descriptor,
    /// Its layers.
    pub layers: Vec<Descriptor>,
    /// Notes about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The manifests of an image layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    pub(super) schema_version: u32,
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) manifests: Vec<Descriptor>,
}

/// A text of OCI: read with bounds, written in one way.
pub trait Document: Serialize + for<'de> Deserialize<'de> {
    /// Its text.
    fn to_text(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are always JSON")
    }

    /// Reads a text; `what` is what a failure calls it.
    ///
    /// # Errors
    /// `Untrusted`: it is something else.
    fn parse(what: &str, text: &[u8]) -> Result<Self> {
        serde_json::from_slice(text)
            .map_err(|error| Error::Untrusted { origin: what.to_owned(), reason: error.to_string() })
    }
}

impl Document for Manifest {}
impl Document for Index {}
