//! What every command is given besides its request.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::host::env::Environment;
use crate::progress::Reporter;

/// What every command is given besides its request.
pub struct Context<'a> {
    /// Takes what is to be shown while the command works, and says when to stop.
    pub reporter: &'a dyn Reporter,
    /// Environment, clock and well-known directories of the host.
    pub environment: &'a Environment,
    /// The directory with `profiles/`, `overlays/`, `pimg.lock` and `secrets/`.
    pub project: PathBuf,
}

impl Context<'_> {
    /// A path of the project, written as a person in the project's directory would write it.
    pub fn in_project(&self, path: impl AsRef<Path>) -> PathBuf {
        if self.project == Path::new(".") { path.as_ref().to_path_buf() } else { self.project.join(path) }
    }

    /// Fails once the operator asked to stop.
    ///
    /// # Errors
    /// "interrupted".
    pub fn check_interrupt(&self) -> Result<(), Failure> {
        if self.reporter.interrupted() { Err(Failure::interrupted()) } else { Ok(()) }
    }
}
