//! An artefact on its way to a place: its files first, and then the name that makes it one.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{Stream, stream};

use super::descriptor::Descriptor;
use super::error::Problem;
use super::layout::{INDEX_FILE, LAYOUT_FILE, LAYOUT_TEXT, blob_path, index};
use super::place::{Keeper, Place, path_of};
use crate::error::Result;
use crate::watch::Watch;

/// Bytes of a file that are sent at once.
const PIECE: usize = 256 << 10;

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
