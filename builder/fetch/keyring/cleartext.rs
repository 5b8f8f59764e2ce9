//! The cleartext signature framework (RFC 9580 section 7), read more strictly than it is written.
//!
//! Whoever controls a mirror controls everything around the signed text. So the file must be exactly one message
//! with one signature block: nothing before and behind it, no header but `Hash`, no line that should have been
//! escaped and is not. What comes out is what the signature covers, to the byte, and the only thing that is
//! parsed later.

const MESSAGE: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const END: &[u8] = b"-----END PGP SIGNATURE-----";

/// A signed text and the armored signature over it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// Lines ended by `\n`, the last one by nothing: that line end belongs to the signature's header.
    pub(super) text: Vec<u8>,
    pub(super) signature: &'a [u8],
}

/// Takes a message apart.
///
/// # Errors
/// What is not as it has to be.
pub(super) fn split(bytes: &[u8]) -> Result<Message<'_>, &'static str> {
    let mut lines = Lines { bytes, position: 0 };
    if lines.next().map(trimmed) != Some(MESSAGE) {
        return Err("it does not start with a signed message");
    }
    loop {
        match lines.next().map(trimmed) {
            Some([]) => break,
            // `NotDashEscaped` and `Charset` would change what the text means
            Some(header) if header.starts_with(b"Hash: ") => {}
            _ => return Err("the signed message has a header other than `Hash`"),
        }
    }
    let mut text = Vec::with_capacity(bytes.len());
    let mut first = true;
    let start = loop {
        let start = lines.position;
        let line = trimmed(lines.next().ok_or("the signature is missing")?);
        if line == SIGNATURE {
            break start;
        }
        let line = match line.strip_prefix(b"- ") {
            Some(escaped) => escaped,
            None if line.starts_with(b"-") => return Err("a line that starts with `-` is not escaped"),
            None => line,
        };
        if !std::mem::replace(&mut first, false) {
            text.push(b'\n');
        }
        text.extend(line);
    };
    while trimmed(lines.next().ok_or("the signature has no end")?) != END {}
    let (message, rest) = bytes.split_at(lines.position);
    if !rest.iter().all(u8::is_ascii_whitespace) {
        return Err("there is something behind the signature");
    }
    Ok(Message { text, signature: message.get(start..).unwrap_or_default() })
}

/// Whether a text means the same to whoever signed it and to whoever reads it by lines: signatures over text
/// take a lone carriage return for the end of a line.
pub(super) fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| !byte.is_ascii_control() || matches!(byte, b'\n' | b'\t'))
}

/// Trailing blanks are not covered by the signature.
fn trimmed(line: &[u8]) -> &[u8] {
    let blanks = line.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
    line.get(..line.len().saturating_sub(blanks)).unwrap_or_default()
}

/// Lines without their `\n`.
struct Lines<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.position..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(|byte| *byte == b'\n');
        self.position += length.map_or(rest.len(), |length| length + 1);
        rest.get(..length.unwrap_or(rest.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str = "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n";

    fn message(text: &str) -> String {
        format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{text}{BLOCK}")
    }

    #[test]
    fn the_text_is_what_was_signed() {
        for (written, signed) in [
            ("a\nb\n", "a\nb"),
            ("a \t\r\n\r\nb\r\n", "a\n\nb"),
            ("- -----BEGIN PGP SIGNATURE-----\n- - b\n", "-----BEGIN PGP SIGNATURE-----\n- b"),
            ("\n\n", "\n"),
            ("", ""),
        ] {
            let message = message(written);
            let split = split(message.as_bytes()).expect("a message");
            assert_eq!(String::from_utf8_lossy(&split.text), signed, "{written:?}");
            assert_eq!(split.signature, BLOCK.as_bytes());
        }
        assert!(split(message("a\n").replace('\n', "\r\n").as_bytes()).is_ok());
        assert!(split(format!("{}\n \r\n", message("a\n")).as_bytes()).is_ok());
    }

    #[test]
    fn nothing_is_allowed_around_the_text() {
        let good = message("a\n");
        for (bad, reason) in [
            (String::new(), "start with"),
            (format!("Suite: trixie\n{good}"), "start with"),
            (format!("\n{good}"), "start with"),
            (format!("\u{feff}{good}"), "start with"),
            (good.replace("Hash: SHA256", "NotDashEscaped: yes"), "header"),
            (good.replace("SHA256\n\n", "SHA256\nSuite: trixie\n\n"), "header"),
            (good.replace("SHA256\n\n", "SHA256\n"), "header"),
            (message("a\n-b\n"), "not escaped"),
            (message("a\n-----BEGIN PGP SIGNED MESSAGE-----\n"), "not escaped"),
            (format!("{good}Suite: trixie\n"), "behind"),
            (format!("{good}{good}"), "behind"),
            (format!("{good}{BLOCK}"), "behind"),
            (good.replace("-----END", "-----DNE"), "no end"),
            (format!("{MESSAGE}\n\na\n", MESSAGE = "-----BEGIN PGP SIGNED MESSAGE-----"), "missing"),
        ] {
            let got = split(bad.as_bytes()).expect_err(&bad);
            assert!(got.contains(reason), "{bad:?} gave {got:?}");
        }
    }

    #[test]
    fn control_characters_are_not_plain_text() {
        assert!(is_plain("Origin: Debian\n\tå\n".as_bytes()));
        for bad in [&b"a\rb"[..], b"a\0", b"\x1b[2J", b"\x7f"] {
            assert!(!is_plain(bad));
        }
    }
}
