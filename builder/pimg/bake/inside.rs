//! What pimg itself does in the namespaces of a bake, as it has to see all owners.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::run::TREES;
use super::{extract, pack};

/// A task. Its paths begin at the work directory, which is the current one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    /// Removes all trees.
    Clear,
    /// Writes the tree of this raw image to `lower`, and what packages are to see besides to `files`.
    Extract {
        /// The raw image.
        base: PathBuf,
    },
    /// Writes what changed as an archive to `out`.
    Pack {
        /// Seconds since 1970 that times are clamped to.
        epoch: i64,
    },
}

/// Does a task that [`super::run`] wrote.
///
/// # Errors
/// What went wrong, for the log.
pub fn run(task: &str) -> Result<(), String> {
    match serde_json::from_str(task).map_err(|error| error.to_string())? {
        Task::Clear => clear(),
        Task::Extract { base } => {
            extract::base(&base, Path::new("lower"))?;
            extract::seen(Path::new("kit/seen"), Path::new("lower"), Path::new("files"))
        }
        Task::Pack { epoch } => pack::pack(epoch),
    }
}

fn clear() -> Result<(), String> {
    for tree in TREES {
        match fs::remove_dir_all(tree) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("cannot remove `{tree}`: {error}"));
            }
            _ => {}
        }
    }
    Ok(())
}
