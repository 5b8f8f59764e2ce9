//! One pinned file on its way into the cache.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs_err::File;
use reqwest::Url;

use super::{Batch, LONGEST, Wanted};
use crate::cache::Bucket;
use crate::copy::copy_to_cache;
use crate::digest::{HashingWriter, Sha256Digest};
use crate::error::{Class, Error, Result};
use crate::http::{Client, Download, shown};
use crate::ingest::{CHUNK, require};
use crate::partial::Partial;
use crate::pipeline::BufferRing;
use crate::source::Source;
use crate::watch::Watch;

/// How often a download may start over because the content changed meanwhile.
const RESTARTS: u32 = 3;

impl Batch<'_> {
    /// Gets one file unless another process did meanwhile.
    pub(super) fn get(&self, file: &Wanted, watch: &dyn Watch) -> Result<PathBuf> {
        let _lock = self.cache.lock(file.sha256, watch)?;
        if let Some(path) = self.cache.get(Bucket::Blob, file.sha256)? {
            watch.advance(file.size.unwrap_or_default());
            return Ok(path);
        }
        watch.begin(&file.name, file.size);
        let path = self.get_locked(file, watch);
        watch.finish("");
        path
    }

    fn get_locked(&self, file: &Wanted, watch: &dyn Watch) -> Result<PathBuf> {
        if let Some(vault) = self.vault
            && let Some(path) = vault.take(file.sha256, self.cache, watch)?
        {
            return Ok(path);
        }
        let mut failure = None;
        for location in &file.locations {
            match self.get_from(location, file, watch) {
                Err(error) if may_be_elsewhere(&error) => {
                    // that the network may not be used says less than what went wrong where it was not needed
                    if failure.is_none() || !matches!(error, Error::Offline { .. }) {
                        failure = Some(error);
                    }
                }
                other => return other,
            }
        }
        Err(failure.unwrap_or_else(|| Error::Offline { url: file.name.clone() }))
    }

    fn get_from(&self, location: &str, file: &Wanted, watch: &dyn Watch) -> Result<PathBuf> {
        match (Source::parse(location)?, self.client) {
            (Source::File(path), _) => self.copy(&path, file, watch),
            (Source::Web(url), Some(client)) => self.download(&url, client, file, watch),
            (Source::Web(_), None) => Err(Error::Offline { url: file.name.clone() }),
        }
    }

    fn copy(&self, path: &Path, file: &Wanted, watch: &dyn Watch) -> Result<PathBuf> {
        let input = File::open(path)?;
        if let Some(expected) = file.size {
            file.require_length(expected, input.metadata()?.len(), true)?;
        }
        let (unfinished, got, _) = copy_to_cache(self.cache, &input, LONGEST, watch)?;
        require(format!("`{}` from `{}`", file.name, path.display()), Some(file.sha256), got)?;
        self.cache.publish(Bucket::Blob, file.sha256, unfinished)
    }

    fn download(&self, url: &Url, client: &Client, file: &Wanted, watch: &dyn Watch) -> Result<PathBuf> {
        let mut restarts = 0;
        loop {
            let mut partial = Partial::open(self.cache, file.sha256)?;
            let was_resumed = partial.length() > 0;
            let got = complete(&mut partial, url, client, file, watch);
            let error = match got.and_then(|got| require_digest(file, url, got)) {
                Ok(()) => return partial.publish(self.cache, Bucket::Blob, file.sha256),
                Err(error) => error,
            };
            let is_changing = matches!(error, Error::Changing { .. });
            let is_wrong = error.class() == Class::Trust;
            if is_changing || is_wrong {
                partial.discard()?;
            }
            // a beginning that was no good may be from another day or another mirror
            if restarts >= RESTARTS || !(is_changing || is_wrong && was_resumed) {
                return Err(error);
            }
            restarts += 1;
        }
    }
}

/// Whether another location may have the file all the same.
fn may_be_elsewhere(error: &Error) -> bool {
    match error {
        Error::Host(cause) => cause.kind() == io::ErrorKind::NotFound,
        other => other.class() == Class::Network,
    }
}

fn require_digest(file: &Wanted, url: &Url, got: Sha256Digest) -> Result<()> {
    require(format!("`{}` from `{}`", file.name, shown(url)), Some(file.sha256), got)
}

/// Completes a partial download of a pinned file and returns its digest.
fn complete(
    partial: &mut Partial,
    url: &Url,
    client: &Client,
    file: &Wanted,
    watch: &dyn Watch,
) -> Result<Sha256Digest> {
    let known = partial.validator().cloned();
    let Some(download) = client.open(url, known.as_ref(), partial.length(), u64::MAX, watch)? else {
        // the beginning is empty and its validator known: an answer to a question that makes no sense
        return Err(Error::Changing { url: shown(url) });
    };
    let limit = file.size.unwrap_or(LONGEST);
    if let (Some(expected), Some(total)) = (file.size, download.total()) {
        file.require_length(expected, total, true)?;
    }
    let (digest, length) = receive(partial, download, limit, watch)?;
    match file.size {
        Some(expected) => file.require_length(expected, length, length <= expected)?,
        None if length > limit => {
            return Err(Error::TooLarge { origin: shown(url), what: "the download", limit });
        }
        None => {}
    }
    Ok(digest)
}

/// Reads what is there of a download, receives the rest, and returns the digest and the length. Stops as soon
/// as there are more bytes than `limit`. What has come is kept for the next run, whatever happens.
pub(super) fn receive(
    partial: &mut Partial,
    mut download: Download,
    limit: u64,
    watch: &dyn Watch,
) -> Result<(Sha256Digest, u64)> {
    if download.position() != partial.length() || download.validator() != partial.validator() {
        partial.restart(download.validator().cloned())?;
    }
    let mut hasher = HashingWriter::new(io::sink());
    let mut ring = BufferRing::new(CHUNK);
    let mut reader = partial.reader()?;
    while let Some(chunk) = ring.fill(&mut reader)? {
        if watch.interrupted() {
            return Err(Error::Interrupted);
        }
        hasher.write_all(&chunk)?;
        watch.advance(chunk.len() as u64);
    }
    drop(reader);
    while partial.length() <= limit {
        let bytes = match download.next_chunk(watch) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => break,
            Err(error) => {
                partial.checkpoint()?;
                return Err(error);
            }
        };
        partial.append(&bytes)?;
        hasher.write_all(&bytes)?;
        watch.advance(bytes.len() as u64);
    }
    let (_, digest, length) = hasher.finish();
    Ok((digest, length))
}
