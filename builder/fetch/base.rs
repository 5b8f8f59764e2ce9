//! Base images: fetched once, verified, decoded into the cache, and never changed again.
//!
//! A compressed file that was downloaded stays in the cache as well, as it was published: an `.img.xz` takes over blocks
//! of it, and its bytes are not to depend on where the base came from. A local file stays where its owner keeps it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fs_err::File;
use reqwest::Url;

use crate::cache::{Bucket, Cache, Memo};
use crate::digest::Sha256Digest;
use crate::error::{Class, Error, Result};
use crate::http::{Client, Download, Validator, shown};
use crate::ingest::{CHUNK, Ingested, Limits, ingest, require, send_file};
use crate::partial::Partial;
use crate::pipeline::{BufferRing, Chunk};
use crate::source::{Pins, Source};
use crate::stamp::Stamp;
use crate::watch::Watch;

mod published;

/// How often a download may start over because the content changed meanwhile.
const RESTARTS: u32 = 3;

/// A base image whose bytes are known. Only this room makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedBase {
    path: PathBuf,
    published: Sha256Digest,
    raw: Sha256Digest,
    raw_len: u64,
    source: Source,
}

impl VerifiedBase {
    /// The raw image in the cache: sparse, read-only.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Digest of the bytes as published.
    pub fn published_digest(&self) -> Sha256Digest {
        self.published
    }

    /// Digest of the raw image.
    pub fn raw_digest(&self) -> Sha256Digest {
        self.raw
    }

    /// Length of the raw image in bytes.
    pub fn raw_len(&self) -> u64 {
        self.raw_len
    }

    /// Where it came from.
    pub fn source(&self) -> &Source {
        &self.source
    }
}

/// Gets base images.
#[derive(Clone, Copy)]
pub struct BaseFetcher<'a> {
    /// Where decoded images are kept.
    pub cache: &'a Cache,
    /// The network; `None` where it may not be used.
    pub client: Option<&'a Client>,
    /// Bounds against absurd inputs.
    pub limits: Limits,
    /// Progress and interruption.
    pub watch: &'a dyn Watch,
}

impl BaseFetcher<'_> {
    /// Gets the image of `source`, from the cache where it is there.
    ///
    /// Two processes that want the same source download it once. An interrupted download goes on in the next
    /// run.
    ///
    /// # Errors
    /// Any of this package; `Trust` where a pin does not match, with nothing of it left in the cache.
    pub fn fetch(&self, source: &Source, pins: Pins) -> Result<VerifiedBase> {
        if let Some(base) = self.pinned(source, pins)? {
            return Ok(base);
        }
        let _lock = self.cache.lock(Sha256Digest::of(source.to_string().as_bytes()), self.watch)?;
        if let Some(base) = self.pinned(source, pins)? {
            return Ok(base);
        }
        match source {
            Source::File(path) => self.ingest_file(source, path, pins),
            Source::Web(url) => self.ingest_web(source, url, pins),
        }
    }

    /// The cached image that the file at `path` was decoded to, where that is known without reading the file.
    ///
    /// # Errors
    /// Failures of the file system.
    pub fn decoded_before(&self, path: &Path) -> Result<Option<VerifiedBase>> {
        let Some(stamp) = Stamp::of(path)? else { return Ok(None) };
        let key = Sha256Digest::of(stamp.to_string().as_bytes());
        match self.recall(Memo::FileSeen, key) {
            Some(published) => self.decoded(&Source::File(path.to_path_buf()), published, Pins::default()),
            None => Ok(None),
        }
    }

    /// The cached image that the pins name.
    fn pinned(&self, source: &Source, pins: Pins) -> Result<Option<VerifiedBase>> {
        match pins {
            Pins { published: Some(published), raw: Some(raw) } => {
                match self.decoded(source, published, pins)? {
                    Some(base) => Ok(Some(base)),
                    None => self.restored(source, published, raw),
                }
            }
            Pins { published: Some(published), .. } => self.decoded(source, published, pins),
            Pins { raw: Some(raw), .. } => match self.published_by(source, raw) {
                Some(published) => self.decoded(source, published, pins),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// The cached image that was decoded from these published bytes.
    fn decoded(&self, source: &Source, published: Sha256Digest, pins: Pins) -> Result<Option<VerifiedBase>> {
        let Some(raw) = self.recall(Memo::RawOfPublished, published) else {
            return Ok(None);
        };
        require(format!("`{source}`"), pins.published, published)?;
        require(format!("the raw image in `{source}`"), pins.raw, raw)?;
        let Some(path) = self.cache.get(Bucket::Raw, raw)? else {
            return Ok(None);
        };
        let raw_len = fs_err::metadata(&path)?.len();
        Ok(Some(VerifiedBase { path, published, raw, raw_len, source: source.clone() }))
    }

    /// The cached image with this digest that nobody saw published: it came from a vault. Whoever pins both
    /// digests vouches that they belong together; where the cache knows better, it is asked instead.
    fn restored(
        &self,
        source: &Source,
        published: Sha256Digest,
        raw: Sha256Digest,
    ) -> Result<Option<VerifiedBase>> {
        if self.recall(Memo::RawOfPublished, published).is_some()
            || self.recall(Memo::PublishedOfRaw, raw).is_some()
        {
            return Ok(None);
        }
        let Some(path) = self.cache.get(Bucket::Raw, raw)? else {
            return Ok(None);
        };
        let raw_len = fs_err::metadata(&path)?.len();
        Ok(Some(VerifiedBase { path, published, raw, raw_len, source: source.clone() }))
    }

    fn recall(&self, memo: Memo, key: Sha256Digest) -> Option<Sha256Digest> {
        self.cache.recall(memo, key)?.parse().ok()
    }

    /// Moves a decoded image into the cache and notes where it came from.
    fn keep(&self, source: &Source, ingested: Ingested) -> Result<VerifiedBase> {
        let Ingested { published, raw, file } = ingested;
        let path = self.cache.publish(Bucket::Raw, raw, file)?;
        self.cache.remember(Memo::RawOfPublished, published, &raw.to_string())?;
        self.cache.remember(Memo::PublishedOfRaw, raw, &published.to_string())?;
        let raw_len = fs_err::metadata(&path)?.len();
        Ok(VerifiedBase { path, published, raw, raw_len, source: source.clone() })
    }

    fn ingest(
        &self,
        source: &Source,
        pins: Pins,
        feed: impl FnOnce(&mut dyn FnMut(&Chunk) -> bool) -> Result<()> + Send,
    ) -> Result<Ingested> {
        let ingested = ingest(self.cache, &source.to_string(), pins, self.limits, self.watch, feed);
        let mut outcome = String::new();
        if let Ok(ingested) = &ingested {
            // writing to a string does not fail
            let _ = write!(outcome, "sha256 {}", ingested.raw);
        }
        self.watch.finish(&outcome);
        ingested
    }

    fn ingest_file(&self, source: &Source, path: &Path, pins: Pins) -> Result<VerifiedBase> {
        // asked before it is opened: opening a pipe waits for somebody who writes to it
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            let found = "it is no regular file".to_owned();
            return Err(Error::NotAnImage { origin: source.to_string(), found });
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.len() > self.limits.published {
            let (origin, limit) = (source.to_string(), self.limits.published);
            return Err(Error::TooLarge { origin, what: "the file", limit });
        }
        let stamp = Stamp::from(&metadata);
        let key = Sha256Digest::of(stamp.to_string().as_bytes());
        if let Some(published) = self.recall(Memo::FileSeen, key) {
            require(format!("`{source}`"), pins.published, published)?;
            if let Some(base) = self.decoded(source, published, pins)? {
                return Ok(base);
            }
        }
        self.watch.begin(&format!("reading {}", source.name()), Some(metadata.len()));
        let ingested = self.ingest(source, pins, |sink| send_file(&file, self.watch, sink))?;
        if Stamp::from(&file.metadata()?) != stamp {
            return Err(Error::FileChanged { path: path.to_path_buf() });
        }
        let base = self.keep(source, ingested)?;
        self.cache.remember(Memo::FileSeen, key, &base.published.to_string())?;
        Ok(base)
    }

    fn ingest_web(&self, source: &Source, url: &Url, pins: Pins) -> Result<VerifiedBase> {
        if url.scheme() != "https" && pins == Pins::default() {
            return Err(Error::Unpinned { url: shown(url) });
        }
        let Some(client) = self.client else {
            return Err(Error::Offline { url: shown(url) });
        };
        let mut restarts = 0;
        loop {
            match self.download(source, url, pins, client) {
                Err(Error::Changing { .. }) if restarts < RESTARTS => restarts += 1,
                other => return other,
            }
        }
    }

    fn download(&self, source: &Source, url: &Url, pins: Pins, client: &Client) -> Result<VerifiedBase> {
        let key = Sha256Digest::of(url.as_str().as_bytes());
        let mut partial = Partial::open(self.cache, key)?;
        let seen = self.seen(source, key, pins)?.filter(|_| partial.length() == 0);
        let known = partial.validator().or(seen.as_ref().map(|(validator, _)| validator)).cloned();
        self.watch.begin(&format!("asking for {}", source.name()), None);
        let opened = client.open(url, known.as_ref(), partial.length(), self.limits.published, self.watch);
        self.watch.finish("");
        let opened = match opened {
            Err(error @ Error::Changing { .. }) => {
                partial.discard()?;
                return Err(error);
            }
            other => other?,
        };
        let download = match (opened, seen) {
            (Some(download), _) => download,
            (None, Some((_, base))) => {
                partial.discard()?;
                return Ok(base);
            }
            (None, None) => return Err(Error::Changing { url: shown(url) }),
        };
        let validator = download.validator().cloned();
        self.watch.begin(&format!("downloading {}", source.name()), download.total());
        let ingested = self.ingest(source, pins, |sink| self.feed(download, &mut partial, sink));
        match ingested {
            Ok(ingested) => {
                let base = self.keep(source, ingested)?;
                // without a validator the note still says what this URL publishes
                let validator = validator.map(|validator| validator.to_string()).unwrap_or_default();
                self.cache.remember(Memo::UrlSeen, key, &format!("{}\n{validator}\n", base.published))?;
                if base.published == base.raw {
                    partial.discard()?;
                } else {
                    // an `.img.xz` takes over blocks of it; nothing else asks for it, so it goes when room is made
                    partial.publish(self.cache, Bucket::Blob, base.published)?;
                }
                Ok(base)
            }
            Err(error) => {
                let useless = matches!(error.class(), Class::Trust | Class::Corrupt);
                if useless || matches!(error, Error::Changing { .. }) {
                    partial.discard()?;
                }
                Err(error)
            }
        }
    }

    /// What this URL was when it was last fetched, if that is still in the cache.
    fn seen(
        &self,
        source: &Source,
        key: Sha256Digest,
        pins: Pins,
    ) -> Result<Option<(Validator, VerifiedBase)>> {
        let memo = self.cache.recall(Memo::UrlSeen, key).filter(|_| pins == Pins::default());
        let seen = memo.as_deref().and_then(|text| {
            let (published, validator) = text.strip_suffix('\n')?.split_once('\n')?;
            Some((published.parse().ok()?, validator.parse().ok()?))
        });
        match seen {
            Some((published, validator)) => {
                Ok(self.decoded(source, published, pins)?.map(|base| (validator, base)))
            }
            None => Ok(None),
        }
    }

    /// Sends what is there of a download, then the rest as it comes, and keeps it for the next run.
    fn feed(
        &self,
        mut download: Download,
        partial: &mut Partial,
        sink: &mut dyn FnMut(&Chunk) -> bool,
    ) -> Result<()> {
        if download.position() != partial.length() || download.validator() != partial.validator() {
            partial.restart(download.validator().cloned())?;
        }
        let mut ring = BufferRing::new(CHUNK);
        let mut reader = partial.reader()?;
        while let Some(chunk) = ring.fill(&mut reader)? {
            if self.watch.interrupted() {
                return Err(Error::Interrupted);
            }
            if !sink(&chunk) {
                return Ok(());
            }
            self.watch.advance(chunk.len() as u64);
        }
        drop(reader);
        let mut wanted = true;
        while wanted {
            let bytes = match download.next_chunk(self.watch) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(error) => {
                    partial.checkpoint()?;
                    return Err(error);
                }
            };
            partial.append(&bytes)?;
            self.watch.advance(bytes.len() as u64);
            wanted = sink(&Chunk::new(bytes));
        }
        partial.checkpoint()
    }
}

#[cfg(test)]
mod tests;
