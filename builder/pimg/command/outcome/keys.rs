//! What became of keys. Never the secret half.

use std::path::PathBuf;

use serde::Serialize;

/// `pimg keys`
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum KeysOutcome {
    /// `pimg keys init`
    Init(KeysMade),
    /// `pimg keys show`
    Show(KeysShown),
}

/// What is there after `pimg keys init`.
#[derive(Clone, Debug, Serialize)]
pub struct KeysMade {
    /// Files that are new.
    pub made: Vec<PathBuf>,
    /// Files that were there, and are as they were.
    pub kept: Vec<PathBuf>,
    /// The key's name, such as `2C85ABA59765E099`.
    pub key_id: String,
    /// The public key, as `minisign -P` takes it.
    pub public: String,
}

/// The project's key.
#[derive(Clone, Debug, Serialize)]
pub struct KeysShown {
    /// The file with the public key.
    pub file: PathBuf,
    /// The key's name.
    pub key_id: String,
    /// The public key, as `minisign -P` takes it.
    pub public: String,
    /// The public key, as OpenSSL and cosign take it.
    pub pem: String,
    /// Where the operator's own signing key is, be it this one or not; `None` where there is none.
    pub secret: Option<String>,
}
