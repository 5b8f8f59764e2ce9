//! Signatures as gpg makes them, and gpgv as the judge of what is good.

use super::*;
use crate::test_gpg::{Gpg, now};

const TEXT: &str = "Origin: Test\nSuite: trixie\n- a dash\nFrom here on\n\nSHA256:\n aa 1 Packages\n";
const DAY: u64 = 86_400;

fn verify(
    keyring: &Keyring,
    bytes: &[u8],
    pins: &[Fingerprint],
) -> Result<(Vec<u8>, Fingerprint), SignatureProblem> {
    keyring.verify_clearsigned(bytes, pins, now())
}

fn replaced(message: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(message).expect("text");
    assert!(text.contains(from), "{from:?} is not in {text}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn a_good_message_gives_the_text_and_its_signer() {
    let Some(gpg) = Gpg::new() else { return };
    let (key, other) = (gpg.good_key("Archive"), gpg.good_key("Other"));
    let keyring = gpg.keyring(&[&key, &other]);
    let signed = gpg.clearsign(TEXT.as_bytes(), &[&key], now(), &[]);
    assert!(gpg.accepts(&[&key], &signed, None));
    let text = TEXT.trim_end().as_bytes().to_vec();
    for pins in [vec![], vec![key.clone()], vec![other.clone(), key.clone()]] {
        assert_eq!(verify(&keyring, &signed, &pins), Ok((text.clone(), key.clone())));
    }
    // blanks at line ends and the kind of line ends are not signed, and do not come out
    for same in [
        replaced(&signed, "Suite: trixie", "Suite: trixie \t"),
        std::str::from_utf8(&signed).expect("text").replace('\n', "\r\n").into_bytes(),
    ] {
        assert!(gpg.accepts(&[&key], &same, None));
        assert_eq!(verify(&keyring, &same, &[]), Ok((text.clone(), key.clone())));
    }
    let detached = gpg.detach(TEXT.as_bytes(), &[&key], now(), &[]);
    let armored = gpg.detach(TEXT.as_bytes(), &[&key], now(), &["--armor"]);
    for signature in [detached, armored] {
        assert!(gpg.accepts(&[&key], &signature, Some(TEXT.as_bytes())));
        assert_eq!(keyring.verify_detached(TEXT.as_bytes(), &signature, &[], now()), Ok(key.clone()));
    }
}

#[test]
fn one_good_signature_among_several_is_enough() {
    let Some(gpg) = Gpg::new() else { return };
    let (old, new, unknown) = (gpg.good_key("Old"), gpg.good_key("New"), gpg.good_key("Unknown"));
    let signed = gpg.clearsign(TEXT.as_bytes(), &[&unknown, &old, &new], now(), &[]);
    let keyring = gpg.keyring(&[&old, &new]);
    let signer = |pins: &[Fingerprint]| verify(&keyring, &signed, pins).map(|(_, signer)| signer);
    assert_eq!(signer(std::slice::from_ref(&new)), Ok(new.clone()));
    assert_eq!(signer(std::slice::from_ref(&old)), Ok(old.clone()));
    assert!([old.clone(), new.clone()].contains(&signer(&[]).expect("signed")));
    match gpg.keyring(&[&new]).verify_clearsigned(&signed, std::slice::from_ref(&old), now()) {
        Err(SignatureProblem::WrongKey { expected, got }) => {
            assert_eq!((expected, got.len()), (vec![old], 3));
            assert!(got.contains(&new.to_string()) && got.contains(&unknown.to_string()), "{got:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn tampered_messages_are_refused_as_gpgv_or_more_strictly() {
    let Some(gpg) = Gpg::new() else { return };
    let key = gpg.good_key("Archive");
    let keyring = gpg.keyring(&[&key]);
    let signed = gpg.clearsign(TEXT.as_bytes(), &[&key], now(), &[]);
    let another = gpg.clearsign(b"Suite: sid\n", &[&key], now(), &[]);
    let whole = String::from_utf8(signed.clone()).expect("text");
    let message = "-----BEGIN PGP SIGNED MESSAGE-----\n";
    // whether gpgv accepts it, for it looks at the message only and not around it
    let cases: [(&str, Vec<u8>, bool); 12] = [
        ("a flipped byte", replaced(&signed, "trixie", "trixif"), false),
        ("an added line", replaced(&signed, "Suite:", "Codename: x\nSuite:"), false),
        ("a line less", replaced(&signed, "Suite: trixie\n", ""), false),
        ("an empty line more", replaced(&signed, "\n\nSHA256", "\n\n\nSHA256"), false),
        ("a leading blank", replaced(&signed, "Suite:", " Suite:"), false),
        (
            "another text's signature",
            {
                let signature = String::from_utf8(another.clone()).expect("text");
                let at = |text: &str| text.find("-----BEGIN PGP SIGNATURE").expect("a signature");
                format!("{}{}", &whole[..at(&whole)], &signature[at(&signature)..]).into_bytes()
            },
            false,
        ),
        ("text before", [b"Suite: sid\n\n", &signed[..]].concat(), true),
        ("text behind", [&signed[..], b"Suite: sid\n"].concat(), true),
        ("two messages", [&signed[..], &another].concat(), true),
        ("a header", replaced(&signed, "\n\n", "\nComment: Suite: sid\n\n"), false),
        ("an unescaped line", replaced(&signed, "- - a dash", "- a dash"), false),
        ("a line end that is none", replaced(&signed, "Test\nSuite", "Test\rSuite"), false),
    ];
    assert!(whole.starts_with(message));
    for (what, bytes, judged) in cases {
        if judged {
            assert!(gpg.accepts(&[&key], &bytes, None) || what == "two messages", "{what}");
        } else if !["a header", "an unescaped line", "a line end that is none"].contains(&what) {
            assert!(!gpg.accepts(&[&key], &bytes, None), "gpgv accepts {what}");
        }
        let problem = verify(&keyring, &bytes, &[]).expect_err(what);
        let framing = matches!(problem, SignatureProblem::NotOneMessage(_) | SignatureProblem::NotText);
        assert!(framing || matches!(problem, SignatureProblem::Mismatch { .. }), "{what}: {problem}");
    }
    let detached = gpg.detach(b"Suite: sid\n", &[&key], now(), &[]);
    assert!(!gpg.accepts(&[&key], &detached, Some(TEXT.as_bytes())));
    let problem = keyring.verify_detached(TEXT.as_bytes(), &detached, &[], now()).expect_err("another text");
    assert_eq!(problem, SignatureProblem::Mismatch { key: key.clone() });
    for garbage in [&b""[..], b"<html>", &gpg.export(&[&key]), &detached[..detached.len() / 2]] {
        let problem = keyring.verify_detached(TEXT.as_bytes(), garbage, &[], now()).expect_err("garbage");
        assert!(matches!(problem, SignatureProblem::Malformed(_)), "{problem}");
    }
    // a text signature takes a carriage return for a line end
    let textual = gpg.detach(TEXT.as_bytes(), &[&key], now(), &["--textmode"]);
    assert_eq!(keyring.verify_detached(TEXT.as_bytes(), &textual, &[], now()), Ok(key));
    let joined = replaced(TEXT.as_bytes(), "Test\nSuite", "Test\rSuite");
    let problem = keyring.verify_detached(&joined, &textual, &[], now());
    assert_eq!(problem, Err(SignatureProblem::NotText));
}

#[test]
fn the_time_of_keys_and_signatures_counts() {
    let Some(gpg) = Gpg::new() else { return };
    let now = now();
    let (key, short) = (gpg.good_key("Archive"), gpg.key("Short", "ed25519", now - 20 * DAY, 10, &[]));
    let keyring = gpg.keyring(&[&key, &short]);
    let at = |signed: &[u8], at| keyring.verify_clearsigned(signed, &[], at).map(|(_, signer)| signer);

    // signed while the key was good, or so it says
    let old = gpg.clearsign(TEXT.as_bytes(), &[&short], now - 15 * DAY, &[]);
    assert!(!gpg.accepts(&[&short], &old, None));
    let problem = at(&old, now).expect_err("the key expired");
    assert!(matches!(&problem, SignatureProblem::KeyExpired { key, .. } if *key == short), "{problem}");
    let text = problem.to_string();
    assert!(text.contains(&format!("the key {short} expired at 20")), "{text}");
    assert_eq!(at(&old, now - 11 * DAY), Ok(short.clone()));

    let brief =
        gpg.clearsign(TEXT.as_bytes(), &[&key], now - 7200, &["--default-sig-expire", "seconds=3600"]);
    assert!(!gpg.accepts(&[&key], &brief, None));
    let problem = at(&brief, now).expect_err("the signature expired");
    assert!(matches!(problem, SignatureProblem::Expired { .. }), "{problem}");
    assert_eq!(at(&brief, now - 3601), Ok(key.clone()));

    let early = gpg.clearsign(TEXT.as_bytes(), &[&key], now + DAY, &[]);
    let problem = at(&early, now).expect_err("from tomorrow");
    assert!(matches!(problem, SignatureProblem::NotYetLive { .. }), "{problem}");
    assert_eq!(at(&early, now + DAY), Ok(key.clone()));
    assert_eq!(at(&early, now + DAY - CLOCK_SKEW), Ok(key.clone()));
    assert!(at(&early, now + DAY - CLOCK_SKEW - 1).is_err());
}

#[test]
fn revoked_keys_sign_nothing() {
    let Some(gpg) = Gpg::new() else { return };
    let key = gpg.good_key("Archive");
    let signed = gpg.clearsign(TEXT.as_bytes(), &[&key], now() - 3600, &[]);
    assert!(verify(&gpg.keyring(&[&key]), &signed, &[]).is_ok());
    let certificate = gpg.path(&format!("openpgp-revocs.d/{key}.rev"));
    let revocation = std::fs::read_to_string(&certificate).expect("gpg made one");
    std::fs::write(&certificate, revocation.replace(":-----BEGIN", "-----BEGIN")).expect("written");
    gpg.run(now(), [std::ffi::OsStr::new("--import"), certificate.as_os_str()]);
    assert!(!gpg.accepts(&[&key], &signed, None));
    let problem = verify(&gpg.keyring(&[&key]), &signed, &[]).expect_err("revoked");
    assert_eq!(problem, SignatureProblem::KeyRevoked { key });
}

#[test]
fn sha1_signs_and_binds_nothing() {
    let Some(gpg) = Gpg::new() else { return };
    let weak = ["--allow-weak-digest-algos", "--digest-algo", "SHA1", "--cert-digest-algo", "SHA1"];
    let key = gpg.good_key("Archive");
    let signed = gpg.clearsign(TEXT.as_bytes(), &[&key], now(), &weak[..3]);
    let problem = verify(&gpg.keyring(&[&key]), &signed, &[]).expect_err("signed with SHA-1");
    assert!(matches!(problem, SignatureProblem::Weak { .. }), "{problem}");
    assert!(problem.to_string().contains("SHA1"), "{problem}");

    let bound = gpg.key("Bound by SHA-1", "rsa3072", now() - DAY, 0, &weak);
    let signed = gpg.clearsign(TEXT.as_bytes(), &[&bound], now(), &[]);
    assert!(gpg.accepts(&[&bound], &signed, None), "a good signature by a badly bound key");
    let problem = verify(&gpg.keyring(&[&bound]), &signed, &[]).expect_err("bound by SHA-1");
    assert!(matches!(&problem, SignatureProblem::KeyUnusable { key, .. } if *key == bound), "{problem}");
    assert!(problem.to_string().contains("SHA1"), "{problem}");

    let small = gpg.key("Small", "rsa1024", now() - DAY, 0, &[]);
    let signed = gpg.clearsign(TEXT.as_bytes(), &[&small], now(), &[]);
    let problem = verify(&gpg.keyring(&[&small]), &signed, &[]).expect_err("a small key");
    assert!(
        matches!(problem, SignatureProblem::KeyUnusable { .. } | SignatureProblem::Weak { .. }),
        "{problem}"
    );
}

#[test]
fn keyrings_come_in_every_form_that_apt_reads() {
    let Some(gpg) = Gpg::new() else { return };
    let (one, two) = (gpg.good_key("One"), gpg.good_key("Two"));
    let armored = |key: &Fingerprint| {
        let bytes = gpg.run(now(), ["--armor", "--export", &key.to_string()]);
        String::from_utf8(bytes).expect("armor")
    };
    let both = format!("# keys of the archive\n{}{}", armored(&one), armored(&two));
    let folded: String =
        both.lines().skip(1).map(|line| format!(" {}\n", if line.is_empty() { "." } else { line })).collect();
    for bytes in [gpg.export(&[&one, &two]), both.into_bytes(), format!("\n{folded}").into_bytes()] {
        let keyring = Keyring::parse("test.asc", &bytes).expect("a keyring");
        let found: Vec<_> = keyring.certificates().iter().map(|one| one.fingerprint().clone()).collect();
        assert_eq!(found, [one.clone(), two.clone()]);
    }
    let keybox = std::fs::read(gpg.path("pubring.kbx")).expect("gpg's own");
    let text = Keyring::parse("pubring.kbx", &keybox).expect_err("a keybox").to_string();
    assert_eq!(text, "cannot trust `pubring.kbx`: it is a GnuPG keybox, not an exported keyring");
}
