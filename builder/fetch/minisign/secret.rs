//! Secret keys: how they are kept in a file, with or without a password, and what they sign.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blake2::digest::consts::U32;
use blake2::{Blake2b, Blake2b512, Digest as _};
use ed25519_dalek::{Signer as _, SigningKey};
use scrypt::Params;
use zeroize::Zeroizing;

use super::{COMMENT, ED25519, KeyError, KeyId, PublicKey, Signature, split};
use crate::dsse;

/// How many random bytes a new pair is made of: 32 of the key and 8 of its name.
pub const RANDOM_LEN: usize = 40;

const SCRYPT: [u8; 2] = *b"Sc";
const UNPROTECTED: [u8; 2] = [0, 0];
const BLAKE2B: [u8; 2] = *b"B2";

/// Length of a key line's bytes.
const LENGTH: usize = 158;
/// Where in them the protected part begins: name, both halves, checksum.
const PROTECTED: usize = 54;

/// The block size of scrypt that libsodium takes.
const BLOCK_SIZE: u32 = 8;

/// Work and memory of the passwords of new keys: N = 2^18 and 256 MiB, what age takes too. minisign's own, four times
/// that, does not fit into a small CI runner; it reads the two numbers from the file.
const NEW_LIMITS: (u64, u64) = (1 << 23, 1 << 28);

/// The most memory that opening a key may take, in bytes: what minisign's own keys take.
const MOST_MEMORY: u64 = 1 << 30;

/// The most work: the same.
const MOST_WORK: u64 = 1 << 25;

/// What protects a new key.
#[derive(Clone, Copy)]
pub struct Protection<'a> {
    /// The password.
    pub password: &'a [u8],
    /// 32 random bytes.
    pub salt: [u8; 32],
}

/// A secret key, ready to sign.
pub struct SecretKey {
    id: KeyId,
    key: SigningKey,
}

impl SecretKey {
    /// A key of these random bytes.
    pub fn new(random: &[u8; RANDOM_LEN]) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        let mut id = [0; 8];
        seed.copy_from_slice(&random[..32]);
        id.copy_from_slice(&random[32..]);
        Self { id: KeyId(id), key: SigningKey::from_bytes(&seed) }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey { id: self.id, key: self.key.verifying_key() }
    }

    /// The text of the file, as `minisign -s` takes it.
    ///
    /// # Errors
    /// Never with the limits of new keys.
    pub fn to_text(&self, protection: Option<Protection<'_>>) -> Result<Zeroizing<String>, KeyError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH));
        bytes.extend_from_slice(&ED25519);
        let (kind, salt, limits) = match protection {
            Some(protection) => (SCRYPT, protection.salt, NEW_LIMITS),
            None => (UNPROTECTED, [0; 32], (0, 0)),
        };
        bytes.extend_from_slice(&[kind, BLAKE2B].concat());
        bytes.extend_from_slice(&salt);
        bytes.extend_from_slice(&limits.0.to_le_bytes());
        bytes.extend_from_slice(&limits.1.to_le_bytes());
        bytes.extend_from_slice(&self.id.0);
        bytes.extend_from_slice(&*Zeroizing::new(self.key.to_keypair_bytes()));
        bytes.extend_from_slice(&checksum(self.id, &self.key));
        if let Some(protection) = protection {
            mask(&mut bytes[PROTECTED..], protection.password, &salt, limits)?;
        }
        let line = Zeroizing::new(STANDARD.encode(&*bytes));
        Ok(Zeroizing::new(format!("{COMMENT}minisign encrypted secret key\n{}\n", line.as_str())))
    }

    /// Signs a file with these bytes. The comment is signed too; the same file and comment have the same signature
    /// every time.
    pub fn sign(&self, bytes: &[u8], trusted_comment: &str) -> Signature {
        // a line break would begin another line of the file
        let trusted_comment: String = trusted_comment.chars().filter(|c| !c.is_control()).collect();
        let of_file = self.key.sign(&Blake2b512::digest(bytes)).to_bytes();
        let of_comment = self.key.sign(&[&of_file[..], trusted_comment.as_bytes()].concat()).to_bytes();
        Signature { key_id: self.id, of_file, trusted_comment, of_comment }
    }

    /// The signature of a DSSE envelope.
    pub fn sign_envelope(&self, payload_type: &str, payload: &[u8]) -> [u8; 64] {
        self.key.sign(&dsse::encoding(payload_type, payload)).to_bytes()
    }
}

/// A key as its file has it: still closed where a password protects it.
pub struct StoredKey(Zeroizing<[u8; LENGTH]>);

impl StoredKey {
    /// Reads the text of a key file. The comment may be missing, or stand on the same line: variables of CI systems
    /// are not kind to line breaks.
    ///
    /// # Errors
    /// It is no such text, or a protection that is not known.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let line = text.split_whitespace().next_back().ok_or(KeyError::NotSecret)?;
        let decoded = Zeroizing::new(STANDARD.decode(line).map_err(|_| KeyError::NotSecret)?);
        let bytes: [u8; LENGTH] = decoded.as_slice().try_into().map_err(|_| KeyError::NotSecret)?;
        let stored = Self(Zeroizing::new(bytes));
        if stored.0[..2] != ED25519 {
            return Err(KeyError::NotSecret);
        }
        if ![UNPROTECTED, SCRYPT].contains(&stored.protection()) {
            return Err(KeyError::Protection("another way than scrypt"));
        }
        Ok(stored)
    }

    fn protection(&self) -> [u8; 2] {
        [self.0[2], self.0[3]]
    }

    /// Whether a password is needed.
    pub fn is_locked(&self) -> bool {
        self.protection() == SCRYPT
    }

    /// The key. With a password that takes about a second, and the memory that the file says.
    ///
    /// # Errors
    /// There is no password, or it is not this one; the file is damaged.
    pub fn open(&self, password: Option<&[u8]>) -> Result<SecretKey, KeyError> {
        let mut bytes = Zeroizing::new(self.0.to_vec());
        if self.is_locked() {
            let (salt, rest) = split::<32>(&self.0[6..]).ok_or(KeyError::Damaged)?;
            let (work, rest) = split(rest).ok_or(KeyError::Damaged)?;
            let (memory, _) = split(rest).ok_or(KeyError::Damaged)?;
            let limits = (u64::from_le_bytes(work), u64::from_le_bytes(memory));
            mask(&mut bytes[PROTECTED..], password.ok_or(KeyError::Locked)?, &salt, limits)?;
        }
        let wrong = if self.is_locked() { KeyError::WrongPassword } else { KeyError::Damaged };
        let (id, rest) = split(&bytes[PROTECTED..]).ok_or(wrong)?;
        let (pair, rest) = split::<64>(rest).ok_or(wrong)?;
        let key = SigningKey::from_keypair_bytes(&Zeroizing::new(pair)).map_err(|_| wrong)?;
        // minisign leaves the checksum of a key without password blank
        let is_blank = !self.is_locked() && rest.iter().all(|byte| *byte == 0);
        if !is_blank && rest != checksum(KeyId(id), &key) {
            return Err(wrong);
        }
        Ok(SecretKey { id: KeyId(id), key })
    }
}

fn checksum(id: KeyId, key: &SigningKey) -> [u8; 32] {
    let mut digest = Blake2b::<U32>::new();
    digest.update(ED25519);
    digest.update(id.0);
    let pair = Zeroizing::new(key.to_keypair_bytes());
    digest.update(pair.as_slice());
    digest.finalize().into()
}

/// Covers or uncovers bytes with what follows from a password.
fn mask(bytes: &mut [u8], password: &[u8], salt: &[u8; 32], limits: (u64, u64)) -> Result<(), KeyError> {
    let mut stream = Zeroizing::new(vec![0; bytes.len()]);
    let parameters = parameters(limits)?;
    scrypt::scrypt(password, salt, &parameters, &mut stream)
        .map_err(|_| KeyError::Protection("its numbers make no sense"))?;
    for (byte, cover) in bytes.iter_mut().zip(stream.iter()) {
        *byte ^= cover;
    }
    Ok(())
}

/// libsodium's `pickparams` of `crypto_pwhash_scryptsalsa208sha256`: what N and p are for limits of work and memory.
fn parameters((work, memory): (u64, u64)) -> Result<Params, KeyError> {
    let work = work.max(32768);
    if work > MOST_WORK || memory > MOST_MEMORY {
        return Err(KeyError::Protection("opening it would take too much time or memory"));
    }
    let block = u64::from(BLOCK_SIZE);
    let (most_n, is_short_of_memory) = match work < memory / 32 {
        true => (work / (block * 4), false),
        false => (memory / (block * 128), true),
    };
    let log_n = (1..63_u8).find(|log| 1_u64 << log > most_n / 2).unwrap_or(63);
    let parallel = match is_short_of_memory {
        true => (work / 4 / (1 << log_n)).min(0x3fff_ffff) / block,
        false => 1,
    };
    let parallel = u32::try_from(parallel).unwrap_or(0);
    Params::new(log_n, BLOCK_SIZE, parallel, 32)
        .map_err(|_| KeyError::Protection("its numbers make no sense"))
}
