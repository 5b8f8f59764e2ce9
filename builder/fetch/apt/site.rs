//! Where the files of a repository lie: below a URL or below a directory of this machine.

use std::path::PathBuf;

use reqwest::Url;

use crate::error::{Error, Result};
use crate::source::Source;

/// The place that one `URIs` entry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site(Source);

impl Site {
    /// Reads an `http:`, `https:` or `file:` URI.
    pub(super) fn parse(uri: &str) -> Result<Self> {
        let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
        if ["http", "https", "file"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Source::parse(uri).map(Self);
        }
        let reason = "a repository is at an `http:`, `https:` or `file:` URI".to_owned();
        Err(Error::UnknownSource { source_text: uri.to_owned(), reason })
    }

    /// The file at `path`, whose characters all stand for themselves.
    pub(super) fn file(&self, path: &str) -> Source {
        let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
        match &self.0 {
            Source::File(root) => Source::File(parts.fold(root.clone(), |path, part| path.join(part))),
            Source::Web(root) => Source::Web(below(root, parts)),
        }
    }

    /// Whether it can be reached without a network.
    pub(super) fn is_local(&self) -> bool {
        matches!(self.0, Source::File(_))
    }

    /// The URL of the file at `path`.
    pub(super) fn url(&self, path: &str) -> String {
        match self.file(path) {
            Source::Web(url) => url.into(),
            // only a relative path has no URL; it reads as itself
            Source::File(path) => match Url::from_file_path(&path) {
                Ok(url) => url.into(),
                Err(()) => path.display().to_string(),
            },
        }
    }
}

fn below<'a>(root: &Url, parts: impl Iterator<Item = &'a str>) -> Url {
    let mut url = root.clone();
    url.set_fragment(None);
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(parts);
    }
    url
}

/// The directory of the `Release` beside a root: `dists/SUITE`, or of a flat repository the suite itself.
pub(super) fn release_directory(suite: &str) -> PathBuf {
    match suite.strip_suffix('/') {
        Some(flat) => PathBuf::from(flat),
        None => PathBuf::from("dists").join(suite),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_below_urls_and_directories() {
        let url = |uri: &str, path: &str| Site::parse(uri).expect(uri).url(path);
        for root in ["http://example.org/debian", "http://example.org/debian/"] {
            assert_eq!(
                url(root, "dists/trixie/InRelease"),
                "http://example.org/debian/dists/trixie/InRelease"
            );
        }
        assert_eq!(url("https://example.org", "./Packages"), "https://example.org/Packages");
        assert_eq!(
            url("https://example.org/a", "pool/b_1%3a2+c~d.deb"),
            "https://example.org/a/pool/b_1%253a2+c~d.deb"
        );
        for root in ["file:/srv/repo", "file:///srv/repo/"] {
            assert_eq!(url(root, "dists/x/Release"), "file:///srv/repo/dists/x/Release");
            assert!(Site::parse(root).expect(root).is_local());
        }
        for bad in
            ["cdrom:[Debian]/", "mirror+http://example.org/list", "ftp://example.org/debian", "/srv/repo", ""]
        {
            let error = Site::parse(bad).expect_err(bad);
            assert!(matches!(error, Error::UnknownSource { .. }), "{bad}: {error}");
        }
    }

    #[test]
    fn a_suite_with_a_slash_is_flat() {
        let directory = |suite| release_directory(suite).display().to_string();
        assert_eq!(directory("trixie"), "dists/trixie");
        assert_eq!(directory("./"), ".");
        assert_eq!(directory("arm64/stable/"), "arm64/stable");
    }
}
