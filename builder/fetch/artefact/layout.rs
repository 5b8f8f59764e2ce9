//! The OCI image layout: a directory, or an archive of one, with a single manifest.

use super::descriptor::{Descriptor, Document as _, INDEX, Index};
use crate::digest::Sha256Digest;
use crate::error::{Error, Result};

/// The file that marks a layout.
pub const LAYOUT_FILE: &str = "oci-layout";

/// What is in it.
pub const LAYOUT_TEXT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The file that names the manifest.
pub const INDEX_FILE: &str = "index.json";

/// Most bytes of an index, and of a manifest. Registries refuse manifests of more than 4 MiB.
pub(super) const LONGEST: u64 = 4 << 20;

/// Where a layout keeps what has this digest.
pub fn blob_path(sha256: Sha256Digest) -> String {
    format!("blobs/sha256/{sha256}")
}

/// The text of an index with this manifest.
pub fn index(manifest: Descriptor) -> Vec<u8> {
    let index = Index { schema_version: 2, media_type: INDEX.to_owned(), manifests: vec![manifest] };
    index.to_text()
}

impl Descriptor {
    /// The manifest of an index that has one.
    ///
    /// # Errors
    /// `Untrusted`: it is no index, or has none or several.
    pub fn of_index(what: &str, text: &[u8]) -> Result<Self> {
        let mut index = Index::parse(what, text)?;
        let untrusted = |reason: String| Error::Untrusted { origin: what.to_owned(), reason };
        let count = index.manifests.len();
        let manifest = index.manifests.pop().filter(|_| count == 1);
        let manifest =
            manifest.ok_or_else(|| untrusted(format!("it names {count} manifests, expected one")))?;
        if manifest.size > LONGEST {
            return Err(untrusted(format!(
                "its manifest has {} bytes, at most {LONGEST} are read",
                manifest.size
            )));
        }
        Ok(manifest)
    }
}
