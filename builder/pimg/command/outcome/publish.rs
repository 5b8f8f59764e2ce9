//! What `pimg publish` made.

use std::path::PathBuf;

use serde::Serialize;

/// `pimg publish`
#[derive(Clone, Debug, Serialize)]
pub struct PublishOutcome {
    /// The directory.
    pub directory: PathBuf,
    /// All files in it, sorted by name: what is to be uploaded.
    pub files: Vec<PathBuf>,
    /// Where the list for Raspberry Pi Imager will be found.
    pub os_list_url: String,
    /// The key that signed `SHA256SUMS`; `None` where there was none.
    pub key_id: Option<String>,
    /// Why nothing signed it.
    pub not_signed: Option<String>,
    /// One entry a host, sorted by name.
    pub images: Vec<PublishedImage>,
}

/// An image that others can get.
#[derive(Clone, Debug, Serialize)]
pub struct PublishedImage {
    /// Host name.
    pub host: String,
    /// The image file.
    pub image: PathBuf,
    /// Where it will be found.
    pub url: String,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// Size of the file in bytes.
    pub size: u64,
}
