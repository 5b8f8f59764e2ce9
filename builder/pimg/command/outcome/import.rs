//! What `pimg import` made.

use std::path::PathBuf;

use serde::Serialize;

pub use crate::inventory::{Row, RowKind, StoredSecret};

/// `pimg import`
#[derive(Clone, Debug, Serialize)]
pub struct ImportOutcome {
    /// The inventory.
    pub inventory: PathBuf,
    /// The files that were written, or would be.
    pub files: Vec<PathBuf>,
    /// Whether they were.
    pub written: bool,
    /// Every variable in the order of the inventory, then what was assumed.
    pub variables: Vec<Row>,
    /// Secrets that the profiles name and `secrets.age` has to hold.
    pub secrets: Vec<StoredSecret>,
    /// What a person should know.
    pub notices: Vec<String>,
}
