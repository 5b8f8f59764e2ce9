//! What became of secrets. Never a value.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

/// `pimg secrets`
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum SecretsOutcome {
    /// `pimg secrets init`
    Init(SecretsMade),
    /// `pimg secrets edit`
    Edit(SecretsEdited),
    /// `pimg secrets show-keys`
    ShowKeys(SecretNames),
}

/// What is there after `pimg secrets init`.
#[derive(Clone, Debug, Serialize)]
pub struct SecretsMade {
    /// Files that are new.
    pub made: Vec<PathBuf>,
    /// Files that were there, and are as they were.
    pub kept: Vec<PathBuf>,
    /// The operator's public key.
    pub recipient: String,
}

/// What `pimg secrets edit` did.
#[derive(Clone, Debug, Serialize)]
pub struct SecretsEdited {
    /// The encrypted file.
    pub file: PathBuf,
    /// Whether it was written anew.
    pub changed: bool,
}

/// What is in `secrets.age`.
#[derive(Clone, Debug, Serialize)]
pub struct SecretNames {
    /// The encrypted file.
    pub file: PathBuf,
    /// Names of the secrets, sorted.
    pub names: Vec<String>,
    /// Public keys of those who can open it, by the names of their owners.
    pub recipients: BTreeMap<String, String>,
}

/// `pimg seed`
#[derive(Clone, Debug, Serialize)]
pub struct SeedOutcome {
    /// Host name.
    pub host: String,
    /// What was written to, as it was named.
    pub target: PathBuf,
    /// The names of the secrets that went there beside the host's keys, sorted.
    pub secrets: Vec<String>,
}
