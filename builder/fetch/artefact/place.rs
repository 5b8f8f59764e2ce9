//! A place that keeps artefacts, whatever it is: what is asked of it, and how often.

use std::time::Duration;

use futures_util::StreamExt as _;

use super::descriptor::Descriptor;
use super::docker::Account;
use super::error::{Pieces, PlaceError, Problem};
use super::layout::{INDEX_FILE, LONGEST, blob_path};
use super::reference::Reference;
use super::registry::Registry;
use super::runtime::Runtime;
use super::store::Store;
use crate::error::{Error, Result};
use crate::http::Patience;
use crate::watch::Watch;

/// A place, reached.
#[derive(Debug)]
pub struct Place {
    pub(super) shown: String,
    pub(super) keeper: Keeper,
    pub(super) runtime: Runtime,
    pub(super) patience: Patience,
}

#[derive(Debug)]
pub(super) enum Keeper {
    Registry(Registry),
    Store(Store),
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

    /// Whether anybody on the way can change what comes from there. Registries of other machines are spoken to by TLS.
    pub fn is_open_to_tampering(&self) -> bool {
        matches!(&self.keeper, Keeper::Store(store) if store.is_open)
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

    pub(super) async fn read(
        &self,
        tag: &str,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<(Pieces, bool), Problem> {
        match &self.keeper {
            Keeper::Registry(registry) => registry.read(blob, offset).await,
            Keeper::Store(store) => store.read(&path_of(tag, blob)?, blob.size, offset).await,
        }
    }

    /// Asks once, and again for as long as it might go well.
    pub(super) fn ask<T, F: Future<Output = Result<T, Problem>>>(
        &self,
        doing: &str,
        watch: &dyn Watch,
        attempt: impl FnMut() -> F,
    ) -> Result<T> {
        self.runtime.run(watch, self.attempts(doing, attempt))
    }

    pub(super) async fn attempts<T, F: Future<Output = Result<T, Problem>>>(
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

    pub(super) fn pause(&self, failures: u32) -> Duration {
        self.patience.back_off.saturating_mul(1 << failures.min(8))
    }

    pub(super) fn failed(&self, doing: &str, problem: Problem) -> Error {
        Error::Place(PlaceError { place: self.shown.clone(), doing: doing.to_owned(), problem })
    }
}

pub(super) fn path_of(tag: &str, blob: &Descriptor) -> Result<String, Problem> {
    let sha256 = blob.sha256().map_err(|error| Problem::Wrong(error.to_string()))?;
    Ok(format!("{tag}/{}", blob_path(sha256)))
}
