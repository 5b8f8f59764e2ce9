//! Keyrings: OpenPGP certificates (RFC 9580), binary or armored, chosen by their fingerprint.

use std::fmt;
use std::str::FromStr;

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::parse::Parse;

use crate::error::{Error, Result};

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
    /// Reads a keyring. `origin` names it in errors.
    ///
    /// # Errors
    /// `Untrusted` where a certificate is damaged, where there is none, or where a secret key is among them.
    pub fn parse(origin: &str, bytes: &[u8]) -> Result<Self> {
        let untrusted = |reason: String| Error::Untrusted { origin: origin.to_owned(), reason };
        let parser = CertParser::from_bytes(bytes).map_err(|error| untrusted(error.to_string()))?;
        let mut certificates = Vec::new();
        for certificate in parser {
            let certificate = certificate.map_err(|error| untrusted(error.to_string()))?;
            if certificate.is_tsk() {
                return Err(untrusted("it holds a secret key".to_owned()));
            }
            certificates.push(Certificate::from(&certificate));
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

impl From<&Cert> for Certificate {
    fn from(certificate: &Cert) -> Self {
        let printable = |text: String| text.replace(char::is_control, "\u{fffd}");
        let user_id = |bytes: &[u8]| printable(String::from_utf8_lossy(bytes).into_owned());
        Self {
            fingerprint: Fingerprint(certificate.fingerprint().to_hex()),
            user_ids: certificate.userids().map(|bound| user_id(bound.userid().value())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use sequoia_openpgp::cert::CertBuilder;
    use sequoia_openpgp::serialize::SerializeInto;

    use super::*;

    fn certificate(name: &str) -> Cert {
        let (certificate, _revocation) =
            CertBuilder::new().add_userid(name).add_signing_subkey().generate().expect("a new key");
        certificate
    }

    #[test]
    fn binary_and_armored_keyrings_list_their_certificates() {
        let (one, two) = (certificate("One <one@example.org>"), certificate("Two"));
        let mut binary = one.to_vec().expect("serialised");
        binary.extend(two.to_vec().expect("serialised"));
        let keyring = Keyring::parse("test.gpg", &binary).expect("two certificates");
        let names: Vec<_> = keyring.certificates().iter().flat_map(|one| one.user_ids().to_vec()).collect();
        assert_eq!(names, ["One <one@example.org>", "Two"]);

        let armored = one.armored().to_vec().expect("serialised");
        assert!(armored.starts_with(b"-----BEGIN PGP PUBLIC KEY BLOCK-----"));
        let keyring = Keyring::parse("test.asc", &armored).expect("one certificate");
        let spaced = one.fingerprint().to_spaced_hex().to_lowercase();
        let found = keyring.require(&spaced.parse().expect("a fingerprint")).expect("it is there");
        assert_eq!(found.fingerprint().to_string(), one.fingerprint().to_hex());

        let error = keyring.require(&two.fingerprint().to_hex().parse().expect("a fingerprint"));
        let text = error.expect_err("another key").to_string();
        assert!(
            text.contains(&two.fingerprint().to_hex()) && text.contains(&one.fingerprint().to_hex()),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_keyring_is_refused() {
        let one = certificate("One");
        let truncated = one.to_vec().expect("serialised");
        let truncated = truncated.get(..truncated.len() / 2).expect("half of it");
        for bytes in [&b""[..], b"<html>404</html>", &[0x99, 0xff, 0xff], truncated] {
            let error = Keyring::parse("test.gpg", bytes).expect_err("no keyring");
            assert!(matches!(error, Error::Untrusted { .. }), "{error}");
        }
        let secret = one.as_tsk().to_vec().expect("serialised");
        let text = Keyring::parse("test.gpg", &secret).expect_err("a secret key").to_string();
        assert_eq!(text, "cannot trust `test.gpg`: it holds a secret key");
    }

    #[test]
    fn a_key_id_is_no_fingerprint() {
        assert!("82B129927FA3303E".parse::<Fingerprint>().is_err());
        assert!("CF8A 1AF5 02A2 AA2D 763B  AE7E 82B1 2992 7FA3 303E".parse::<Fingerprint>().is_ok());
    }
}
