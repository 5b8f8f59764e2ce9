//! Content that nobody pinned yet: what comes now is what will be pinned.

use std::path::{Path, PathBuf};

use fs_err::File;
use reqwest::Url;

use super::transfer::receive;
use super::{Batch, LONGEST};
use crate::cache::{Bucket, Memo};
use crate::copy::copy_to_cache;
use crate::digest::Sha256Digest;
use crate::error::{Class, Error, Result};
use crate::http::{Client, Validator, is_loopback, shown};
use crate::partial::Partial;
use crate::source::Source;

/// How often a download may start over because the content changed meanwhile.
const RESTARTS: u32 = 3;

impl Batch<'_> {
    /// Gets what is at `url` today, whatever it is, and returns its digest, its length in bytes and its path
    /// in the cache. Progress goes to [`Batch::watch`].
    ///
    /// Nothing vouches for the bytes but the server, so it has to be `https:`, this machine (`http:` to a
    /// loopback address) or a `file:` URL. Content that did not change since is not downloaded again; without
    /// the network it is what it was when it was last seen.
    ///
    /// # Errors
    /// `Unpinned` for plain HTTP, `TooLarge`, and any other of this package.
    pub fn first_sight(&self, url: &str) -> Result<(Sha256Digest, u64, PathBuf)> {
        let source = Source::parse(url)?;
        let seen = match &source {
            Source::File(path) => self.first_sight_of_file(&source, path),
            Source::Web(url) if url.scheme() != "https" && !is_loopback(url) => {
                Err(Error::Unpinned { url: shown(url) })
            }
            Source::Web(url) => self.first_sight_of_web(&source, url),
        };
        let (digest, path) = seen?;
        let length = fs_err::metadata(&path)?.len();
        Ok((digest, length, path))
    }

    fn first_sight_of_file(&self, source: &Source, path: &Path) -> Result<(Sha256Digest, PathBuf)> {
        let file = File::open(path)?;
        self.watch.begin(&format!("reading {}", source.name()), Some(file.metadata()?.len()));
        let copied = copy_to_cache(self.cache, &file, LONGEST, self.watch);
        self.watch.finish("");
        let (unfinished, digest, _) = copied?;
        Ok((digest, self.cache.publish(Bucket::Blob, digest, unfinished)?))
    }

    fn first_sight_of_web(&self, source: &Source, url: &Url) -> Result<(Sha256Digest, PathBuf)> {
        let key = Sha256Digest::of(url.as_str().as_bytes());
        let _lock = self.cache.lock(key, self.watch)?;
        let seen = self.seen(key)?;
        let Some(client) = self.client else {
            let seen = seen.map(|(_, digest, path)| (digest, path));
            return seen.ok_or_else(|| Error::Offline { url: shown(url) });
        };
        let mut restarts = 0;
        loop {
            self.watch.begin(&format!("downloading {}", source.name()), None);
            let got = self.see(url, key, client, seen.as_ref());
            self.watch.finish("");
            match got {
                Err(Error::Changing { .. }) if restarts < RESTARTS => restarts += 1,
                other => return other,
            }
        }
    }

    /// What this URL was when it was last seen, if that is still in the cache.
    fn seen(&self, key: Sha256Digest) -> Result<Option<(Validator, Sha256Digest, PathBuf)>> {
        let memo = self.cache.recall(Memo::UrlSeen, key);
        let seen = memo.as_deref().and_then(|text| {
            let (digest, validator) = text.strip_suffix('\n')?.split_once('\n')?;
            Some((digest.parse().ok()?, validator.parse().ok()?))
        });
        let Some((digest, validator)) = seen else {
            return Ok(None);
        };
        let path = self.cache.get(Bucket::Blob, digest)?;
        Ok(path.map(|path| (validator, digest, path)))
    }

    fn see(
        &self,
        url: &Url,
        key: Sha256Digest,
        client: &Client,
        seen: Option<&(Validator, Sha256Digest, PathBuf)>,
    ) -> Result<(Sha256Digest, PathBuf)> {
        let mut partial = Partial::open(self.cache, key)?;
        let seen = seen.filter(|_| partial.length() == 0);
        let known = partial.validator().or(seen.map(|(validator, ..)| validator)).cloned();
        let received = match client.open(url, known.as_ref(), partial.length(), LONGEST, self.watch) {
            Ok(Some(download)) => {
                let validator = download.validator().cloned();
                receive(&mut partial, download, LONGEST, self.watch).map(|(digest, _)| (digest, validator))
            }
            Ok(None) => {
                partial.discard()?;
                let unchanged = seen.map(|(_, digest, path)| (*digest, path.clone()));
                return unchanged.ok_or_else(|| Error::Changing { url: shown(url) });
            }
            Err(error) => Err(error),
        };
        match received {
            Ok((digest, validator)) => {
                let path = partial.publish(self.cache, Bucket::Blob, digest)?;
                if let Some(validator) = validator {
                    self.cache.remember(Memo::UrlSeen, key, &format!("{digest}\n{validator}\n"))?;
                }
                Ok((digest, path))
            }
            Err(error) => {
                if matches!(error, Error::Changing { .. }) || error.class() == Class::Corrupt {
                    partial.discard()?;
                }
                Err(error)
            }
        }
    }
}
