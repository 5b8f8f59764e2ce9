//! `/var/lib/dpkg/info/*.md5sums`: digests of packaged files, good against accidents and not against anybody.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, lines};

/// An MD5 digest, printed as 32 lowercase hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Md5(pub [u8; 16]);

impl fmt::Display for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Md5 {
    type Err = ();

    /// Reads 32 hexadecimal digits.
    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let mut digest = [0_u8; 16];
        let digits = text.as_bytes().chunks_exact(2);
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(());
        }
        for (byte, digits) in digest.iter_mut().zip(digits) {
            let digits = std::str::from_utf8(digits).map_err(|_| ())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| ())?;
        }
        Ok(Self(digest))
    }
}

/// A file of a package and what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Digest of its bytes.
    pub md5: Md5,
    /// Its path without a leading slash; file names are bytes.
    pub path: &'a [u8],
}

/// Reads a list as `md5sum` and debhelper write it: digest, two spaces or a space and `*`, path.
///
/// # Errors
/// The first line of another form.
pub fn parse(bytes: &[u8]) -> Result<Vec<Entry<'_>>> {
    let filled = lines(bytes).filter(|(_, line)| !line.is_empty());
    filled.map(|(number, line)| parse_line(number, line)).collect()
}

fn parse_line(number: usize, line: &[u8]) -> Result<Entry<'_>> {
    let entry = line.split_at_checked(32).and_then(|(digest, rest)| {
        let md5 = std::str::from_utf8(digest).ok()?.parse().ok()?;
        let path = rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *"))?;
        let path = path.strip_prefix(b"./").or_else(|| path.strip_prefix(b"/")).unwrap_or(path);
        (!path.is_empty()).then_some(Entry { md5, path })
    });
    let expected = "32 hexadecimal digits, two separators and a path";
    entry.ok_or_else(|| Error::bad_value(number, "md5sums line", expected, &String::from_utf8_lossy(line)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // of RFC 1321, A.5: the empty string and "a"
    const EMPTY: &str = "d41d8cd98f00b204e9800998ecf8427e";
    const A: &str = "0cc175b9c0f1b6a831c399e269772661";

    #[test]
    fn both_separators_and_odd_names_are_read() {
        let text = format!("{EMPTY}  usr/bin/a b\n{A} *usr/share/doc/x\n{A}  ./etc/y\n{A}  /etc/z\n");
        let mut text = text.into_bytes();
        text.extend(format!("{A}  usr/share/").bytes().chain([0xe9]));
        let entries = parse(&text).expect("five lines");
        let paths: Vec<_> = entries.iter().map(|entry| entry.path).collect();
        let expected: [&[u8]; 5] =
            [b"usr/bin/a b", b"usr/share/doc/x", b"etc/y", b"etc/z", b"usr/share/\xe9"];
        assert_eq!(paths, expected);
        assert_eq!(
            (entries[0].md5.to_string(), entries[1].md5.to_string()),
            (EMPTY.to_owned(), A.to_owned())
        );
        assert_eq!(parse(b""), Ok(Vec::new()));
    }

    #[test]
    fn another_line_is_an_error_at_its_place() {
        for bad in
            [&format!("{A} usr/one-space"), &format!("{A}  "), "short  usr", &A.replace('c', "é"), "+1"]
        {
            let text = format!("{A}  usr/good\n{bad}\n");
            let error = parse(text.as_bytes()).expect_err(bad);
            assert_eq!(error.line, 2, "{error}");
        }
        assert!("+".repeat(32).parse::<Md5>().is_err());
    }

    proptest! {
        #[test]
        fn a_digest_prints_as_it_reads(bytes in any::<[u8; 16]>()) {
            prop_assert_eq!(Md5(bytes).to_string().parse(), Ok(Md5(bytes)));
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
