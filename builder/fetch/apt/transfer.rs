//! Files of a repository on their way here: small ones into memory, large ones so that they can be resumed.

use std::io::{self, Read};

use fs_err::File;
use reqwest::Url;

use super::Repository;
use super::site::{Site, release_directory};
use crate::cache::Cache;
use crate::digest::Sha256Digest;
use crate::error::{Error, Result};
use crate::http::{Client, Validator, shown};
use crate::partial::Partial;
use crate::source::Source;
use crate::watch::Watch;

/// How often a download may start over because the content changed meanwhile.
const RESTARTS: u32 = 3;

/// Everything that one repository at one place needs.
#[derive(Clone, Copy)]
pub(super) struct Transfer<'a> {
    pub(super) cache: &'a Cache,
    pub(super) client: Option<&'a Client>,
    pub(super) watch: &'a dyn Watch,
    pub(super) repository: &'a Repository,
    pub(super) site: &'a Site,
}

/// What became of a request. A file that is not there may be there in another form.
#[derive(Debug)]
pub(super) enum Outcome<T> {
    Found(T),
    Missing(Error),
}

/// A small file, and what tells it from a later one at its place.
#[derive(Debug)]
pub(super) enum Small {
    Content(Vec<u8>, Option<Validator>),
    Unchanged,
}

impl Transfer<'_> {
    /// The file at `path` beside the `Release`, of at most `limit` bytes, unless it is still the `known` one.
    pub(super) fn small(&self, path: &str, limit: u64, known: Option<&Validator>) -> Result<Outcome<Small>> {
        outcome(match self.beside_release(path) {
            Source::File(file) => read(&file, limit).map(|bytes| Small::Content(bytes, None)),
            Source::Web(url) => self.attempts(|| self.whole(&url, limit, known)),
        })
    }

    /// The file at `path` beside the `Release`, of at most `size` bytes.
    pub(super) fn large(&self, path: &str, size: u64) -> Result<Outcome<Vec<u8>>> {
        outcome(match self.beside_release(path) {
            Source::File(file) => read(&file, size).inspect(|bytes| self.watch.advance(bytes.len() as u64)),
            Source::Web(url) => self.attempts(|| self.resumed(&url, size)),
        })
    }

    /// Where the file at `path` beside the `Release` lies.
    pub(super) fn beside_release(&self, path: &str) -> Source {
        let directory = release_directory(&self.repository.suite);
        self.site.file(&format!("{}/{path}", directory.display()))
    }

    fn attempts<T>(&self, attempt: impl Fn() -> Result<T>) -> Result<T> {
        let mut restarts = 0;
        loop {
            match attempt() {
                Err(Error::Changing { .. }) if restarts < RESTARTS => restarts += 1,
                other => return other,
            }
        }
    }

    fn whole(&self, url: &Url, limit: u64, known: Option<&Validator>) -> Result<Small> {
        let client = self.client.ok_or_else(|| Error::Offline { url: shown(url) })?;
        let Some(mut download) = client.open(url, known, 0, limit, self.watch)? else {
            return Ok(Small::Unchanged);
        };
        let mut bytes = Vec::new();
        while let Some(chunk) = download.next_chunk(self.watch)? {
            bytes.extend(chunk);
        }
        Ok(Small::Content(bytes, download.validator().cloned()))
    }

    /// Downloads what is still missing of a file.
    fn resumed(&self, url: &Url, size: u64) -> Result<Vec<u8>> {
        let client = self.client.ok_or_else(|| Error::Offline { url: shown(url) })?;
        let mut partial = Partial::open(self.cache, Sha256Digest::of(url.as_str().as_bytes()))?;
        let known = partial.validator().cloned();
        let opened = client.open(url, known.as_ref(), partial.length(), size, self.watch);
        let mut download = match opened {
            Ok(Some(download)) => download,
            Ok(None) | Err(Error::Changing { .. }) => {
                partial.discard()?;
                return Err(Error::Changing { url: shown(url) });
            }
            Err(error) => {
                if matches!(error, Error::TooLarge { .. }) || partial.length() == 0 {
                    partial.discard()?;
                }
                return Err(error);
            }
        };
        if download.position() != partial.length() || download.validator() != partial.validator() {
            partial.restart(download.validator().cloned())?;
        }
        self.watch.advance(partial.length());
        loop {
            match download.next_chunk(self.watch) {
                Ok(Some(bytes)) => {
                    partial.append(&bytes)?;
                    self.watch.advance(bytes.len() as u64);
                }
                Ok(None) => break,
                Err(error @ (Error::Changing { .. } | Error::TooLarge { .. })) => {
                    partial.discard()?;
                    return Err(error);
                }
                Err(error) => {
                    partial.checkpoint()?;
                    return Err(error);
                }
            }
        }
        let mut bytes = Vec::new();
        partial.reader()?.read_to_end(&mut bytes)?;
        // complete, and if it is not what it should be, no use for the next run either
        partial.discard()?;
        Ok(bytes)
    }
}

fn outcome<T>(result: Result<T>) -> Result<Outcome<T>> {
    match result {
        Ok(found) => Ok(Outcome::Found(found)),
        Err(error) if is_missing(&error) => Ok(Outcome::Missing(error)),
        Err(error) => Err(error),
    }
}

/// Whether the place could be asked and does not have the file.
pub(super) fn is_missing(error: &Error) -> bool {
    match error {
        Error::Status { code: 404 | 410, .. } => true,
        Error::Host(error) => error.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

fn read(path: &std::path::Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let origin = path.display().to_string();
        return Err(Error::TooLarge { origin, what: "the file", limit });
    }
    Ok(bytes)
}
