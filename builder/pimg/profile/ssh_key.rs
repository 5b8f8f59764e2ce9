//! Lines of `authorized_keys`: options, type, base64 blob, comment (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").

use base64::alphabet;
use base64::engine::{Engine as _, GeneralPurpose, GeneralPurposeConfig};

use super::values::{Checked, wrong};

/// What sshd on Debian trixie takes as a user's key.
const TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Whether a text is, or holds, a private key.
pub(crate) fn is_private(text: &str) -> bool {
    text.contains("PRIVATE KEY")
}

/// Checks one line and gives it back without space around it.
pub(crate) fn public_key_line(text: &str) -> Checked<String> {
    let line = text.trim();
    if line.contains(char::is_control) {
        return wrong("is more than one line: give each key as its own text");
    }
    let words = words_outside_quotes(line);
    let Some(at) = words.iter().take(2).position(|word| TYPES.contains(word)) else {
        if words.first() == Some(&"ssh-dss") {
            return wrong("is a DSA key, which sshd no longer takes: make one with `ssh-keygen -t ed25519`");
        }
        return wrong("is not a public key line, such as `ssh-ed25519 AAAA… name@host`");
    };
    let (Some(kind), Some(blob)) = (words.get(at), words.get(at + 1)) else {
        return wrong("has a key type, but no key");
    };
    let Some(blob) = decode_base64(blob) else {
        return wrong("is damaged: the part behind the key type is not base64");
    };
    match inner_type(&blob) {
        Some((inner, rest)) if inner == kind.as_bytes() && !rest.is_empty() => Ok(line.to_owned()),
        Some((inner, _)) if inner != kind.as_bytes() => wrong(format!(
            "is damaged: the line says `{kind}`, the key inside says `{}`",
            String::from_utf8_lossy(inner).chars().filter(|c| !c.is_control()).take(40).collect::<String>()
        )),
        _ => wrong("is damaged: the key is cut off"),
    }
}

fn words_outside_quotes(line: &str) -> Vec<&str> {
    let mut quoted = false;
    let mut escaped = false;
    let words = line.split(move |c: char| {
        let end = c == ' ' && !quoted;
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        end
    });
    words.filter(|word| !word.is_empty()).collect()
}

/// The first string of a key blob (RFC 4253 section 6.6), and what follows it.
fn inner_type(blob: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Base64 with padding (RFC 4648 section 4). As sshd does, bits behind the last byte are not asked about.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&alphabet::STANDARD, config).decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::{decode_base64, public_key_line};

    /// A key of the fixed scalar 1: nobody's.
    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

    fn refusal(line: &str) -> String {
        public_key_line(line).expect_err("should be refused").0
    }

    #[test]
    fn accepts_lines_with_and_without_options_and_comment() {
        for line in [
            format!("ssh-ed25519 {KEY}"),
            format!("  ssh-ed25519 {KEY} me@home with words "),
            format!("from=\"10.0.0.0/8\",command=\"echo \\\"a b\\\"\" ssh-ed25519 {KEY} me"),
        ] {
            assert_eq!(public_key_line(&line).expect("is well formed"), line.trim());
        }
    }

    #[test]
    fn says_what_is_damaged() {
        assert!(refusal("hello").contains("not a public key line"));
        assert!(refusal("ssh-ed25519").contains("no key"));
        assert!(refusal(&format!("ssh-rsa {KEY}")).contains("the key inside says `ssh-ed25519`"));
        assert!(refusal(&format!("ssh-ed25519 {}", &KEY[..KEY.len() - 3])).contains("not base64"));
        assert!(refusal("ssh-ed25519 AAAAC3Nz").contains("cut off"));
        assert!(refusal("ssh-dss AAAA").contains("DSA"));
        assert!(refusal(&format!("ssh-ed25519 {KEY}\nssh-ed25519 {KEY}")).contains("more than one line"));
        assert!(refusal("").contains("not a public key line"));
    }

    #[test]
    fn decodes_base64() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("aGk=", Some(b"hi")),
            ("aGkh", Some(b"hi!")),
            ("aGk", None),
            ("a===", None),
            ("aG k", None),
        ] {
            assert_eq!(decode_base64(text).as_deref(), bytes, "{text}");
        }
    }
}
