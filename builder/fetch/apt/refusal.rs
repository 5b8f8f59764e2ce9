//! Why a repository is refused, in parts that the application can advise on.

use std::fmt;

use crate::decode::Format;
use crate::digest::Sha256Digest;
use crate::instant::Instant;
use crate::keyring::SignatureProblem;

/// The link of the chain from a key to a package index that broke.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hop {
    /// Key → signed text; the name of the file with the signature.
    Signature(&'static str),
    /// What the signed text says about itself; the name of the file.
    Release(&'static str),
    /// Signed text → index as served; its path beside the `Release`.
    Index(String),
    /// Signed text → index after decompression; its path beside the `Release`.
    UnpackedIndex(String),
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature(file) => write!(f, "signature in `{file}`"),
            Self::Release(file) => write!(f, "`{file}`"),
            Self::Index(path) => write!(f, "index `{path}`"),
            Self::UnpackedIndex(path) => write!(f, "unpacked index `{path}`"),
        }
    }
}

/// What is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is a `Release`, and nobody signed it.
    #[error("there is none, the repository is not signed")]
    Unsigned,
    /// There is a signature that proves nothing.
    #[error(transparent)]
    Signature(#[from] SignatureProblem),
    /// The signed text is no `Release`.
    #[error("it cannot be read: {0}")]
    Malformed(String),
    /// It is of another suite.
    #[error("it is of suite {}, expected `{asked}`", Suite(suite, codename))]
    WrongSuite {
        /// What was asked for.
        asked: String,
        /// `Suite`, may be empty.
        suite: String,
        /// `Codename`, may be empty.
        codename: String,
    },
    /// It was made in the future, or our clock is wrong.
    #[error("it is from {date}, and now is {now}")]
    FromTheFuture {
        /// `Date`.
        date: Instant,
        /// The clock.
        now: Instant,
    },
    /// It is not valid any more: a mirror that stands still, or somebody who holds updates back.
    #[error("it was valid until {valid_until}, and now is {now}")]
    Stale {
        /// `Valid-Until`.
        valid_until: Instant,
        /// The clock.
        now: Instant,
    },
    /// It is older than what was already seen.
    #[error("it is from {date}, older than {not_before} as locked")]
    Downgrade {
        /// `Date`.
        date: Instant,
        /// The date that is locked.
        not_before: Instant,
    },
    /// More bytes than there may be.
    #[error("it has more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes: for an index its length as signed.
        limit: u64,
    },
    /// Fewer bytes than signed.
    #[error("expected {expected} bytes, got {got}")]
    WrongSize {
        /// Bytes as signed.
        expected: u64,
        /// Bytes that came.
        got: u64,
    },
    /// Other bytes than signed.
    #[error("expected sha256 {expected}, got sha256 {got}")]
    WrongDigest {
        /// As signed.
        expected: Sha256Digest,
        /// Of the bytes that came.
        got: Sha256Digest,
    },
    /// It is no compressed data, although it is what was signed.
    #[error("its {format} data cannot be decoded: {reason}")]
    Undecodable {
        /// The compression by its name.
        format: Format,
        /// What the decoder said.
        reason: String,
    },
}

/// Suite and codename, of which each may be missing.
struct Suite<'a>(&'a str, &'a str);

impl fmt::Display for Suite<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            ("", "") => f.write_str("no name"),
            (suite, "") => write!(f, "`{suite}`"),
            ("", codename) => write!(f, "`{codename}`"),
            (suite, codename) => write!(f, "`{suite}` (`{codename}`)"),
        }
    }
}
