//! Downloads and signatures.

use std::sync::OnceLock;

use pimg_fetch::{Keyring, fuzzing};

/// Raw bytes after which decoding is given up: a bomb of any size ends here.
const MOST: u64 = 8 << 20;
/// 2026-01-01.
const NOW: u64 = 1_767_225_600;

pub fn base_image(input: &[u8]) {
    let _ = fuzzing::decoded(input, MOST);
}

pub fn keyring(input: &[u8]) {
    let Ok(keyring) = Keyring::parse("fuzz", input) else { return };
    for certificate in keyring.certificates() {
        let _ = (certificate.fingerprint().to_string(), certificate.user_ids());
        assert!(keyring.require(certificate.fingerprint()).is_ok());
    }
    let _ = keyring.verify_clearsigned(b"-----BEGIN PGP SIGNED MESSAGE-----\n", &[], NOW);
}

/// What a keyring made for this vouches for is one of the texts that it signed, or the input is a finding.
pub fn clearsigned(input: &[u8]) {
    static KNOWN: OnceLock<Option<(Keyring, Vec<u8>)>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let made = crate::patched::made();
        let keyring = Keyring::parse("fuzz", &std::fs::read(made.join("signer.pgp")).ok()?).ok()?;
        Some((keyring, std::fs::read(made.join("signed.txt")).ok()?))
    });
    let Some((keyring, text)) = known else { return };
    if let Ok((vouched, _)) = keyring.verify_clearsigned(input, &[], NOW) {
        let plain = |text: &[u8]| {
            text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).collect::<Vec<_>>().concat()
        };
        assert_eq!(plain(&vouched), plain(text), "a text is vouched for that nobody signed");
    }
    if let Some(at) = input.iter().position(|byte| *byte == 0) {
        let (text, signature) = input.split_at(at);
        let _ = keyring.verify_detached(text, &signature[1..], &[], NOW);
    }
}

pub fn source(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let _ = fuzzing::source(&text);
    let _ = text.parse::<pimg_fetch::Fingerprint>();
    if let Ok(digest) = text.parse::<pimg_fetch::Sha256Digest>() {
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }
}

pub fn partial_note(input: &[u8]) {
    let _ = fuzzing::partial_note(&String::from_utf8_lossy(input));
}
