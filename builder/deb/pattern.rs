//! Patterns of names as apt reads them in pins (apt, `pkgVersionMatch::ExpressionMatches`): `fnmatch(3)` or `/ERE/`.

use regex::bytes::{Regex, RegexBuilder};

use crate::error::{Error, Result};

/// A pattern; the case of letters makes no difference.
#[derive(Debug, Clone)]
pub struct Pattern(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Literal(String),
    Glob(Vec<Token>),
    Regex(Regex),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// `*`
    Any,
    /// `?`
    One,
    Byte(u8),
    /// Ranges from first to last, both in lower case; whether what is in none of them matches.
    Set(Vec<(u8, u8)>, bool),
}

impl Pattern {
    /// Reads a pattern: a regular expression between slashes, which matches anywhere, or a glob for the whole text.
    ///
    /// # Errors
    /// A regular expression that is none.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(inner) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            let regex =
                RegexBuilder::new(inner).case_insensitive(true).unicode(false).size_limit(1 << 20).build();
            let regex = regex.map_err(|_| Error::bad_value(1, "pattern", "a regular expression", inner))?;
            return Ok(Self(Kind::Regex(regex)));
        }
        if is_wild(text) || text.contains('\\') {
            return Ok(Self(Kind::Glob(tokens(text.as_bytes()))));
        }
        Ok(Self(Kind::Literal(text.to_owned())))
    }

    /// Whether the text is one that is meant.
    pub fn matches(&self, text: &str) -> bool {
        match &self.0 {
            Kind::Literal(literal) => literal.eq_ignore_ascii_case(text),
            Kind::Glob(tokens) => glob(tokens, text.as_bytes()),
            Kind::Regex(regex) => regex.is_match(text.as_bytes()),
        }
    }
}

/// Whether apt takes a name for a pattern.
pub(crate) fn is_pattern(name: &str) -> bool {
    (name.starts_with('/') && name.ends_with('/')) || is_wild(name)
}

fn is_wild(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn tokens(mut pattern: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    while let Some((first, mut rest)) = pattern.split_first() {
        tokens.push(match first {
            b'*' => Token::Any,
            b'?' => Token::One,
            b'[' => match set(rest) {
                Some((set, behind)) => {
                    rest = behind;
                    set
                }
                None => Token::Byte(b'['),
            },
            b'\\' => {
                let (escaped, behind) = rest.split_first().unwrap_or((first, rest));
                rest = behind;
                Token::Byte(escaped.to_ascii_lowercase())
            }
            byte => Token::Byte(byte.to_ascii_lowercase()),
        });
        pattern = rest;
    }
    tokens
}

/// What stands behind `[`, up to its `]`; `None` where it has none.
fn set(pattern: &[u8]) -> Option<(Token, &[u8])> {
    let (negated, mut rest) = match pattern.split_first()? {
        (b'!' | b'^', rest) => (true, rest),
        _ => (false, pattern),
    };
    let mut ranges = Vec::new();
    loop {
        let (first, behind) = rest.split_first()?;
        // a `]` at the start belongs to the set
        if *first == b']' && !ranges.is_empty() {
            return Some((Token::Set(ranges, negated), behind));
        }
        let (last, behind) = match behind {
            [b'-', last, behind @ ..] if *last != b']' => (last, behind),
            _ => (first, behind),
        };
        ranges.push((first.to_ascii_lowercase(), last.to_ascii_lowercase()));
        rest = behind;
    }
}

impl Token {
    fn accepts(&self, byte: u8) -> bool {
        let byte = byte.to_ascii_lowercase();
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Byte(wanted) => *wanted == byte,
            Self::Set(ranges, negated) => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&byte)) != *negated
            }
        }
    }
}

/// Goes back to the last `*` only, which is enough, so the time is at most pattern times text.
fn glob(mut tokens: &[Token], mut text: &[u8]) -> bool {
    let mut retry: Option<(&[Token], &[u8])> = None;
    loop {
        match (tokens.split_first(), text.split_first()) {
            (Some((Token::Any, behind)), _) => {
                retry = Some((behind, text));
                tokens = behind;
                continue;
            }
            (Some((token, behind)), Some((byte, rest))) if token.accepts(*byte) => {
                (tokens, text) = (behind, rest);
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        match retry {
            Some((behind, [_, rest @ ..])) => {
                retry = Some((behind, rest));
                (tokens, text) = (behind, rest);
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_match_as_in_fnmatch() {
        let cases = [
            ("zfs", "zfs", "zfsutils"),
            ("zfs*", "zfsutils-linux", "libzfs"),
            ("*zfs*linux", "libzfs6linux", "libzfs6linux-dev"),
            ("linux-*-rpi-v?", "linux-image-rpi-v8", "linux-image-rpi-v10"),
            ("lib[a-f]*", "libc6", "libz"),
            ("lib[!a-f]*", "LIBZ", "libc6"),
            ("[]x]", "]", "["),
            ("[a", "[a", "a"),
            ("a[b-]", "a-", "ac"),
            ("\\*", "*", "a"),
            ("", "", "a"),
            ("*", "", "(none)"),
            ("/^libz(fs|pool)[0-9]+/", "libzpool6linux", "xlibzfs6"),
            ("/UTIL/", "zfsutils-linux", "zfs"),
            ("/[[:digit:]]$/", "libc6", "libc6-dev"),
        ];
        for (pattern, yes, no) in cases {
            let parsed = Pattern::parse(pattern).expect(pattern);
            assert!(parsed.matches(yes), "{pattern} {yes}");
            assert!(no == "(none)" || !parsed.matches(no), "{pattern} {no}");
        }
        let error = Pattern::parse("/a(/").expect_err("no expression");
        assert_eq!(error.to_string(), "line 1: `pattern` must be a regular expression, got `a(`");
    }

    proptest! {
        #[test]
        fn stars_match_whatever_stands_there(parts in prop::collection::vec("[a-c]{0,3}", 1..5), fill in "[a-c]{0,4}") {
            let pattern = Pattern::parse(&parts.join("*")).expect("a glob");
            prop_assert!(pattern.matches(&parts.join(&fill)));
        }

        #[test]
        fn garbage_never_panics(pattern in "[a*?\\[\\]!\\\\/^-]{0,12}|.{0,12}", text in ".{0,12}") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                let _ = pattern.matches(&text);
            }
        }
    }
}
