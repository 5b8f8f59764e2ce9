//! What `pimg lock` found.

use std::path::PathBuf;

use serde::Serialize;

use crate::lock::Lockfile;
pub use crate::lock::{ChangeKind, LockChange};

/// `pimg lock`
#[derive(Clone, Debug, Serialize)]
pub struct LockOutcome {
    /// The lock.
    pub path: PathBuf,
    /// Whether the file was written; one that says the same already stays as it is.
    pub written: bool,
    /// What it says that it did not say before, sorted by kind and name.
    pub changes: Vec<LockChange>,
    /// What the profiles install, one entry a set.
    pub sets: Vec<LockedSetSummary>,
    /// Package files of all sets, each counted once.
    pub packages: usize,
    /// Length of those files together in bytes.
    pub size: u64,
}

/// What some profiles install.
#[derive(Clone, Debug, Serialize)]
pub struct LockedSetSummary {
    /// The profiles.
    pub profiles: Vec<String>,
    /// How many packages.
    pub packages: usize,
    /// Length of their files together in bytes.
    pub size: u64,
}

impl LockOutcome {
    /// Compares a lock with the one that it took the place of.
    pub fn new(path: PathBuf, written: bool, old: Option<&Lockfile>, new: &Lockfile) -> Self {
        let sets = new.set.iter().map(|set| {
            let totals = set.totals();
            LockedSetSummary { profiles: set.profiles.clone(), packages: totals.packages, size: totals.size }
        });
        let totals = new.totals();
        Self {
            path,
            written,
            changes: crate::lock::changes(old, new),
            sets: sets.collect(),
            packages: totals.packages,
            size: totals.size,
        }
    }
}
