//! Signatures in minisign's format: small files that one Ed25519 key vouches for.
//!
//! The format is that of <https://jedisct1.github.io/minisign/>, and Debian's `minisign` judges both directions. What
//! is signed is always the BLAKE2b digest of the file (`ED`), as minisign does since 0.10; the older form (`Ed`) is
//! refused. The Rust crate `minisign` was not taken: it salts each signature, so that the same build would not have the
//! same signature twice; it asks for passwords and prints by itself; it brings a second Ed25519 and BLAKE2 beside those
//! that we have; and it signs nothing but its own format, so that a DSSE envelope would need another key.
//!
//! Nothing in here reads a file, a clock or random numbers.

mod error;
mod public;
mod secret;
mod signature;
#[cfg(test)]
mod tests;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use error::{KeyError, SignatureError};
pub use public::PublicKey;
pub use secret::{Protection, RANDOM_LEN, SecretKey, StoredKey};
pub use signature::Signature;

/// Begins the first line of every file of minisign.
const COMMENT: &str = "untrusted comment: ";

/// Marks keys, and signatures over a file itself.
const ED25519: [u8; 2] = *b"Ed";

/// Marks signatures over the digest of a file.
const PREHASHED: [u8; 2] = *b"ED";

/// Names a key pair: 8 random bytes, shown as minisign shows them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The bytes of a line of Base64, if it has as many as expected.
fn decode<const N: usize>(line: &str) -> Option<[u8; N]> {
    STANDARD.decode(line.trim_end()).ok()?.try_into().ok()
}

/// The next `N` bytes, and what is behind them.
fn split<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    bytes.split_first_chunk().map(|(first, rest)| (*first, rest))
}
