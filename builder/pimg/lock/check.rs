//! What a text in a lock has to be. A lock comes out of a repository that several people write to, so what it
//! says about paths and digests is looked at before anybody acts on it.

use pimg_deb::date;

/// A check of one text: whether it passes, and what it is to be.
pub(super) type Check = (fn(&str) -> bool, &'static str);

/// A SHA-256 digest.
pub(super) const DIGEST: Check = (is_digest, "a SHA-256 digest in lower-case hexadecimal");
/// Any text of one line.
pub(super) const WORDS: Check = (is_line, "a text of one line");
/// A date in UTC.
pub(super) const DATE: Check = (is_date, "a date such as `2026-08-19T08:12:01Z`");
/// A path below a repository.
pub(super) const BELOW: Check = (is_below, "a path below the repository, without `..`");
/// A fingerprint.
pub(super) const FINGERPRINT: Check = (is_fingerprint, "a fingerprint of 40 or 64 hexadecimal digits");

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

fn is_fingerprint(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|c| c.is_ascii_hexdigit())
}

/// A path below a repository that stays below it, as a URL and as a path of a file.
fn is_below(text: &str) -> bool {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    is_line(text) && !text.contains(['\\', '?', '#']) && text.split('/').all(is_plain)
}

/// The one form that is written: RFC 3339 with whole seconds and `Z`.
fn is_date(text: &str) -> bool {
    date::parse_rfc3339(text).is_some_and(|seconds| date::format_rfc3339(seconds) == text)
}

#[cfg(test)]
mod tests {
    use super::{is_below, is_date, is_digest, is_fingerprint};

    #[test]
    fn dates_that_are_none() {
        assert!(is_date("2026-08-19T08:12:01Z") && is_date("2024-02-29T23:59:59Z"));
        for text in [
            "2026-08-19",
            "2026-08-19 08:12:01Z",
            "2026-08-19T08:12:01+00:00",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-08-32T00:00:00Z",
            "2026-08-19T24:00:00Z",
            "2026-08-19T08:60:00Z",
            "2026-08-19T08:12:0éZ",
        ] {
            assert!(!is_date(text), "{text}");
        }
    }

    #[test]
    fn paths_that_leave_the_repository() {
        assert!(is_below("pool/main/z/zsh/zsh_5.9-8+b15_arm64.deb") && is_below("zsh_1%3a2~.deb"));
        for text in
            ["", "/etc/passwd", "../x.deb", "pool/../../x", "pool//x", "./x", "a\\..\\b", "x\n", "x?y=1"]
        {
            assert!(!is_below(text), "{text}");
        }
    }

    #[test]
    fn digests_and_fingerprints_have_their_length() {
        assert!(is_digest(&"a0".repeat(32)) && !is_digest(&"A0".repeat(32)) && !is_digest("a0"));
        assert!(is_fingerprint(&"A0".repeat(20)) && is_fingerprint(&"a0".repeat(32)));
        assert!(!is_fingerprint(&"A0".repeat(8)), "a key id pins nothing");
    }
}
