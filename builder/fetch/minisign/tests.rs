//! Keys and signatures of minisign itself (made once with Debian's 0.11; the whole program is asked in
//! `tests/signed`), and what has to be refused.

use super::{KeyError, Protection, PublicKey, SecretKey, Signature, SignatureError, StoredKey};

const PUBLIC: &str = "untrusted comment: minisign public key 2C85ABA59765E099\n\
                      RWSZ4GWXpauFLAxkMZgxzG0+r3NdgWG3TPaFuZKZErZnEPZeN4A1kvhD\n";
const SECRET: &str = "untrusted comment: minisign encrypted secret key\n\
    RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAmeBll6WrhSxfv7gPW9jtOBJmyR7zdjxo47yMvvxzq4rO1fC7WeiFMAxkMZgxzG0+r3NdgWG3TPaFuZKZErZnEPZeN4A1kvhDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\n\
    RUSZ4GWXpauFLG3qiNiFUYDUuJZQP8Mku785aqjlaqZaV13H5HwVp5p6BLqu66jhkyAvIohiwEFBscs+zi7fAQEo9wmyAC2SHA4=\n\
    trusted comment: file:f x\n\
    XWWZgYG7RaOpPiiJRCJ53T3+RPVUkMgSdLTCt9glakEwdT5SjwZEsYajC+6K1Bflce8G393MIm4Yn/Dm5h0bCQ==\n";

fn key() -> SecretKey {
    SecretKey::new(&std::array::from_fn(|at| at as u8))
}

#[test]
fn a_key_of_minisign_signs_what_minisign_signs() {
    let secret = StoredKey::parse(SECRET).expect("a key").open(None).expect("without password");
    let public = PublicKey::parse(PUBLIC).expect("a key");
    assert_eq!(secret.public(), public);
    assert_eq!(public.to_text(), PUBLIC);
    assert_eq!(public.id().to_string(), "2C85ABA59765E099");
    let signature = Signature::parse(SIGNATURE).expect("a signature");
    public.verify(b"hi\n", &signature).expect("a good signature");
    assert_eq!(secret.sign(b"hi\n", "file:f x"), signature, "Ed25519 knows one signature for one text");
}

#[test]
fn nothing_but_the_signed_file_and_comment_pass() {
    let (key, other) = (key(), SecretKey::new(&[7; 40]));
    let signature = key.sign(b"file", "comment\nuntrusted comment: x");
    assert_eq!(Signature::parse(&signature.to_text()), Ok(signature.clone()));
    assert_eq!(signature.trusted_comment(), "commentuntrusted comment: x");
    let public = key.public();
    assert_eq!(public.verify(b"file", &signature), Ok(()));
    assert_eq!(public.verify(b"filf", &signature), Err(SignatureError::Mismatch(public.id())));
    let text = signature.to_text().replace(": comment", ": consent");
    let changed = Signature::parse(&text).expect("a signature");
    assert_eq!(public.verify(b"file", &changed), Err(SignatureError::Comment(public.id())));
    let by_other = other.sign(b"file", "");
    let wrong = SignatureError::WrongKey { expected: public.id(), got: by_other.key_id() };
    assert_eq!(public.verify(b"file", &by_other), Err(wrong));
    // another key under the same name
    let forged = Signature { key_id: public.id(), ..by_other };
    assert_eq!(public.verify(b"file", &forged), Err(SignatureError::Mismatch(public.id())));
    let old = signature.to_text().replace("\nRUQ", "\nRWQ");
    assert!(Signature::parse(&old).expect_err("of the older form").to_string().contains("`Ed`"));
}

#[test]
fn a_password_opens_what_it_closed_and_no_other_does() {
    let protection = Protection { password: b"horse", salt: [9; 32] };
    let text = key().to_text(Some(protection)).expect("a text");
    let stored = StoredKey::parse(&text).expect("a key");
    assert!(stored.is_locked());
    let public = stored.open(Some(b"horse")).expect("opens").public();
    assert_eq!(public, key().public());
    assert_eq!(stored.open(Some(b"cow")).err(), Some(KeyError::WrongPassword));
    assert_eq!(stored.open(None).err(), Some(KeyError::Locked));
}

#[test]
fn a_key_may_stand_in_a_variable() {
    let text = key().to_text(None).expect("a text");
    for form in [text.to_string(), text.replace('\n', " "), text.lines().last().expect("a line").to_owned()] {
        let stored = StoredKey::parse(&form).expect("a key");
        assert!(!stored.is_locked());
        assert_eq!(stored.open(None).expect("opens").public(), key().public(), "{form}");
    }
}

#[test]
fn what_is_no_key_is_told_apart_from_a_damaged_one() {
    for text in ["", "\n", "untrusted comment: x", "untrusted comment: x\nRWQ=", PUBLIC, "é"] {
        assert_eq!(StoredKey::parse(text).err(), Some(KeyError::NotSecret), "{text}");
    }
    for text in ["", "\n", "untrusted comment: x", "untrusted comment: x\nRWQ=", SECRET, SIGNATURE, "é"] {
        assert_eq!(PublicKey::parse(text).err(), Some(KeyError::NotPublic), "{text}");
    }
    let text = key().to_text(None).expect("a text");
    let at = text.len() - 60;
    let changed =
        format!("{}{}{}", &text[..at], if &text[at..=at] == "A" { "B" } else { "A" }, &text[at + 1..]);
    assert_eq!(StoredKey::parse(&changed).expect("has the form").open(None).err(), Some(KeyError::Damaged));
    for (mark, limits) in [("Sc", [0xff_u8; 16]), ("Xx", [0; 16])] {
        let mut bytes = vec![0_u8; 158];
        bytes[..2].copy_from_slice(b"Ed");
        bytes[2..4].copy_from_slice(mark.as_bytes());
        bytes[38..54].copy_from_slice(&limits);
        let line = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
        let refused = StoredKey::parse(&line).and_then(|stored| stored.open(Some(b"x")));
        assert!(matches!(refused.err(), Some(KeyError::Protection(_))), "{mark}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in ".{0,300}", bytes in proptest::collection::vec(0_u8.., 158)) {
        let line = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes);
        for text in [text, line] {
            let _ = PublicKey::parse(&text);
            let _ = Signature::parse(&text);
            let _ = StoredKey::parse(&text).map(|stored| (!stored.is_locked()).then(|| stored.open(None)));
        }
    }
}
