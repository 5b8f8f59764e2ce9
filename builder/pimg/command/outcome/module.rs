//! Kernel modules that were built ahead.

use std::path::PathBuf;

use serde::Serialize;

/// `pimg module build`
#[derive(Clone, Debug, Serialize)]
pub struct ModuleOutcome {
    /// The packages, each once.
    pub modules: Vec<BuiltModule>,
    /// The lock that names them.
    pub lock: PathBuf,
    /// Whether it says something else than before.
    pub written: bool,
}

/// A package of modules for one kernel.
#[derive(Clone, Debug, Serialize)]
pub struct BuiltModule {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The kernel.
    pub kernel: String,
    /// Version of the sources.
    pub zfs: String,
    /// The compiler.
    pub compiler: String,
    /// Its file.
    pub file: PathBuf,
    /// Where the lock says that it can be downloaded.
    pub url: Option<String>,
    /// Length of the file in bytes.
    pub size: u64,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
}
