//! What `pimg bump` moved.

use std::path::PathBuf;

use serde::Serialize;

use super::{DiffOutcome, LockOutcome};

/// `pimg bump`
#[derive(Clone, Debug, Serialize)]
pub struct BumpOutcome {
    /// Whether profile and lock were written; they are both or neither.
    pub written: bool,
    /// Whether only what would move was asked for.
    pub check: bool,
    /// Base images that move; none where the pinned ones are the newest.
    pub bases: Vec<BaseMove>,
    /// What the lock says that it did not say before.
    pub lock: LockOutcome,
    /// In what the old base and the new one differ, where the old one is still on this machine.
    pub base_diff: Vec<DiffOutcome>,
}

/// A base image that takes the place of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BaseMove {
    /// The file that pins it.
    pub profile: PathBuf,
    /// Where the old one is.
    pub old: String,
    /// Where the new one is.
    pub new: String,
    /// Date of the old one.
    pub old_date: String,
    /// Date of the new one.
    pub new_date: String,
    /// SHA-256 of the new file, in lower-case hexadecimal.
    pub sha256: String,
    /// SHA-256 of the raw image in it, in lower-case hexadecimal.
    pub raw_sha256: String,
}
