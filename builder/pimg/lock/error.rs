//! What is wrong with `pimg.lock`, or different from it.

use crate::failure::{Class, Fault};

/// `pimg.lock` cannot be used, or says something else than what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// There is no lock, or it says nothing about the base.
    #[error("`pimg.lock` names no base image, and `--locked` asks for one")]
    NoBase,
    /// It is no TOML, or misses something.
    #[error("`pimg.lock`:{line}:{column} {message}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What the parser said.
        message: String,
    },
    /// It was written by a newer pimg, in a way that this one cannot read.
    #[error("`pimg.lock` has version {got}, this pimg reads version {expected}")]
    Version {
        /// The version in the file.
        got: u64,
        /// The version that can be read.
        expected: u64,
    },
    /// It has a key that nobody knows.
    #[error("`pimg.lock` has an unknown key `{0}`")]
    UnknownKey(String),
    /// A digest is not 64 hexadecimal digits in lower case.
    #[error("`pimg.lock`: `{key}` is no SHA-256 digest in lower-case hexadecimal: `{got}`")]
    BadDigest {
        /// The key.
        key: &'static str,
        /// Its value.
        got: String,
    },
    /// Something differs from what is locked.
    #[error("the base image is not the locked one: its {what} differs")]
    Differs {
        /// What differs, such as `sha256`.
        what: &'static str,
        /// What the lock says.
        expected: String,
        /// What was found.
        got: String,
    },
}

impl Fault for LockError {
    fn class(&self) -> Class {
        Class::Lock
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NoBase => "leave `--locked` out to build with the base that the profile names",
            Self::Version { .. } => "use the pimg that wrote the lock, or a newer one",
            Self::Syntax { .. } | Self::UnknownKey(_) | Self::BadDigest { .. } => {
                "`git checkout pimg.lock` brings back the last good one"
            }
            Self::Differs { .. } => "leave `--locked` out to build with another base than the locked one",
        };
        vec![hint.to_owned()]
    }

    fn details(&self) -> Option<String> {
        match self {
            Self::Differs { what, expected, got } => {
                Some(format!("  expected {what} {expected}\n  got      {what} {got}"))
            }
            _ => None,
        }
    }
}
