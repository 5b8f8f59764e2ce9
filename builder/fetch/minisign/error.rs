//! Why a key cannot be used, and why a signature proves nothing.

use super::KeyId;

/// A key cannot be used. Nothing of a secret key is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is no public key.
    #[error("it is no public key of minisign: expected `RW…`, 56 characters, alone or on the second line")]
    NotPublic,
    /// The text is no secret key.
    #[error("it is no secret key of minisign: expected a comment line and a line `RW…` of 212 characters")]
    NotSecret,
    /// The key is protected in a way that is not known, or that would take too long to open.
    #[error("it is protected in a way that pimg does not open: {0}")]
    Protection(&'static str),
    /// The key is protected, and no password was given.
    #[error("it is protected by a password")]
    Locked,
    /// The password does not open the key.
    #[error("the password is wrong, or the file is damaged")]
    WrongPassword,
    /// The halves of the key do not belong together.
    #[error("the file is damaged: the halves of the key do not belong together")]
    Damaged,
}

/// A signature proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The text is no signature.
    #[error("it is no signature of minisign: {0}")]
    Malformed(&'static str),
    /// Made by another key than the expected one.
    #[error("it is signed by key {got}, expected {expected}")]
    WrongKey {
        /// The key that was asked for.
        expected: KeyId,
        /// The key that the signature names.
        got: KeyId,
    },
    /// The file is not what was signed.
    #[error("the signature by key {0} does not fit the file")]
    Mismatch(KeyId),
    /// The trusted comment is not what was signed.
    #[error("the signature by key {0} does not fit its trusted comment")]
    Comment(KeyId),
}
