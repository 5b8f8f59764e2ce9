//! Where a base image comes from, as a person writes it.

use std::fmt;
use std::path::PathBuf;

use reqwest::Url;

use crate::digest::Sha256Digest;
use crate::error::{Error, Result};
use crate::http::shown;

/// A file of this machine or a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A local file.
    File(PathBuf),
    /// An `https:` or `http:` URL.
    Web(Url),
}

impl Source {
    /// Reads a path, or a URL with the scheme `https`, `http` or `file`.
    ///
    /// # Errors
    /// `UnknownSource` for another scheme and for a malformed URL.
    pub fn parse(text: &str) -> Result<Self> {
        let unknown = |reason: String| Error::UnknownSource { source_text: text.to_owned(), reason };
        if text.is_empty() {
            return Err(unknown("it is empty".to_owned()));
        }
        let lower = text.to_ascii_lowercase();
        if !lower.contains("://") && !lower.starts_with("file:") {
            return Ok(Self::File(PathBuf::from(text)));
        }
        let url = Url::parse(text).map_err(|error| unknown(error.to_string()))?;
        match url.scheme() {
            "https" | "http" => Ok(Self::Web(url)),
            "file" => match url.to_file_path() {
                Ok(path) => Ok(Self::File(path)),
                Err(()) => Err(unknown("a `file:` URL names an absolute path on this machine".to_owned())),
            },
            other => Err(unknown(format!("`{other}` is none of `https`, `http` and `file`"))),
        }
    }

    /// The last component, for messages.
    pub(crate) fn name(&self) -> String {
        let last = match self {
            Self::File(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Self::Web(url) => {
                url.path_segments().and_then(|mut segments| segments.next_back()).map(str::to_owned)
            }
        };
        last.filter(|name| !name.is_empty()).unwrap_or_else(|| self.to_string())
    }
}

impl fmt::Display for Source {
    /// The path or the URL, without credentials and query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Web(url) => f.write_str(&shown(url)),
        }
    }
}

/// The digests that are expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pins {
    /// Of the bytes as published, compressed or not.
    pub published: Option<Sha256Digest>,
    /// Of the raw image in them.
    pub raw: Option<Sha256Digest>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_urls_are_told_apart() {
        let file = |path: &str| Source::File(PathBuf::from(path));
        assert_eq!(Source::parse("a b/base.img.xz").expect("a path"), file("a b/base.img.xz"));
        assert_eq!(Source::parse("file:///srv/a%20b.img").expect("a path"), file("/srv/a b.img"));
        let web = Source::parse("HTTPS://user:secret@example.org/x/base.img.xz?token=1").expect("a URL");
        assert_eq!(web.to_string(), "https://example.org/x/base.img.xz");
        assert_eq!(web.name(), "base.img.xz");
        for bad in ["", "ftp://example.org/a", "https://", "file://host/a.img"] {
            let error = Source::parse(bad).expect_err(bad);
            assert!(matches!(error, Error::UnknownSource { .. }), "{bad}: {error}");
        }
    }
}
