use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::serialize::SerializeInto;

use super::*;

mod signatures;

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
