//! What the head of an HTTP answer means for a download.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED,
};

use super::Failure;
use crate::error::Error;

/// What tells one content of a URL from another (RFC 9110 section 8.8); only strong ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Validator {
    /// The `ETag`, with its quotes.
    ETag(String),
    /// The `Last-Modified` date.
    LastModified(String),
}

impl Validator {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let etag = text(headers, ETAG).filter(|etag| etag.starts_with('"'));
        let modified = || text(headers, LAST_MODIFIED).map(|date| Self::LastModified(date.to_owned()));
        etag.map(|etag| Self::ETag(etag.to_owned())).or_else(modified)
    }

    /// The value as it stands in a header.
    pub(crate) fn value(&self) -> &str {
        match self {
            Self::ETag(value) | Self::LastModified(value) => value,
        }
    }
}

impl fmt::Display for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ETag(value) => write!(f, "etag {value}"),
            Self::LastModified(value) => write!(f, "modified {value}"),
        }
    }
}

impl FromStr for Validator {
    type Err = ();

    /// Reads what `Display` prints.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once(' ') {
            Some(("etag", value)) => Ok(Self::ETag(value.to_owned())),
            Some(("modified", value)) => Ok(Self::LastModified(value.to_owned())),
            _ => Err(()),
        }
    }
}

/// Status and header fields.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
}

/// What the server is going to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// Offset of the first byte in the whole content.
    pub(super) start: u64,
    /// Length of the whole content.
    pub(super) total: Option<u64>,
    pub(super) validator: Option<Validator>,
}

/// What follows an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Content, or the rest of it.
    Content(Content),
    /// Nothing: what we have is already all of it.
    Complete,
    /// Nothing: the content is still the known one.
    Unchanged,
}

/// Judges the answer to a request for everything from `position` on. `conditional` says that we asked for
/// content only if it changed.
pub(super) fn judge(
    answer: &Answer,
    url: &str,
    position: u64,
    conditional: bool,
) -> Result<Verdict, Failure> {
    let headers = &answer.headers;
    let validator = Validator::of(headers);
    let broken = |reason: String| Failure::Final(Error::Protocol { url: url.to_owned(), reason });
    match answer.status {
        200 | 206 if is_web_page(headers) => Err(Failure::Final(Error::WebPage { url: url.to_owned() })),
        200 => {
            let total = text(headers, CONTENT_LENGTH).and_then(|length| length.parse().ok());
            Ok(Verdict::Content(Content { start: 0, total, validator }))
        }
        206 => {
            let range = text(headers, CONTENT_RANGE).unwrap_or_default();
            match content_range(range) {
                Some((start, total)) if start == position => {
                    Ok(Verdict::Content(Content { start, total, validator }))
                }
                _ => Err(broken(format!("asked for bytes from {position}, got `Content-Range: {range}`"))),
            }
        }
        304 if conditional => Ok(Verdict::Unchanged),
        // "range not satisfiable": what we have is all of it, or more than there is
        416 if position > 0 => {
            match text(headers, CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes */")) {
                Some(total) if total.parse() == Ok(position) => Ok(Verdict::Complete),
                _ => Err(Failure::Final(Error::Changing { url: url.to_owned() })),
            }
        }
        code => {
            let error = Error::Status { url: url.to_owned(), code };
            Err(match code {
                408 | 425 | 429 | 500 | 502 | 503 | 504 => Failure::Passing(error, retry_after(headers)),
                _ => Failure::Final(error),
            })
        }
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn is_web_page(headers: &HeaderMap) -> bool {
    let kind = text(headers, CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    ["text/html", "application/xhtml+xml"].iter().any(|page| kind.starts_with(page))
}

/// Start and total length out of `bytes START-END/TOTAL`.
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _end) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((start.parse().ok()?, total))
}

/// Only the form in seconds: a date would need a clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    text(headers, RETRY_AFTER)?.parse().ok().map(Duration::from_secs)
}
