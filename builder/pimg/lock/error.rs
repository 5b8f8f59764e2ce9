//! What is wrong with `pimg.lock`, or different from it.

use crate::failure::{Class, Fault, FaultyPlace};

/// The name of the file, as messages give it.
const FILE: &str = "pimg.lock";

/// `pimg.lock` cannot be used, or says something else than what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// There is none, and it was asked for.
    #[error("there is no `pimg.lock`, and `--locked` asks for one")]
    Missing,
    /// It says nothing about the base.
    #[error("`pimg.lock` does not name the base image `{url}`, and `--locked` asks for it")]
    NoBase {
        /// The base of the profile.
        url: String,
    },
    /// It is no TOML.
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
    /// It is TOML, but no lock.
    #[error("`pimg.lock`:{line}:{column} {mistake}")]
    Invalid {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong there.
        mistake: Mistake,
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
    /// The lock was made for something else than what the profile asks for now.
    #[error("`pimg.lock` does not fit profile `{profile}`")]
    DoesNotFit {
        /// The profile.
        profile: String,
        /// What differs: whole phrases, a line each.
        why: Vec<String>,
    },
}

/// What is wrong with an entry of the lock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// A key that nobody knows.
    #[error("unknown key `{0}`")]
    UnknownKey(String),
    /// A key that has to be there.
    #[error("{table} has no key `{key}`")]
    MissingKey {
        /// The table.
        table: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A value of the wrong kind.
    #[error("`{key}` is to be {expected}")]
    WrongType {
        /// The key.
        key: String,
        /// The right kind.
        expected: &'static str,
    },
    /// A text that cannot be what its key says.
    #[error("`{key}` is to be {expected}, got `{got}`")]
    BadValue {
        /// The key.
        key: &'static str,
        /// What it is to be.
        expected: &'static str,
        /// The text.
        got: String,
    },
    /// Two entries of one name.
    #[error("{what} `{name}` is named twice")]
    Duplicate {
        /// What kind of entry.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A package from a repository that the lock does not have.
    #[error("package `{package}` comes from repository `{repository}`, which the lock does not name")]
    UnknownRepository {
        /// The package.
        package: String,
        /// The repository.
        repository: String,
    },
}

impl Fault for LockError {
    fn class(&self) -> Class {
        Class::Lock
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Missing => "`pimg lock` makes one",
            Self::NoBase { .. } => "leave `--locked` out to build with the base that the profile names",
            Self::Version { .. } => "use the pimg that wrote the lock, or a newer one",
            Self::Syntax { .. } | Self::Invalid { .. } => {
                "`git checkout pimg.lock` brings back the last good one"
            }
            Self::Differs { .. } => "leave `--locked` out to build with another base than the locked one",
            Self::DoesNotFit { .. } => "`pimg lock` brings it up to date",
        };
        vec![hint.to_owned()]
    }

    fn details(&self) -> Option<String> {
        match self {
            Self::Differs { what, expected, got } => {
                Some(format!("  expected {what} {expected}\n  got      {what} {got}"))
            }
            Self::DoesNotFit { why, .. } => {
                Some(why.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))
            }
            _ => None,
        }
    }

    fn places(&self) -> Vec<FaultyPlace> {
        let (line, column, message) = match self {
            Self::Syntax { line, column, message } => (*line, *column, message.clone()),
            Self::Invalid { line, column, mistake } => (*line, *column, mistake.to_string()),
            _ => return Vec::new(),
        };
        vec![FaultyPlace { file: FILE.to_owned(), line, column, message, hint: None }]
    }
}
