//! Keyrings: OpenPGP certificates (RFC 9580), binary or armored, chosen by their fingerprint, and the signatures
//! that are checked by them.

mod cleartext;
mod problem;
mod verify;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::parse::Parse;

use crate::error::{Error, Result};

pub use self::problem::SignatureProblem;
pub(crate) use self::verify::CLOCK_SKEW;

/// The fingerprint of a certificate: 40 (version 4) or 64 (version 6) hexadecimal digits, printed in upper case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(String);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    /// Reads a fingerprint in either case, with or without the usual spaces. Key IDs are too short to pin a key.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.split_whitespace().collect::<String>().to_ascii_uppercase();
        let hexadecimal = digits.chars().all(|digit| digit.is_ascii_hexdigit());
        match digits.len() {
            40 | 64 if hexadecimal => Ok(Self(digits)),
            _ if hexadecimal => Err(format!("a fingerprint has 40 or 64 digits, got {}", digits.len())),
            _ => Err("a fingerprint has only hexadecimal digits".to_owned()),
        }
    }
}

/// One certificate of a keyring.
#[derive(Debug, Clone)]
pub struct Certificate {
    fingerprint: Fingerprint,
    user_ids: Vec<String>,
    inner: Cert,
}

impl Certificate {
    /// Its fingerprint.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The names it claims, with anything unprintable replaced; nobody vouches for them.
    pub fn user_ids(&self) -> &[String] {
        &self.user_ids
    }
}

/// The certificates of one keyring file.
#[derive(Debug, Clone)]
pub struct Keyring {
    origin: String,
    certificates: Vec<Certificate>,
}

impl Keyring {
    /// Reads a keyring: what lies in `.gpg` and `.pgp` files, armored certificates one after the other, and the
    /// text of a `Signed-By` field. `origin` names it in errors.
    ///
    /// # Errors
    /// `Untrusted` where a certificate is damaged, where there is none, or where a secret key is among them.
    pub fn parse(origin: &str, bytes: &[u8]) -> Result<Self> {
        let untrusted = |reason: String| Error::Untrusted { origin: origin.to_owned(), reason };
        // GnuPG's own format: the magic of its first blob, kbx/keybox-blob.c
        if bytes.get(8..12) == Some(b"KBXf") {
            return Err(untrusted("it is a GnuPG keybox, not an exported keyring".to_owned()));
        }
        let mut certificates = Vec::new();
        for block in blocks(bytes) {
            let parser = CertParser::from_bytes(&block).map_err(|error| untrusted(error.to_string()))?;
            for certificate in parser {
                let certificate = certificate.map_err(|error| untrusted(error.to_string()))?;
                if certificate.is_tsk() {
                    return Err(untrusted("it holds a secret key".to_owned()));
                }
                certificates.push(Certificate::from(certificate));
            }
        }
        if certificates.is_empty() {
            return Err(untrusted("it holds no OpenPGP certificate".to_owned()));
        }
        Ok(Self { origin: origin.to_owned(), certificates })
    }

    /// All certificates, in the order of the file.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Takes in the certificates of a further file.
    pub fn extend(&mut self, other: Self) {
        self.origin = format!("{}, {}", self.origin, other.origin);
        self.certificates.extend(other.certificates);
    }

    /// The certificate with this fingerprint.
    ///
    /// # Errors
    /// `Untrusted`, naming the certificates that are there instead.
    pub fn require(&self, fingerprint: &Fingerprint) -> Result<&Certificate> {
        let found = self.certificates.iter().find(|certificate| certificate.fingerprint == *fingerprint);
        found.ok_or_else(|| {
            let got: Vec<_> = self.certificates.iter().map(|other| other.fingerprint.to_string()).collect();
            let reason = format!("expected certificate {fingerprint}, got {}", got.join(", "));
            Error::Untrusted { origin: self.origin.clone(), reason }
        })
    }
}

impl From<Cert> for Certificate {
    fn from(certificate: Cert) -> Self {
        let printable = |text: String| text.replace(char::is_control, "\u{fffd}");
        let user_id = |bytes: &[u8]| printable(String::from_utf8_lossy(bytes).into_owned());
        Self {
            fingerprint: Fingerprint(certificate.fingerprint().to_hex()),
            user_ids: certificate.userids().map(|bound| user_id(bound.userid().value())).collect(),
            inner: certificate,
        }
    }
}

/// The armored blocks of a text; bytes without any are one binary block. In a field of a stanza (`deb822(5)`)
/// lines are indented and a dot stands for an empty one.
fn blocks(bytes: &[u8]) -> Vec<Cow<'_, [u8]>> {
    const BEGIN: &str = "-----BEGIN PGP ";
    let armored = std::str::from_utf8(bytes).ok().filter(|text| text.contains(BEGIN));
    let Some(text) = armored else {
        return vec![Cow::Borrowed(bytes)];
    };
    let mut blocks = Vec::new();
    let mut block = String::new();
    for line in text.lines().map(|line| if line.trim() == "." { "" } else { line.trim() }) {
        if line.starts_with(BEGIN) && !block.is_empty() {
            blocks.push(std::mem::take(&mut block));
        }
        if !block.is_empty() || line.starts_with(BEGIN) {
            block.push_str(line);
            block.push('\n');
        }
    }
    blocks.push(block);
    blocks.into_iter().map(|block| Cow::Owned(block.into_bytes())).collect()
}

#[cfg(test)]
mod tests;
