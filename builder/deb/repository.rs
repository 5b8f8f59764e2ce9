//! A repository of one directory, written: `Packages` and `Release` that apt reads from a source whose suite is `./`.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::deb822::{self, Comments};
use crate::error::{Error, Problem, Result};
use crate::release::Release;

/// Fields that tell where and what the file of a package is. Only we say so, not the package.
const OF_REPOSITORY: [&str; 7] = ["Filename", "Size", "MD5sum", "SHA1", "SHA256", "SHA512", "Status"];

/// The stanza of a package in `Packages`, with a newline at its end: its control file and where it is.
///
/// # Errors
/// The control file is not one stanza of a package.
pub fn packages_stanza(control: &str, filename: &str, size: u64, sha256: &str) -> Result<String> {
    let stanzas = deb822::parse(control.as_bytes(), Comments::Refused)?;
    let stanza = match &stanzas[..] {
        [] => return Err(Error::new(1, Problem::MissingField { field: "Package" })),
        [stanza] => stanza,
        [_, second, ..] => return Err(Error::new(second.line(), Problem::SecondStanza)),
    };
    for name in ["Package", "Version", "Architecture"] {
        stanza.require(name)?;
    }
    let mut text = String::with_capacity(control.len().saturating_add(200));
    for field in stanza.fields() {
        if !OF_REPOSITORY.iter().any(|name| field.name().eq_ignore_ascii_case(name)) {
            text.push_str(&field.to_string());
        }
    }
    // writing to a string does not fail
    let _ = write!(text, "Filename: {filename}\nSize: {size}\nSHA256: {sha256}\n");
    Ok(text)
}

/// `Packages` of these stanzas, in their order.
pub fn packages(stanzas: &[String]) -> String {
    stanzas.join("\n")
}

/// A release for indexes with these sizes in bytes and digests, made at this time in seconds since 1970.
///
/// Its text is that of [`Release`]'s `Display`.
pub fn release(
    suite: &str,
    architectures: &[String],
    date: i64,
    files: BTreeMap<String, (u64, String)>,
) -> Release {
    Release {
        origin: "pimg".to_owned(),
        label: "pimg".to_owned(),
        suite: suite.to_owned(),
        codename: suite.to_owned(),
        date,
        architectures: architectures.to_vec(),
        files,
        ..Release::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{index, release};

    const A: &str = "a728c1ce12fbf4bb6bdec22327b2f6bf372ba34f540d50d0ad18e4caf4acc700";
    const CONTROL: &str = "\
Package: zfs-dkms
Version: 2.4.4-1
filename: ../../etc/passwd
Architecture: all
Status: install ok installed
Description: short
 long
 .
 end
";

    #[test]
    fn only_the_repository_says_where_a_package_is() {
        let stanza = packages_stanza(CONTROL, "pool/zfs-dkms.deb", 12, A).expect("a stanza");
        let expected = format!(
            "\
Package: zfs-dkms
Version: 2.4.4-1
Architecture: all
Description: short
 long
 .
 end
Filename: pool/zfs-dkms.deb
Size: 12
SHA256: {A}
"
        );
        assert_eq!(stanza, expected);
        let text = packages(&[stanza.clone(), stanza]);
        let entries = index::entries(text.as_bytes()).expect("an index");
        let read: Vec<_> =
            entries.iter().map(|entry| (entry.filename, entry.size, entry.sha256, entry.status)).collect();
        assert_eq!(read, [("pool/zfs-dkms.deb", 12, A, ""); 2]);
    }

    #[test]
    fn a_control_file_that_is_none_is_an_error() {
        for (control, expected) in [
            ("", "line 1: the stanza has no field `Package`"),
            ("Package: a\nVersion: 1", "line 1: the stanza has no field `Architecture`"),
            (
                "Package: a\nVersion: 1\nArchitecture: all\n\nPackage: b\n",
                "line 5: one stanza is all there may be",
            ),
        ] {
            assert_eq!(packages_stanza(control, "a", 1, A).expect_err(expected).to_string(), expected);
        }
    }

    #[test]
    fn a_written_release_reads_back() {
        let files = BTreeMap::from([("Packages".to_owned(), (12, A.to_owned()))]);
        let written = release("pimg", &["arm64".to_owned(), "all".to_owned()], 1_795_227_046, files);
        let text = written.to_string();
        assert!(
            text.starts_with("Origin: pimg\n") && text.contains("Date: Sat, 21 Nov 2026 02:10:46 +0000\n"),
            "{text}"
        );
        assert_eq!(release::parse(text.as_bytes()), Ok(written));
    }
}
