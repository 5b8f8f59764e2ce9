//! Public keys: what anybody may have, and what says whether a signature is good.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blake2::{Blake2b512, Digest as _};
use ed25519_dalek::{Signature as RawSignature, VerifyingKey};

use super::{COMMENT, ED25519, KeyError, KeyId, Signature, SignatureError, decode, split};
use crate::dsse;

/// What stands before the 32 bytes of an Ed25519 key in the form that X.509 and OpenSSL use (RFC 8410, section 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub(super) id: KeyId,
    pub(super) key: VerifyingKey,
}

impl PublicKey {
    /// Reads a file with a comment line and a key line, or the key line alone.
    ///
    /// # Errors
    /// It is no such text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut lines = text.lines();
        let line = match lines.next() {
            Some(first) if first.starts_with(COMMENT) => lines.next(),
            first => first,
        };
        let bytes: [u8; 42] = line.and_then(|line| decode(line.trim())).ok_or(KeyError::NotPublic)?;
        let (kind, rest) = split(&bytes).ok_or(KeyError::NotPublic)?;
        let (id, rest) = split(rest).ok_or(KeyError::NotPublic)?;
        let (key, _) = split(rest).ok_or(KeyError::NotPublic)?;
        if kind != ED25519 {
            return Err(KeyError::NotPublic);
        }
        let key = VerifyingKey::from_bytes(&key).map_err(|_| KeyError::NotPublic)?;
        Ok(Self { id: KeyId(id), key })
    }

    /// The name of the pair.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key line, as `minisign -P` takes it.
    pub fn to_line(&self) -> String {
        STANDARD.encode([&ED25519[..], &self.id.0, self.key.as_bytes()].concat())
    }

    /// The text of the file, as `minisign -p` takes it.
    pub fn to_text(&self) -> String {
        format!("{COMMENT}minisign public key {}\n{}\n", self.id, self.to_line())
    }

    /// The key as OpenSSL and cosign take it.
    pub fn to_pem(&self) -> String {
        let body = STANDARD.encode([&SPKI[..], self.key.as_bytes()].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }

    /// Says whether this key has signed the file with these bytes.
    ///
    /// # Errors
    /// It has not.
    pub fn verify(&self, bytes: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        if signature.key_id != self.id {
            return Err(SignatureError::WrongKey { expected: self.id, got: signature.key_id });
        }
        let digest = Blake2b512::digest(bytes);
        self.key
            .verify_strict(&digest, &RawSignature::from_bytes(&signature.of_file))
            .map_err(|_| SignatureError::Mismatch(self.id))?;
        let signed = [&signature.of_file[..], signature.trusted_comment.as_bytes()].concat();
        self.key
            .verify_strict(&signed, &RawSignature::from_bytes(&signature.of_comment))
            .map_err(|_| SignatureError::Comment(self.id))
    }

    /// Says whether this key has signed the payload of a DSSE envelope.
    pub fn has_signed_envelope(&self, payload_type: &str, payload: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = RawSignature::from_slice(signature) else { return false };
        self.key.verify_strict(&dsse::encoding(payload_type, payload), &signature).is_ok()
    }
}
