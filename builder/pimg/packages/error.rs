//! What goes wrong between wishes and files.

use pimg_deb::solve::Unsolvable;

use crate::failure::{Class, Fault};
use crate::guest::base_files::BaseReadError;
use crate::plan::path::GuestPathError;

/// Packages cannot be had as they were asked for.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// A pin cannot be read.
    #[error("cannot read the pins in `{origin}`")]
    Pin {
        /// The file.
        origin: String,
        /// What is wrong with it.
        source: pimg_deb::Error,
    },
    /// A file of the base image cannot be read as what it is.
    #[error("`{path}` of the base image is damaged")]
    BaseFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: pimg_deb::Error,
    },
    /// The base image cannot be read.
    #[error(transparent)]
    Base(#[from] BaseReadError),
    /// A path cannot be.
    #[error("a path cannot be in an image")]
    Path(#[source] GuestPathError),
    /// A source names no key, and the base trusts none for it.
    #[error("source `{name}` names no key, and without one nothing from it can be trusted")]
    NoKey {
        /// The source.
        name: String,
    },
    /// A key was never seen before, and nobody said that it is the right one.
    #[error("the key of source `{name}` is not known yet: {shown}")]
    KeyNotAccepted {
        /// The source.
        name: String,
        /// Fingerprints and names on the key.
        shown: String,
        /// The fingerprint to accept.
        fingerprint: String,
    },
    /// Another key was accepted than the one that is there.
    #[error("the key of source `{name}` is not the accepted one: expected {expected}, got {got}")]
    AnotherKey {
        /// The source.
        name: String,
        /// The fingerprint that was given.
        expected: String,
        /// Those that are there.
        got: String,
    },
    /// A file's index does not look like one.
    #[error("the index of `{repository}` is damaged although its digest matches")]
    Index {
        /// The repository.
        repository: String,
        /// What is wrong with it.
        source: pimg_deb::Error,
    },
    /// No set of packages fits.
    #[error("no set of packages fits what profile `{profile}` asks for")]
    NoSolution {
        /// The profile.
        profile: String,
        /// Why.
        why: Box<Unsolvable>,
    },
    /// A set fits, but the node could not use it.
    #[error("{what}")]
    Guard {
        /// What would go wrong.
        what: String,
        /// What can be done.
        hint: String,
    },
    /// Something was to be updated that nobody asks for.
    #[error("nothing in `pimg.lock` is called `{name}`")]
    NothingToUpdate {
        /// The name.
        name: String,
    },
    /// A `.deb` cannot be read although its digest matches.
    #[error("cannot read `{name}`")]
    Package {
        /// The file.
        name: String,
        /// What is wrong with it.
        source: pimg_deb::package::Error,
    },
}

impl Fault for PackagesError {
    fn class(&self) -> Class {
        match self {
            Self::Pin { .. } | Self::Path(_) | Self::NoKey { .. } => Class::Profile,
            Self::Base(error) => error.class(),
            Self::BaseFile { .. } => Class::Base,
            Self::KeyNotAccepted { .. }
            | Self::AnotherKey { .. }
            | Self::Index { .. }
            | Self::Package { .. } => Class::Trust,
            Self::NoSolution { .. } | Self::Guard { .. } => Class::NoSolution,
            Self::NothingToUpdate { .. } => Class::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoKey { name } => vec![format!("give its keyring with `--keyring {name}=FILE`")],
            Self::KeyNotAccepted { name, fingerprint, .. } => vec![
                "compare the fingerprint with what the publisher says, by another way than this network"
                    .to_owned(),
                format!("if it is the same: `--accept-key {name}={fingerprint}`"),
            ],
            Self::AnotherKey { .. } => vec!["compare both with what the publisher says".to_owned()],
            Self::NoSolution { why, .. } => why.hints(),
            Self::Guard { hint, .. } => vec![hint.clone()],
            Self::NothingToUpdate { .. } => {
                vec!["`--update` takes `base`, `packages`, or the name of a package or download".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    fn details(&self) -> Option<String> {
        match self {
            Self::NoSolution { why, .. } => {
                let lines: Vec<String> = why.to_string().lines().map(|line| format!("  {line}")).collect();
                Some(lines.join("\n"))
            }
            _ => None,
        }
    }
}
