//! What can go wrong while the rules of this room are applied.

use super::base_files::BaseReadError;
use crate::plan::path::GuestPathError;

/// Why the changes of a host could not be made out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The base could not be read.
    #[error(transparent)]
    Base(#[from] BaseReadError),
    /// A file that every Raspberry Pi OS has is not there.
    #[error("the base image has no `{path}`, which every Raspberry Pi OS has")]
    Missing {
        /// The path on its partition.
        path: String,
    },
    /// A file of the base is not in its own format.
    #[error("`{path}` of the base image is malformed in line {line}: {why}")]
    Malformed {
        /// The path on its partition.
        path: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A value of the profile does not fit the base, or the place it goes to.
    #[error("`{key}`: `{value}` {why}")]
    Value {
        /// Dotted key of the profile.
        key: &'static str,
        /// The value, unless it is secret.
        value: String,
        /// Finishes the sentence "`value` …".
        why: String,
    },
    /// A unit cannot be enabled.
    #[error("unit `{unit}` cannot be enabled: {why}")]
    Unit {
        /// The unit's name.
        unit: String,
        /// What is in the way.
        why: String,
    },
    /// A key could not be derived from the cluster's seed.
    #[error("cannot derive the {what} of `{host}`: {why}")]
    Key {
        /// Which key.
        what: &'static str,
        /// Whose.
        host: String,
        /// What the cryptographic library said.
        why: String,
    },
    /// A file is longer than the archive behind the initramfs can say.
    #[error("`{path}` is too long for an initramfs: a file has at most 4 GiB there")]
    TooLong {
        /// Its path in the initramfs.
        path: String,
    },
    /// A name made from the profile or the base is no path.
    #[error(transparent)]
    Path(#[from] GuestPathError),
}

impl Error {
    pub(super) fn value(key: &'static str, value: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Value { key, value: value.into(), why: why.into() }
    }
}
