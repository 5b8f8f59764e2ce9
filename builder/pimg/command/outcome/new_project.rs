//! What `pimg new` made.

use std::path::PathBuf;

use serde::Serialize;

/// `pimg new`
#[derive(Clone, Debug, Serialize)]
pub struct NewOutcome {
    /// The project.
    pub directory: PathBuf,
    /// The files that were written.
    pub files: Vec<PathBuf>,
    /// Files that were there already and stayed as they were.
    pub kept: Vec<PathBuf>,
    /// The nodes.
    pub nodes: Vec<String>,
    /// Whether a person was asked; else it is the example.
    pub asked: bool,
}
