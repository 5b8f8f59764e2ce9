//! What is wrong with a signature.

use std::fmt;

use super::Fingerprint;
use crate::instant::Instant;

/// Why a signature proves nothing. Keys are named by the fingerprint of their certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureProblem {
    /// Not one cleartext-signed message and nothing else.
    #[error("it is not one signed message: {0}")]
    NotOneMessage(&'static str),
    /// The signed text holds characters that no such text has.
    #[error("the signed text has control characters in it")]
    NotText,
    /// Where the signature should be is something else.
    #[error("the signature is damaged: {0}")]
    Malformed(String),
    /// Made by another key than the expected ones.
    #[error("it is signed by {}, expected {}", Either(got), Either(expected))]
    WrongKey {
        /// The pinned certificates, or all of the keyring where none is pinned.
        expected: Vec<Fingerprint>,
        /// The certificates or keys that made it, as far as the signature tells.
        got: Vec<String>,
    },
    /// The text is not what was signed.
    #[error("the signature by {key} does not fit the text")]
    Mismatch {
        /// The certificate.
        key: Fingerprint,
    },
    /// The signature is valid for a limited time only.
    #[error("the signature by {key} expired at {since}, and now is {now}")]
    Expired {
        /// The certificate.
        key: Fingerprint,
        /// When.
        since: Instant,
        /// The clock.
        now: Instant,
    },
    /// The signature was made in the future.
    #[error("the signature by {key} is from {from}, and now is {now}")]
    NotYetLive {
        /// The certificate.
        key: Fingerprint,
        /// When it was made.
        from: Instant,
        /// The clock.
        now: Instant,
    },
    /// The certificate, or the key in it that signed, is too old.
    #[error("the key {key} expired at {since}, and now is {now}")]
    KeyExpired {
        /// The certificate.
        key: Fingerprint,
        /// When.
        since: Instant,
        /// The clock.
        now: Instant,
    },
    /// The certificate, or the key in it that signed, was withdrawn.
    #[error("the key {key} is revoked")]
    KeyRevoked {
        /// The certificate.
        key: Fingerprint,
    },
    /// The key may not sign, or what binds it to its certificate is not secure, SHA-1 for one.
    #[error("the key {key} cannot be used: {reason}")]
    KeyUnusable {
        /// The certificate.
        key: Fingerprint,
        /// Which rule it breaks.
        reason: String,
    },
    /// Made with an algorithm that proves nothing any more.
    #[error("the signature by {key} is not secure: {reason}")]
    Weak {
        /// The certificate.
        key: Fingerprint,
        /// Which algorithm.
        reason: String,
    },
}

impl SignatureProblem {
    /// How near this came to a good signature: the nearest one is worth telling.
    pub(super) fn nearness(&self) -> u8 {
        match self {
            Self::NotOneMessage(_) | Self::NotText | Self::Malformed(_) => 0,
            Self::WrongKey { .. } => 1,
            Self::KeyUnusable { .. } | Self::Weak { .. } => 2,
            Self::Mismatch { .. } => 3,
            Self::KeyRevoked { .. } => 4,
            Self::Expired { .. } | Self::NotYetLive { .. } | Self::KeyExpired { .. } => 5,
        }
    }
}

/// Names joined by "or".
struct Either<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Either<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nobody");
        }
        self.0.iter().enumerate().try_for_each(|(index, name)| {
            f.write_str(if index > 0 { " or " } else { "" })?;
            name.fmt(f)
        })
    }
}
