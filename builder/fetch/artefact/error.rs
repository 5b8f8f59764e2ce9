//! How a place that keeps artefacts fails.

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::error::{Cause, Class};

/// The content of a file on its way.
pub(super) type Pieces = BoxStream<'static, Result<Bytes, Problem>>;

/// Fails for a file that has another length than its name says, before any of it is read.
pub(super) fn require_size(got: u64, expected: u64) -> Result<(), Problem> {
    let told = || Problem::Wrong(format!("it has a file of {got} bytes, expected {expected}"));
    if got == expected { Ok(()) } else { Err(told()) }
}

/// What a place did not do. The text names no account and no query of an address.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} `{place}`")]
pub struct PlaceError {
    /// Where, as a person wrote it.
    pub place: String,
    /// What was to be done: `pull TAG from`, `push to`.
    pub doing: String,
    /// Why it was not.
    #[source]
    pub problem: Problem,
}

/// Why a place did not do what it was asked to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It does not know us, or does not let us.
    #[error("access denied")]
    Denied,
    /// It has no such tag, or no such file.
    #[error("it has no {0}")]
    Unknown(String),
    /// It is only read.
    #[error("it takes no files")]
    ReadOnly,
    /// It answered with another status.
    #[error("it answered with HTTP status {code}{}", said(message))]
    Status {
        /// The status.
        code: u16,
        /// The first line of what it said.
        message: String,
    },
    /// It cannot be reached, or went away.
    #[error(transparent)]
    Unreachable(Cause),
    /// It refused, in its own words.
    #[error("it said: {0}")]
    Said(String),
    /// What it sent is not what it should be.
    #[error("{0}")]
    Wrong(String),
    /// It cannot be asked at all as it was described.
    #[error("{0}")]
    Unusable(String),
}

impl Problem {
    /// Whether the same might go well a little later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Status { code, .. } => matches!(code, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Wrong(_) => Class::Trust,
            Self::Unusable(_) => Class::Usage,
            _ => Class::Network,
        }
    }

    /// What a status means.
    pub(super) fn of_status(code: u16, message: &str, what: &str) -> Self {
        match code {
            401 | 403 => Self::Denied,
            404 | 410 => Self::Unknown(what.to_owned()),
            405 | 501 => Self::ReadOnly,
            code => {
                let line = message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
                Self::Status { code, message: line.chars().take(200).collect() }
            }
        }
    }
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}
