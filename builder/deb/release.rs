//! `Release` of a repository: what it is, when it was made, and the digests of its indexes.

use std::collections::BTreeMap;
use std::fmt;

use crate::date;
use crate::deb822::{self, Comments, Field, Stanza};
use crate::error::{Error, Problem, Result};

/// What a `Release` says. Only once its signature is checked is any of it worth believing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// Who made it, such as `Debian`; empty where it is not told, as the next four.
    pub origin: String,
    /// What it is called, such as `Debian Backports`.
    pub label: String,
    /// Its suite, such as `stable-backports`.
    pub suite: String,
    /// Its codename, such as `trixie-backports`.
    pub codename: String,
    /// Its version, such as `13.7`.
    pub version: String,
    /// When it was made, in seconds since 1970.
    pub date: i64,
    /// Up to when it may be used, in seconds since 1970.
    pub valid_until: Option<i64>,
    /// The architectures it has.
    pub architectures: Vec<String>,
    /// The components it has.
    pub components: Vec<String>,
    /// Indexes are also to be had by their digests.
    pub acquire_by_hash: bool,
    /// Nothing comes from here unless it is asked for.
    pub not_automatic: bool,
    /// What came from here is upgraded from here.
    pub but_automatic_upgrades: bool,
    /// Size in bytes and SHA-256 digest in lower case of each index, by its path beside the `Release`.
    pub files: BTreeMap<String, (u64, String)>,
}

/// Reads a `Release`, without the signature that may be around it.
///
/// # Errors
/// Several stanzas or none, no `Date`, no `SHA256`, a date that is none, or a path that leads elsewhere.
pub fn parse(bytes: &[u8]) -> Result<Release> {
    let stanzas = deb822::parse(bytes, Comments::Refused)?;
    let stanza = match &stanzas[..] {
        [] => return Err(Error::new(1, Problem::MissingField { field: "Date" })),
        [stanza] => stanza,
        [_, second, ..] => return Err(Error::new(second.line(), Problem::SecondStanza)),
    };
    let text = |name| stanza.get(name).unwrap_or_default().to_owned();
    let words = |name| match stanza.field(name) {
        Some(field) => field.words().map(str::to_owned).collect(),
        None => Vec::new(),
    };
    let missing = |field| Error::new(stanza.line(), Problem::MissingField { field });
    Ok(Release {
        origin: text("Origin"),
        label: text("Label"),
        suite: text("Suite"),
        codename: text("Codename"),
        version: text("Version"),
        date: date(stanza, "Date")?.ok_or_else(|| missing("Date"))?,
        valid_until: date(stanza, "Valid-Until")?,
        architectures: words("Architectures"),
        components: words("Components"),
        acquire_by_hash: is_yes(stanza, "Acquire-By-Hash"),
        not_automatic: is_yes(stanza, "NotAutomatic"),
        but_automatic_upgrades: is_yes(stanza, "ButAutomaticUpgrades"),
        files: files(stanza.field("SHA256").ok_or_else(|| missing("SHA256"))?)?,
    })
}

impl fmt::Display for Release {
    /// Writes it without a signature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |flag| if flag { "yes".to_owned() } else { String::new() };
        let fields = [
            ("Origin", self.origin.clone()),
            ("Label", self.label.clone()),
            ("Suite", self.suite.clone()),
            ("Codename", self.codename.clone()),
            ("Version", self.version.clone()),
            ("Date", date::format(self.date)),
            ("Valid-Until", self.valid_until.map(date::format).unwrap_or_default()),
            ("NotAutomatic", flag(self.not_automatic)),
            ("ButAutomaticUpgrades", flag(self.but_automatic_upgrades)),
            ("Acquire-By-Hash", flag(self.acquire_by_hash)),
            ("Architectures", self.architectures.join(" ")),
            ("Components", self.components.join(" ")),
        ];
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            writeln!(f, "{name}: {value}")?;
        }
        f.write_str("SHA256:\n")?;
        self.files.iter().try_for_each(|(path, (size, digest))| writeln!(f, " {digest} {size} {path}"))
    }
}

fn date(stanza: &Stanza<'_>, name: &'static str) -> Result<Option<i64>> {
    let Some(field) = stanza.field(name) else { return Ok(None) };
    let expected = "a date like `Sat, 21 Nov 2026 02:10:46 UTC`";
    let date = date::parse(field.value());
    date.map(Some).ok_or_else(|| Error::bad_value(field.line(), name, expected, field.value()))
}

/// The words that apt's `StringToBool` takes for yes.
fn is_yes(stanza: &Stanza<'_>, name: &str) -> bool {
    let value = stanza.get(name).unwrap_or_default();
    ["yes", "true", "with", "on", "enable", "1"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// Lines of `DIGEST SIZE PATH`.
fn files(field: &Field<'_>) -> Result<BTreeMap<String, (u64, String)>> {
    let mut files = BTreeMap::new();
    for (number, line) in (field.line()..).zip(field.lines()) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let (path, file) = file(line).ok_or_else(|| {
            Error::bad_value(number, "SHA256", "a digest, a size and a path below the suite", line)
        })?;
        let file_again = file.clone();
        if files.insert(path.to_owned(), file).is_some_and(|before| before != file_again) {
            return Err(Error::bad_value(number, "SHA256", "one digest for each path", path));
        }
    }
    Ok(files)
}

fn file(line: &str) -> Option<(&str, (u64, String))> {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let [digest, size, path] = words[..] else { return None };
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let leads_out = path.starts_with('/') || path.split('/').any(|part| part == "..");
    if !is_digest || leads_out {
        return None;
    }
    Some((path, (size.parse().ok()?, digest.to_ascii_lowercase())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "a728c1ce12fbf4bb6bdec22327b2f6bf372ba34f540d50d0ad18e4caf4acc700";

    fn backports() -> String {
        format!(
            "\
Origin: Debian Backports
Label: Debian Backports
Suite: stable-backports
Codename: trixie-backports
Date: Sat, 21 Nov 2026 02:10:46 UTC
Valid-Until: Sat, 28 Nov 2026 02:10:46 UTC
NotAutomatic: yes
ButAutomaticUpgrades: yes
Acquire-By-Hash: yes
Architectures: all amd64 arm64
Components: main contrib
MD5Sum:
 d41d8cd98f00b204e9800998ecf8427e 0 main/binary-arm64/Packages
SHA256:
 {A}   395207 contrib/Contents-all
 {A}        0 main/binary-arm64/Packages.xz
"
        )
    }

    #[test]
    fn a_release_says_what_it_is_and_what_it_has() {
        let release = parse(backports().as_bytes()).expect("a release");
        assert_eq!((&release.suite[..], &release.codename[..]), ("stable-backports", "trixie-backports"));
        assert_eq!((&release.origin[..], &release.label[..]), ("Debian Backports", "Debian Backports"));
        assert_eq!((release.date, release.valid_until), (1_795_227_046, Some(1_795_831_846)));
        assert!(release.not_automatic && release.but_automatic_upgrades && release.acquire_by_hash);
        assert_eq!(
            (&release.architectures[..], &release.version[..]),
            (&["all", "amd64", "arm64"].map(str::to_owned)[..], "")
        );
        let paths: Vec<_> = release.files.iter().map(|(path, (size, _))| (&path[..], *size)).collect();
        assert_eq!(parse(release.to_string().as_bytes()).as_ref(), Ok(&release));
        assert_eq!(paths, [("contrib/Contents-all", 395_207), ("main/binary-arm64/Packages.xz", 0)]);
    }

    #[test]
    fn what_cannot_be_relied_on_is_an_error() {
        let cases = [
            ("SHA256:", "SHA1:", "line 1: the stanza has no field `SHA256`"),
            ("Date: Sat, ", "Day: Sat, ", "line 1: the stanza has no field `Date`"),
            (
                "21 Nov",
                "31 Nov",
                "line 5: `Date` must be a date like `Sat, 21 Nov 2026 02:10:46 UTC`, got `Sat, 31 Nov 2026 02:10:46 UTC`",
            ),
            ("MD5Sum", "\nMD5Sum", "line 13: one stanza is all there may be"),
            (
                "0 main/binary-arm64/Packages.xz",
                "1 contrib/Contents-all",
                "line 16: `SHA256` must be one digest for each path, got `contrib/Contents-all`",
            ),
        ];
        for (from, to, expected) in cases {
            let error = parse(backports().replace(from, to).as_bytes()).expect_err(expected);
            assert_eq!(error.to_string(), expected);
        }
        for path in ["../../etc/passwd", "/etc/passwd", "main/..", "a b", ""] {
            let text = backports().replace("contrib/Contents-all", path);
            let error = parse(text.as_bytes()).expect_err(path).to_string();
            assert!(
                error.starts_with("line 15: `SHA256` must be a digest, a size and a path below the suite"),
                "{error}"
            );
        }
        assert!(parse(backports().replace("395207", "-1").as_bytes()).is_err());
        assert!(parse(backports().replace("a728", "a72").as_bytes()).is_err());
        assert!(parse(b"").is_err());
    }

    proptest! {
        #[test]
        fn a_damaged_release_never_panics(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = backports().into_bytes();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let _ = parse(&bytes);
        }
    }
}
