//! The lock's text: reading, writing, comparing. Files are the caller's business.
//!
//! `version` changes when an older pimg would misread the file, `revision` when something was added that it
//! may ignore. So keys that are unknown are an error in a revision that we know, and ignored in a later one.

use serde::{Deserialize, Serialize};

use super::error::LockError;

/// The version that this pimg reads and writes.
const VERSION: u64 = 1;

/// The newest revision of it that this pimg knows.
const REVISION: u64 = 0;

/// The keys that it knows: table and keys.
const KNOWN: [(&str, &[&str]); 1] = [("base", &["url", "sha256", "raw_sha256"])];

/// `pimg.lock`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lockfile {
    version: u64,
    #[serde(default)]
    revision: u64,
    /// The base image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<LockedBase>,
}

/// The base image that a lock names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedBase {
    /// Where it comes from: a URL, or a path.
    pub url: String,
    /// SHA-256 of the file as it is published, in lower-case hexadecimal.
    pub sha256: String,
    /// SHA-256 of the raw image inside, in lower-case hexadecimal.
    pub raw_sha256: String,
}

impl Lockfile {
    /// A lock of this base.
    pub fn new(base: LockedBase) -> Self {
        Self { version: VERSION, revision: REVISION, base: Some(base) }
    }

    /// Reads the text of a lock.
    ///
    /// # Errors
    /// It is no lock, or one of a version that this pimg does not know.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let table: toml::Table = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        let number = |key: &str| table.get(key).and_then(toml::Value::as_integer);
        if let Some(version) = number("version").and_then(|version| u64::try_from(version).ok())
            && version != VERSION
        {
            return Err(LockError::Version { got: version, expected: VERSION });
        }
        if number("revision").unwrap_or(0) <= i64::try_from(REVISION).unwrap_or(i64::MAX) {
            refuse_unknown_keys(&table)?;
        }
        let lock: Self = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        if let Some(base) = &lock.base {
            for (key, digest) in [("base.sha256", &base.sha256), ("base.raw_sha256", &base.raw_sha256)] {
                if digest.len() != 64 || !digest.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
                    return Err(LockError::BadDigest { key, got: digest.clone() });
                }
            }
        }
        Ok(lock)
    }

    /// The text of the lock.
    pub fn to_text(&self) -> String {
        let body = toml::to_string(self).expect("plain strings and numbers are always TOML");
        format!("# What builds with `--locked` must find unchanged. Written by pimg; keep it in git.\n{body}")
    }

    /// The locked base.
    ///
    /// # Errors
    /// The lock names none.
    pub fn require_base(&self) -> Result<&LockedBase, LockError> {
        self.base.as_ref().ok_or(LockError::NoBase)
    }
}

impl LockedBase {
    /// Compares digests that were found, as far as they are known by now.
    ///
    /// # Errors
    /// The first that differs.
    pub fn compare(&self, sha256: Option<&str>, raw_sha256: Option<&str>) -> Result<(), LockError> {
        for (what, expected, got) in
            [("sha256", &self.sha256, sha256), ("raw_sha256", &self.raw_sha256, raw_sha256)]
        {
            if let Some(got) = got
                && got != expected
            {
                return Err(LockError::Differs { what, expected: expected.clone(), got: got.to_owned() });
            }
        }
        Ok(())
    }
}

fn refuse_unknown_keys(table: &toml::Table) -> Result<(), LockError> {
    for (key, value) in table {
        if key == "version" || key == "revision" {
            continue;
        }
        let known = KNOWN.iter().find(|(name, _)| name == key);
        let (_, known_below) = known.ok_or_else(|| LockError::UnknownKey(key.clone()))?;
        for below in value.as_table().into_iter().flat_map(toml::Table::keys) {
            if !known_below.contains(&below.as_str()) {
                return Err(LockError::UnknownKey(format!("{key}.{below}")));
            }
        }
    }
    Ok(())
}

fn syntax(text: &str, error: &toml::de::Error) -> LockError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    LockError::Syntax { line: before.matches('\n').count() + 1, column, message: error.message().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{LockedBase, Lockfile};
    use crate::lock::error::LockError;

    fn base() -> LockedBase {
        let url = "https://example.com/base.img.xz".to_owned();
        LockedBase { url, sha256: "ab".repeat(32), raw_sha256: "cd".repeat(32) }
    }

    #[test]
    fn reads_back_what_it_wrote() {
        let lock = Lockfile::new(base());
        let text = lock.to_text();
        assert!(text.starts_with("# What builds"), "{text}");
        assert_eq!(Lockfile::parse(&text), Ok(lock));
    }

    #[test]
    fn refuses_what_it_cannot_have_written() {
        let sha = "ab".repeat(32);
        for (text, expected) in [
            ("version = 2\n", LockError::Version { got: 2, expected: 1 }),
            ("version = 1\n[packages]\n", LockError::UnknownKey("packages".into())),
            ("version = 1\n[base]\nurk = 1\n", LockError::UnknownKey("base.urk".into())),
            (
                &format!("version = 1\n[base]\nurl = \"x\"\nsha256 = \"{sha}\"\nraw_sha256 = \"AB\"\n"),
                LockError::BadDigest { key: "base.raw_sha256", got: "AB".into() },
            ),
        ] {
            assert_eq!(Lockfile::parse(text), Err(expected), "{text}");
        }
        for text in ["version = ", "", "version = 1\n[base]\nurl = \"x\"\n", "version = \"1\""] {
            assert!(matches!(Lockfile::parse(text), Err(LockError::Syntax { .. })), "{text}");
        }
        let Err(LockError::Syntax { line, column, .. }) = Lockfile::parse("version = 1\nbase = [\n") else {
            panic!("an array that does not end");
        };
        assert!(line >= 2 && column >= 1);
    }

    #[test]
    fn ignores_what_a_later_revision_added() {
        let lock = Lockfile::parse("version = 1\nrevision = 7\n[packages]\nx = 1\n").expect("compatible");
        assert_eq!(lock.require_base(), Err(LockError::NoBase));
    }

    #[test]
    fn compares_what_is_known() {
        assert_eq!(base().compare(None, Some(&"cd".repeat(32))), Ok(()));
        let other = "00".repeat(32);
        let error = base().compare(Some(&other), None).expect_err("differs");
        assert_eq!(error, LockError::Differs { what: "sha256", expected: "ab".repeat(32), got: other });
    }
}
