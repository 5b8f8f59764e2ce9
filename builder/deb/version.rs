//! Versions in dpkg's order (`deb-version(7)`; dpkg, `lib/dpkg/version.c`).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A version that dpkg accepts. Two are equal where dpkg takes them for the same, such as `1.0` and `1.00-0`.
#[derive(Debug, Clone)]
pub struct Version(String);

impl Version {
    /// Checks a version as `dpkg --validate-version` does.
    ///
    /// # Errors
    /// What is no version.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |expected| Err(Error::bad_value(1, "version", expected, text));
        let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
        let is_epoch = epoch.parse::<i32>().is_ok() && epoch.bytes().all(|byte| byte.is_ascii_digit());
        if !is_epoch {
            return bad("a number before the first colon");
        }
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        let legal = |text: &str, marks: &[u8]| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
        };
        if !upstream.starts_with(|first: char| first.is_ascii_digit()) {
            return bad("digits at its start");
        }
        if revision.is_empty() || !legal(upstream, b".-+~:") || !legal(revision, b".+~") {
            return bad("letters, digits and `.+-~:`, with a revision behind the last `-`");
        }
        Ok(Self(text.to_owned()))
    }

    /// The version as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

/// Compares two versions as dpkg does. What is no version has a place in the order too.
pub fn compare(a: &str, b: &str) -> Ordering {
    let ((epoch_a, upstream_a, revision_a), (epoch_b, upstream_b, revision_b)) = (parts(a), parts(b));
    compare_digits(epoch_a, epoch_b)
        .then_with(|| compare_part(upstream_a, upstream_b))
        .then_with(|| compare_part(revision_a, revision_b))
}

/// Epoch, upstream version and revision; an epoch that is no number belongs to the upstream version.
fn parts(version: &str) -> (&[u8], &[u8], &[u8]) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => (epoch, rest),
        _ => ("", version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch.as_bytes(), upstream.as_bytes(), revision.as_bytes())
}

/// dpkg's `verrevcmp`: runs of non-digits by [`weight`], runs of digits by value, in turn.
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (text_a, rest_a) = split_run(a, |byte| !byte.is_ascii_digit());
        let (text_b, rest_b) = split_run(b, |byte| !byte.is_ascii_digit());
        let ordering = compare_text(text_a, text_b);
        if ordering.is_ne() {
            return ordering;
        }
        let (digits_a, rest_a) = split_run(rest_a, u8::is_ascii_digit);
        let (digits_b, rest_b) = split_run(rest_b, u8::is_ascii_digit);
        let ordering = compare_digits(digits_a, digits_b);
        if ordering.is_ne() {
            return ordering;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

fn split_run(bytes: &[u8], belongs: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !belongs(byte)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

fn compare_text(a: &[u8], b: &[u8]) -> Ordering {
    let end = || std::iter::once(0);
    let weights = |bytes| <[u8]>::iter(bytes).map(weight).chain(end());
    let mut pairs = weights(a).zip(weights(b));
    pairs.find_map(|(a, b)| Some(a.cmp(&b)).filter(|ordering| ordering.is_ne())).unwrap_or(Ordering::Equal)
}

/// `~` sorts before the end, which is 0, then letters, then everything else.
fn weight(byte: &u8) -> i16 {
    match byte {
        b'~' => -1,
        letter if letter.is_ascii_alphabetic() => i16::from(*letter),
        other => i16::from(*other).saturating_add(256),
    }
}

/// Decimal numbers of any length.
fn compare_digits(a: &[u8], b: &[u8]) -> Ordering {
    let (_, a) = split_run(a, |byte| *byte == b'0');
    let (_, b) = split_run(b, |byte| *byte == b'0');
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_are_in_the_order_of_the_manual() {
        // `deb-version(7)`: `~~`, `~~a`, `~`, the empty part, `a`
        let rising = [
            "1.0~~",
            "1.0~~a",
            "1.0~",
            "1.0~rc1",
            "1.0",
            "1.0-1~bpo13+1",
            "1.0-1",
            "1.0-1+b2",
            "1.0a",
            "1.0+b",
            "1.0.1",
            "1.9",
            "1.10",
            "2",
            "1:0",
            "1:0.1",
            "10:0",
        ];
        for (index, a) in rising.iter().enumerate() {
            for (other, b) in rising.iter().enumerate() {
                assert_eq!(compare(a, b), index.cmp(&other), "{a} {b}");
            }
        }
        for (a, b) in [("1.0", "1.00"), ("1.0", "1.0-0"), ("0:1", "1"), ("1.a0", "1.a"), ("1", "1-00")] {
            assert_eq!(Version::parse(a), Version::parse(b), "{a} {b}");
        }
    }

    #[test]
    fn what_dpkg_refuses_is_refused() {
        for good in ["1", "0", "1:2-3-4", "1.0~rc1+dfsg-1", "2:1:3", "2147483647:1"] {
            assert_eq!(Version::parse(good).map(|version| version.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "a1", "1_2", "1-", "x:1", "-1:1", ":1", "+1:1", "1:", "2147483648:1", "1 2", "1-a:b"]
        {
            assert!(Version::parse(bad).is_err(), "{bad}");
        }
        let error = Version::parse("v1").expect_err("a letter");
        assert_eq!(error.to_string(), "line 1: `version` must be digits at its start, got `v1`");
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in "[0-2a:~+.-]{0,6}", b in "[0-2a:~+.-]{0,6}", c in ".{0,6}") {
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
            let mut sorted = [&a, &b, &c];
            sorted.sort_by(|a, b| compare(a, b));
            for (i, low) in sorted.iter().enumerate() {
                for high in &sorted[i..] {
                    prop_assert!(compare(low, high).is_le(), "{} {}", low, high);
                    prop_assert_eq!(compare(high, low), compare(low, high).reverse());
                }
            }
        }
    }
}
