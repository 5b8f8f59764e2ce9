//! Every way in which getting and trusting foreign bytes fails, and what kind of failure that is.

use std::io;
use std::path::{Path, PathBuf};

use crate::apt::{Hop, Refusal};
use crate::artefact::PlaceError;
use crate::decode::Format;
use crate::digest::Sha256Digest;

/// Result of this package.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A foreign error that is only ever shown.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What a failure means for the person who runs pimg; the application maps it to an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The request itself makes no sense.
    Usage,
    /// Something is not what was pinned, or nobody vouches for it.
    Trust,
    /// The network, or what answers there.
    Network,
    /// The bytes are no usable base image.
    Corrupt,
    /// This machine: space, permissions, files.
    Host,
    /// Somebody asked to stop.
    Interrupted,
}

/// What went wrong. Origins are URLs without credentials and query, or paths.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A source is neither a path nor a URL that can be fetched.
    #[error("cannot fetch from `{source_text}`: {reason}")]
    UnknownSource {
        /// The text as given.
        source_text: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// Plain HTTP without a digest to check the bytes against.
    #[error("refusing to fetch `{url}` over plain HTTP without a pinned digest")]
    Unpinned {
        /// The address.
        url: String,
    },
    /// The network may not be used, and the cache does not have it.
    #[error("`{url}` is not in the cache and the network may not be used")]
    Offline {
        /// The address.
        url: String,
    },
    /// No connection, or one that broke off or stalled, after all retries.
    #[error("cannot download `{url}` ({got} bytes received)")]
    Network {
        /// The address.
        url: String,
        /// Bytes received before.
        got: u64,
        /// What the connection said.
        #[source]
        source: Cause,
    },
    /// The server answered with an error.
    #[error("`{url}` answered with HTTP status {code}{}", meaning(*code))]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        code: u16,
    },
    /// A redirect that must not be followed.
    #[error("`{url}` redirects in a way that is not followed: {reason}")]
    Redirect {
        /// The address.
        url: String,
        /// Which rule it breaks.
        reason: String,
    },
    /// The server broke the rules of HTTP.
    #[error("`{url}` answered against the rules of HTTP: {reason}")]
    Protocol {
        /// The address.
        url: String,
        /// Got and expected.
        reason: String,
    },
    /// The content behind an address changed again and again while it was downloaded.
    #[error("`{url}` changes while it is being downloaded")]
    Changing {
        /// The address.
        url: String,
    },
    /// A web page where an image was expected.
    #[error("got an HTML page instead of an image from `{url}`: a captive portal or a login page?")]
    WebPage {
        /// The address.
        url: String,
    },
    /// The bytes are no disk image in a known form.
    #[error("`{origin}` is not a disk image: {found}")]
    NotAnImage {
        /// Where the bytes came from.
        origin: String,
        /// What they look like.
        found: String,
    },
    /// More bytes than are acceptable.
    #[error("`{origin}` is too large: {what} exceeds {limit} bytes")]
    TooLarge {
        /// Where the bytes came from.
        origin: String,
        /// Which length is over the limit.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// The compressed data ends too early.
    #[error("`{origin}` is truncated: the {format} data ends after {got} decoded bytes")]
    Truncated {
        /// Where the bytes came from.
        origin: String,
        /// The compression.
        format: Format,
        /// Bytes decoded before the end.
        got: u64,
    },
    /// The compressed data is damaged, followed by garbage, or beyond what is decoded.
    #[error("cannot decode the {format} data of `{origin}` after {got} decoded bytes")]
    Decode {
        /// Where the bytes came from.
        origin: String,
        /// The compression.
        format: Format,
        /// Bytes decoded before the failure.
        got: u64,
        /// What the decoder said.
        #[source]
        source: Cause,
    },
    /// Bytes are not the pinned ones.
    #[error("{what} has another digest: expected sha256 {expected}, got sha256 {got}")]
    DigestMismatch {
        /// What was digested.
        what: String,
        /// The pinned digest.
        expected: Sha256Digest,
        /// The digest of the bytes.
        got: Sha256Digest,
    },
    /// A file has another length than the pinned one.
    #[error("{what} has another length: expected {expected} bytes, got {got}{}", if *whole { "" } else { " and more" })]
    SizeMismatch {
        /// What was measured.
        what: String,
        /// The pinned length in bytes.
        expected: u64,
        /// Its length in bytes.
        got: u64,
        /// Whether `got` is all of it, or what had come when it was given up.
        whole: bool,
    },
    /// A directory that is no vault.
    #[error("`{}` is not a vault: {reason}", path.display())]
    NotAVault {
        /// The directory.
        path: PathBuf,
        /// What it lacks, or has too much.
        reason: &'static str,
    },
    /// A key that is not usable or not the expected one.
    #[error("cannot trust `{origin}`: {reason}")]
    Untrusted {
        /// Where the key came from.
        origin: String,
        /// Why not.
        reason: String,
    },
    /// A repository is not what its key promises.
    #[error("cannot trust repository `{repository}`: {hop}: {refusal}")]
    Refused {
        /// What we call it.
        repository: String,
        /// Which link of the chain broke.
        hop: Hop,
        /// How.
        refusal: Box<Refusal>,
    },
    /// A repository has no such part.
    #[error("repository `{repository}` has no {what} `{wanted}`, only {}", names(offered))]
    NotOffered {
        /// What we call it.
        repository: String,
        /// `component`, `architecture` or `index`.
        what: &'static str,
        /// The one asked for.
        wanted: String,
        /// The ones that it has.
        offered: Vec<String>,
    },
    /// A place that keeps artefacts did not do what it was asked to do.
    #[error(transparent)]
    Place(PlaceError),
    /// A file changed while it was read.
    #[error("`{}` changed while it was read", path.display())]
    FileChanged {
        /// The file.
        path: PathBuf,
    },
    /// The file system is full, or a quota is.
    #[error("no space left to write `{}`", path.display())]
    NoSpace {
        /// What was being written.
        path: PathBuf,
    },
    /// Another failure of the host's files; the text names the path.
    #[error(transparent)]
    Host(#[from] io::Error),
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// What kind of failure it is.
    pub fn class(&self) -> Class {
        match self {
            Self::UnknownSource { .. } | Self::NotAVault { .. } | Self::NotOffered { .. } => Class::Usage,
            Self::Unpinned { .. }
            | Self::DigestMismatch { .. }
            | Self::SizeMismatch { .. }
            | Self::Untrusted { .. }
            | Self::Refused { .. } => Class::Trust,
            Self::Offline { .. }
            | Self::Network { .. }
            | Self::Status { .. }
            | Self::Redirect { .. }
            | Self::Protocol { .. }
            | Self::Changing { .. }
            | Self::WebPage { .. } => Class::Network,
            Self::Place(error) => error.problem.class(),
            Self::NotAnImage { .. }
            | Self::TooLarge { .. }
            | Self::Truncated { .. }
            | Self::Decode { .. } => Class::Corrupt,
            Self::FileChanged { .. } | Self::NoSpace { .. } | Self::Host(_) => Class::Host,
            Self::Interrupted => Class::Interrupted,
        }
    }

    /// A failure to write `path`; tells a full disk from the rest.
    pub(crate) fn writing(path: &Path, source: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match source.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::NoSpace { path: path.to_path_buf() },
            kind => Self::Host(io::Error::new(kind, format!("cannot write `{}`: {source}", path.display()))),
        }
    }
}

fn meaning(code: u16) -> &'static str {
    match code {
        401 | 403 => " (access denied)",
        404 | 410 => " (no such file)",
        429 => " (too many requests)",
        500..=599 => " (the server has a problem)",
        _ => "",
    }
}

fn names(names: &[String]) -> String {
    match names {
        [] => "an empty list".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}
