//! The lines that differ in two texts.

use similar::TextDiff;

use crate::guest::secrecy::looks_secret;

/// Longest text that is compared line by line, in bytes: time grows with the square of what differs.
pub(super) const LONGEST: u64 = 128 << 10;
/// Most lines of it, for the same reason.
const MOST_LINES: usize = 5000;
/// Equal lines that are shown around those that differ.
const CONTEXT: usize = 3;

/// What there is to say of two contents.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// One of them is no short text.
    None,
    /// One of them has a secret in it.
    Secret,
    /// The lines, in the unified format without a head.
    Unified(String),
}

/// Compares two contents, a missing one being empty.
pub(super) fn lines(a: &[u8], b: &[u8]) -> Lines {
    if looks_secret(a) || looks_secret(b) {
        return Lines::Secret;
    }
    let text = |bytes: &[u8]| -> Option<String> {
        let text = std::str::from_utf8(bytes).ok()?;
        (!text.contains('\0') && text.lines().count() <= MOST_LINES).then(|| text.to_owned())
    };
    match (text(a), text(b)) {
        (Some(a), Some(b)) => {
            let diff = TextDiff::from_lines(&a, &b);
            Lines::Unified(diff.unified_diff().context_radius(CONTEXT).to_string())
        }
        _ => Lines::None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, lines};

    #[test]
    fn lines_of_texts_only() {
        let expected = "@@ -1,2 +1,2 @@\n one\n-two\n+three\n";
        assert_eq!(lines(b"one\ntwo\n", b"one\nthree\n"), Lines::Unified(expected.to_owned()));
        assert_eq!(lines(b"", b"x\n"), Lines::Unified("@@ -0,0 +1 @@\n+x\n".to_owned()));
        assert_eq!(lines(b"one", b"\xff"), Lines::None);
        assert_eq!(lines(b"one", b"\0"), Lines::None);
        assert_eq!(lines(b"x", b"op:$6$salt$0123456789abcdef:1:"), Lines::Secret);
        assert_eq!(lines("x\n".repeat(6000).as_bytes(), b"x\n"), Lines::None);
    }
}
