//! A place that keeps artefacts, whatever it is: what is asked of it, and how often.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use futures_util::{Stream, StreamExt as _};

use super::descriptor::Descriptor;
use super::docker::Account;
use super::error::{Pieces, PlaceError, Problem};
use super::layout::{INDEX_FILE, LAYOUT_FILE, LAYOUT_TEXT, LONGEST, blob_path, index};
use super::reference::Reference;
use super::registry::Registry;
use super::runtime::Runtime;
use super::store::Store;
use crate::cache::Cache;
use crate::digest::HashingReader;
use crate::error::{Error, Result};
use crate::http::{Patience, Validator};
use crate::partial::Partial;
use crate::watch::Watch;

/// Bytes of a file that are sent at once.
const PIECE: usize = 256 << 10;

/// A place, reached.
#[derive(Debug)]
pub struct Place {
    shown: String,
    keeper: Keeper,
    runtime: Runtime,
    patience: Patience,
}

#[derive(Debug)]
enum Keeper {
    Registry(Registry),
    Store(Store),
}

/// A file of an artefact on its way to a place.
#[derive(Clone, Copy, Debug)]
pub struct Blob<'a> {
    /// What it is.
    pub descriptor: &'a Descriptor,
    /// Where its bytes are.
    pub content: Content<'a>,
}

/// Where bytes are.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Here.
    Bytes(&'a [u8]),
    /// In a file.
    File(&'a Path),
}

/// What a push did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bytes that were sent.
    pub sent: u64,
    /// Bytes that the place had already.
    pub kept: u64,
}

impl Place {
    /// Reaches a place, to read from it or also to write to it.
    ///
    /// # Errors
    /// `Place`: it cannot be reached, or denies access.
    pub fn open(
        reference: &Reference,
        account: Option<&Account>,
        is_to_write: bool,
        patience: Patience,
        watch: &dyn Watch,
    ) -> Result<Self> {
        // another provider that the process installed before us is as good
        let _ = rustls::crypto::ring::default_provider().install_default();
        let shown = reference.to_string();
        let failed = |problem| {
            let doing = if is_to_write { "push to" } else { "pull from" };
            Error::Place(PlaceError { place: shown.clone(), doing: doing.to_owned(), problem })
        };
        let runtime = Runtime::new()?;
        let keeper = match reference {
            Reference::Registry { repository, .. } => {
                // its client is made of connections that belong to a runtime
                let made = runtime.run(watch, async { Ok(Registry::new(repository, account, &patience)) })?;
                Keeper::Registry(made.map_err(failed)?)
            }
            Reference::Store(url) => {
                let made = runtime.run(watch, async { Ok(Store::new(url, &patience, is_to_write)) })?;
                Keeper::Store(made.map_err(failed)?)
            }
        };
        let place = Self { shown, keeper, runtime, patience };
        if let Keeper::Registry(registry) = &place.keeper {
            let doing = if is_to_write { "push to" } else { "pull from" };
            place.ask(doing, watch, || registry.log_in(is_to_write))?;
        }
        Ok(place)
    }

    /// The manifest of a tag.
    ///
    /// # Errors
    /// `Place`, `Untrusted` for an index that is none, `DigestMismatch`, `Interrupted`.
    pub fn manifest(&self, tag: &str, watch: &dyn Watch) -> Result<Vec<u8>> {
        let doing = format!("pull `{tag}` from");
        match &self.keeper {
            Keeper::Registry(registry) => self.ask(&doing, watch, || registry.manifest(tag)),
            Keeper::Store(store) => {
                let name = format!("{tag}/{INDEX_FILE}");
                let text = self.ask(&doing, watch, || store.read_all(&name, LONGEST))?;
                let what = format!("`{}{name}`", self.shown);
                let manifest = Descriptor::of_index(&what, &text)?;
                self.small(tag, &manifest, LONGEST, watch)
            }
        }
    }

    /// A small blob of a tag, of at most `limit` bytes.
    ///
    /// # Errors
    /// `Place`, `TooLarge`, `SizeMismatch`, `DigestMismatch`, `Interrupted`.
    pub fn small(&self, tag: &str, blob: &Descriptor, limit: u64, watch: &dyn Watch) -> Result<Vec<u8>> {
        let what = format!("`{}` of `{}`", blob.digest, self.shown);
        if blob.size > limit {
            return Err(Error::TooLarge { origin: what, what: "its length", limit });
        }
        let bytes = self.ask(&format!("pull `{tag}` from"), watch, || async {
            let (mut stream, _) = self.read(tag, blob, 0).await?;
            let mut bytes = Vec::new();
            while let Some(piece) = stream.next().await {
                bytes.extend_from_slice(&piece?);
                if bytes.len() as u64 > blob.size {
                    break;
                }
            }
            Ok(bytes)
        })?;
        blob.require(&what, &bytes)?;
        Ok(bytes)
    }

    /// Downloads a blob of a tag to `to`, a new file in the file system of the cache. What came before a failure is kept
    /// there, and the next download goes on with it.
    ///
    /// # Errors
    /// `Place`, `SizeMismatch`, `DigestMismatch`, `Interrupted`, failures of the file system.
    pub fn download(
        &self,
        tag: &str,
        blob: &Descriptor,
        cache: &Cache,
        to: &Path,
        watch: &dyn Watch,
    ) -> Result<()> {
        let what = format!("`{}` of `{}`", blob.digest, self.shown);
        let expected = blob.sha256()?;
        let _lock = cache.lock(expected, watch)?;
        let mut partial = Partial::open(cache, expected)?;
        // named by its content, so that a beginning is a beginning wherever it came from
        let validator = Validator::ETag(format!("\"{}\"", blob.digest));
        if partial.validator() != Some(&validator) || partial.length() > blob.size {
            partial.restart(Some(validator))?;
        }
        watch.begin("downloading", Some(blob.size));
        watch.advance(partial.length());
        let got = self.runtime.run(watch, self.complete(tag, blob, &mut partial, watch));
        watch.finish("");
        partial.checkpoint()?;
        got?;
        if partial.length() != blob.size {
            let (expected, got) = (blob.size, partial.length());
            partial.discard()?;
            return Err(Error::SizeMismatch { what, expected, got, whole: got < expected });
        }
        let mut reader = HashingReader::new(partial.reader()?);
        std::io::copy(&mut reader, &mut std::io::sink())?;
        let got = reader.finish().0;
        if got != expected {
            partial.discard()?;
            return Err(Error::DigestMismatch { what, expected, got });
        }
        partial.move_to(to)
    }

    /// Gets what is missing of a file, until it has its length or the place gives up.
    async fn complete(
        &self,
        tag: &str,
        blob: &Descriptor,
        partial: &mut Partial,
        watch: &dyn Watch,
    ) -> Result<()> {
        let (mut failures, mut before) = (0, partial.length());
        while partial.length() < blob.size {
            let problem = match self.read(tag, blob, partial.length()).await {
                Ok((mut pieces, is_rest)) => {
                    let mut skip = if is_rest { 0 } else { partial.length() };
                    loop {
                        match pieces.next().await {
                            None if partial.length() < blob.size => {
                                let got = partial.length();
                                break Problem::Unreachable(
                                    format!("it ended after {got} of {} bytes", blob.size).into(),
                                );
                            }
                            None => return Ok(()),
                            Some(Err(problem)) if partial.length() < blob.size => break problem,
                            Some(Err(_)) => return Ok(()), // all is there: its digest decides
                            Some(Ok(piece)) => {
                                let dropped = skip.min(piece.len() as u64);
                                skip -= dropped;
                                let piece = piece.slice(usize::try_from(dropped).unwrap_or(usize::MAX)..);
                                partial.append(&piece)?;
                                watch.advance(piece.len() as u64);
                                if partial.length() > blob.size {
                                    return Ok(()); // too long: so is its length
                                }
                            }
                        }
                    }
                }
                Err(problem) => problem,
            };
            if partial.length() > before {
                (failures, before) = (0, partial.length());
            }
            if matches!(problem, Problem::Status { code: 416, .. }) {
                return Ok(()); // it has no more than what came: too short, says its length
            }
            if failures == self.patience.retries || !problem.is_passing() {
                return Err(self.failed(&format!("pull `{tag}` from"), problem));
            }
            tokio::time::sleep(self.pause(failures)).await;
            failures += 1;
        }
        Ok(())
    }

    /// Sends what is not there yet, and then the manifest under its tag: it is there whole or not at all.
    ///
    /// # Errors
    /// `Place`, `Interrupted`, failures of the file system.
    pub fn push(
        &self,
        tag: &str,
        manifest: &Descriptor,
        text: &[u8],
        blobs: &[Blob<'_>],
        watch: &dyn Watch,
    ) -> Result<Sent> {
        let mut sent = Sent::default();
        let doing = format!("push `{tag}` to");
        for blob in blobs {
            let size = blob.descriptor.size;
            if self.ask(&doing, watch, || self.has(tag, blob.descriptor))? {
                sent.kept += size;
                continue;
            }
            self.send(tag, blob, &doing, watch)?;
            sent.sent += size;
        }
        match &self.keeper {
            Keeper::Registry(registry) => {
                self.ask(&doing, watch, || registry.write_manifest(tag, text))?;
            }
            Keeper::Store(store) => {
                let files = [
                    (blob_path(manifest.sha256()?), text.to_vec()),
                    (LAYOUT_FILE.to_owned(), LAYOUT_TEXT.to_vec()),
                    (INDEX_FILE.to_owned(), index(manifest.clone())),
                ];
                for (name, bytes) in files {
                    let name = format!("{tag}/{name}");
                    self.ask(&doing, watch, || store.write_all(&name, bytes.clone()))?;
                }
            }
        }
        Ok(sent)
    }

    fn send(&self, tag: &str, blob: &Blob<'_>, doing: &str, watch: &dyn Watch) -> Result<()> {
        // read by a task that may outlive this call: it gets a counter, and the counter is told
        let read = Arc::new(AtomicU64::new(0));
        let mut told = 0;
        let tell = || {
            let now = read.load(Ordering::Relaxed);
            watch.advance(now.saturating_sub(told)); // less after a failed attempt
            told = told.max(now);
        };
        watch.begin("uploading", Some(blob.descriptor.size));
        let done =
            self.runtime.run_telling(watch, tell, self.attempts(doing, || self.write(tag, blob, &read)));
        watch.finish("");
        done
    }

    async fn has(&self, tag: &str, blob: &Descriptor) -> Result<bool, Problem> {
        match &self.keeper {
            Keeper::Registry(registry) => registry.has(blob).await,
            Keeper::Store(store) => store.has(&path_of(tag, blob)?, blob.size).await,
        }
    }

    async fn write(&self, tag: &str, blob: &Blob<'_>, read: &Arc<AtomicU64>) -> Result<(), Problem> {
        read.store(0, Ordering::Relaxed);
        let content =
            pieces(blob.content, read.clone()).map_err(|error| Problem::Unreachable(error.into()))?;
        match &self.keeper {
            Keeper::Registry(registry) => registry.write(blob.descriptor, content).await,
            Keeper::Store(store) => store.write(&path_of(tag, blob.descriptor)?, content).await,
        }
    }

    async fn read(&self, tag: &str, blob: &Descriptor, offset: u64) -> Result<(Pieces, bool), Problem> {
        match &self.keeper {
            Keeper::Registry(registry) => registry.read(blob, offset).await,
            Keeper::Store(store) => store.read(&path_of(tag, blob)?, blob.size, offset).await,
        }
    }

    /// Asks once, and again for as long as it might go well.
    fn ask<T, F: Future<Output = Result<T, Problem>>>(
        &self,
        doing: &str,
        watch: &dyn Watch,
        attempt: impl FnMut() -> F,
    ) -> Result<T> {
        self.runtime.run(watch, self.attempts(doing, attempt))
    }

    async fn attempts<T, F: Future<Output = Result<T, Problem>>>(
        &self,
        doing: &str,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T> {
        let mut failures = 0;
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(problem) if failures == self.patience.retries || !problem.is_passing() => {
                    return Err(self.failed(doing, problem));
                }
                Err(_) => tokio::time::sleep(self.pause(failures)).await,
            }
            failures += 1;
        }
    }

    fn pause(&self, failures: u32) -> Duration {
        self.patience.back_off.saturating_mul(1 << failures.min(8))
    }

    fn failed(&self, doing: &str, problem: Problem) -> Error {
        Error::Place(PlaceError { place: self.shown.clone(), doing: doing.to_owned(), problem })
    }
}

fn path_of(tag: &str, blob: &Descriptor) -> Result<String, Problem> {
    let sha256 = blob.sha256().map_err(|error| Problem::Wrong(error.to_string()))?;
    Ok(format!("{tag}/{}", blob_path(sha256)))
}

/// The bytes of a blob, piece by piece.
fn pieces(
    content: Content<'_>,
    read: Arc<AtomicU64>,
) -> std::io::Result<impl Stream<Item = std::io::Result<Bytes>> + Send + use<>> {
    let mut reader: Box<dyn std::io::Read + Send> = match content {
        Content::Bytes(bytes) => Box::new(std::io::Cursor::new(bytes.to_vec())),
        Content::File(path) => Box::new(fs_err::File::open(path)?),
    };
    Ok(stream::poll_fn(move |_| {
        let mut piece = vec![0; PIECE];
        std::task::Poll::Ready(match reader.read(&mut piece) {
            Ok(0) => None,
            Ok(count) => {
                piece.truncate(count);
                read.fetch_add(count as u64, Ordering::Relaxed);
                Some(Ok(Bytes::from(piece)))
            }
            Err(error) => Some(Err(error)),
        })
    }))
}
