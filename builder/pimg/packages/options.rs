//! What the command line says about where packages come from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pimg_fetch::keyring::Fingerprint;

use crate::profile::host::Mirror;

/// What the command line says about where packages come from.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Redirections by the name of the source or download; they win over those of profiles and of the user's file.
    pub mirrors: BTreeMap<String, Mirror>,
    /// Keyrings by the name of the source, where its key is to be another one than the overlay's.
    pub keyrings: BTreeMap<String, PathBuf>,
    /// Keys that may be pinned for the first time, by the name of their source.
    pub accepted: BTreeMap<String, Fingerprint>,
    /// A folder that has what the lock names.
    pub vault: Option<PathBuf>,
    /// Whether the network stays unused.
    pub offline: bool,
}

/// How much of the lock may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// Nothing: what does not fit is an error.
    Locked,
    /// Only what the profiles now ask for and the lock does not have.
    Keep,
    /// The base image.
    Base,
    /// All packages and downloads.
    Packages,
    /// One package or one download, with what it needs.
    One(String),
}

impl Update {
    /// Whether packages are resolved anew although the lock fits.
    pub fn moves_packages(&self) -> bool {
        matches!(self, Self::Packages | Self::One(_))
    }
}
