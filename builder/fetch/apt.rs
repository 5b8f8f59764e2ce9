//! Apt repositories: from a key to package indexes, each link checked.
//!
//! ```text
//! keyring, pinned ─signature→ InRelease ─date, suite→ Release ─size, SHA-256→ Packages.xz ─size, SHA-256→ Packages
//! ```
//! A mirror is only a place: what it serves is believed as far as the signature reaches, and the next one is asked
//! only where one cannot be reached. What was verified is kept in the cache by its digest, so that an unchanged
//! repository costs one request; without a network the last snapshot is verified again, as if it just came.

mod index;
mod memory;
mod refusal;
mod release;
mod site;
mod transfer;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use pimg_deb::release::Release;

use self::index::Wanted;
use self::release::{Signed, Verified};
use self::site::Site;
use self::transfer::{Outcome, Small, Transfer, is_missing};
use crate::cache::Cache;
use crate::digest::Sha256Digest;
use crate::error::{Class, Error, Result};
use crate::http::{Client, Validator};
use crate::keyring::{Fingerprint, Keyring};
use crate::watch::Watch;

pub use self::refusal::{Hop, Refusal};

/// Bytes of a `Release`; Debian's have some hundred thousand.
const MAX_RELEASE: u64 = 32 << 20;

/// Bytes of a detached signature.
const MAX_SIGNATURE: u64 = 1 << 20;

/// Indexes of a snapshot that are fetched at the same time.
const PARALLEL: usize = 4;

/// A repository as a source names it.
#[derive(Debug, Clone)]
pub struct Repository {
    /// What we call it, in messages and in the lock.
    pub name: String,
    /// `http:`, `https:` and `file:` URIs of mirrors, in the order in which they are asked.
    pub uris: Vec<String>,
    /// Suite or codename; with a slash at the end the directory of a flat repository.
    pub suite: String,
    /// Components; none in a flat repository.
    pub components: Vec<String>,
    /// Architectures that every component must have.
    pub architectures: Vec<String>,
    /// Architectures that are taken where a component has them.
    pub foreign: Vec<String>,
    /// Whose signatures count.
    pub keyring: Arc<Keyring>,
    /// Certificates of it, or signing keys in them; empty for all.
    pub fingerprints: Vec<Fingerprint>,
    /// The `Date` of what was already seen, in seconds since 1970: anything older is a downgrade.
    pub not_before: Option<i64>,
    /// Whether `Valid-Until` counts.
    pub check_valid_until: bool,
}

/// What a repository had at one time. Only this room makes one.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The signed text.
    pub release: Release,
    /// Digest of `InRelease`, or of `Release` where the signature is a file of its own.
    pub release_sha256: Sha256Digest,
    /// The certificate that signed it.
    pub signed_by: Fingerprint,
    /// The mirror that served it, as in [`Repository::uris`].
    pub uri: String,
    /// By component and architecture.
    pub indexes: Vec<IndexFile>,
}

/// A `Packages` index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFile {
    /// Empty in a flat repository.
    pub component: String,
    /// Empty in a flat repository.
    pub architecture: String,
    /// The decompressed index in the cache.
    pub path: PathBuf,
}

impl Snapshot {
    /// Where a file of the repository lies, by the path that an index gives it.
    ///
    /// # Errors
    /// `UnknownSource` where [`Self::uri`] is none.
    pub fn location(&self, filename: &str) -> Result<String> {
        Ok(Site::parse(&self.uri)?.url(filename))
    }
}

/// Gets snapshots of repositories.
#[derive(Clone, Copy)]
pub struct ArchiveFetcher<'a> {
    /// Where verified files are kept.
    pub cache: &'a Cache,
    /// The network; `None` where it may not be used, and what the cache remembers has to do.
    pub client: Option<&'a Client>,
    /// The clock, in seconds since 1970.
    pub now: u64,
    /// Progress and interruption.
    pub watch: &'a dyn Watch,
}

/// How much of a `Release` has to be as of today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checks {
    /// All of it.
    Current,
    /// Its digest is pinned: it may be old.
    Pinned,
}

impl ArchiveFetcher<'_> {
    /// The repository as it is now.
    ///
    /// # Errors
    /// `Refused` where a link of the chain broke, whatever the other mirrors have; `NotOffered` for a component or
    /// architecture that is not there; `Offline` where the cache does not have it; any of [`Client::open`] where
    /// no mirror can be reached, by the first one.
    pub fn snapshot(&self, repository: &Repository) -> Result<Snapshot> {
        let mut first = None;
        for uri in &repository.uris {
            match self.ask_mirror(repository, uri) {
                Err(error) if error.class() == Class::Network || is_missing(&error) => {
                    first = first.or(Some(error));
                }
                other => return other,
            }
        }
        Err(first.unwrap_or_else(|| Error::UnknownSource {
            source_text: repository.name.clone(),
            reason: "the repository has no URI".to_owned(),
        }))
    }

    /// The snapshot whose `Release` has this digest, if the cache has it: what a lock names, which may be older than
    /// `Valid-Until` and [`Repository::not_before`] allow. Its signature has to hold today.
    ///
    /// # Errors
    /// As [`Self::snapshot`].
    pub fn pinned(&self, repository: &Repository, release: Sha256Digest) -> Result<Option<Snapshot>> {
        let Some((signed, _)) = memory::recall(self.cache, release)? else {
            return Ok(None);
        };
        let mut first = None;
        for uri in &repository.uris {
            let site = Site::parse(uri)?;
            match self.complete(&self.transfer(repository, &site), uri, &signed, Checks::Pinned) {
                Err(error) if error.class() == Class::Network || is_missing(&error) => {
                    first = first.or(Some(error));
                }
                other => return other.map(Some),
            }
        }
        first.map_or(Ok(None), Err)
    }

    fn transfer<'a>(&'a self, repository: &'a Repository, site: &'a Site) -> Transfer<'a> {
        Transfer { cache: self.cache, client: self.client, watch: self.watch, repository, site }
    }

    fn ask_mirror(&self, repository: &Repository, uri: &str) -> Result<Snapshot> {
        let site = Site::parse(uri)?;
        let transfer = self.transfer(repository, &site);
        let key = Sha256Digest::of(format!("{uri}\n{}", repository.suite).as_bytes());
        let _lock = self.cache.lock(key, self.watch)?;
        let remembered = memory::recall(self.cache, key)?;
        if self.client.is_none() && !site.is_local() {
            let (signed, _) = remembered
                .ok_or_else(|| Error::Offline { url: transfer.beside_release("InRelease").to_string() })?;
            return self.complete(&transfer, uri, &signed, Checks::Current);
        }
        self.watch.begin(&format!("asking for {}", repository.name), None);
        let asked = ask(&transfer, remembered);
        self.watch.finish("");
        let (signed, validator) = asked?;
        let snapshot = self.complete(&transfer, uri, &signed, Checks::Current)?;
        memory::remember(self.cache, &[key, snapshot.release_sha256], &signed, validator.as_ref())?;
        Ok(snapshot)
    }

    /// Verifies a signed text and gets the indexes that it lists.
    fn complete(
        &self,
        transfer: &Transfer<'_>,
        uri: &str,
        signed: &Signed,
        checks: Checks,
    ) -> Result<Snapshot> {
        let verified = signed.verify(transfer.repository, checks, self.now)?;
        let wanted = index::wanted(transfer.repository, &verified)?;
        let paths = self.indexes(transfer, &wanted, &verified)?;
        let Verified { release, signed_by, .. } = verified;
        let indexes = wanted.into_iter().zip(paths).map(|(wanted, path)| {
            let Wanted { component, architecture, .. } = wanted;
            IndexFile { component, architecture, path }
        });
        let indexes = indexes.collect();
        Ok(Snapshot { release, release_sha256: signed.digest(), signed_by, uri: uri.to_owned(), indexes })
    }

    /// Gets all indexes, several at a time; of several failures the first one in order counts.
    fn indexes(
        &self,
        transfer: &Transfer<'_>,
        wanted: &[Wanted],
        verified: &Verified,
    ) -> Result<Vec<PathBuf>> {
        let mut total = 0_u64;
        for wanted in wanted {
            if transfer.index_in_cache(wanted)?.is_none() {
                total = total.saturating_add(wanted.forms.first().map_or(0, |form| form.size));
            }
        }
        let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let together = Together { watch: self.watch, failed: AtomicBool::new(false) };
        let transfer = Transfer { watch: &together, ..*transfer };
        self.watch.begin(&format!("downloading indexes of {}", transfer.repository.name), Some(total));
        thread::scope(|scope| {
            for _ in 0..PARALLEL.min(wanted.len()) {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(index) = wanted.get(number).filter(|_| !together.interrupted()) else {
                            break;
                        };
                        let result = transfer.index(index, verified.release.acquire_by_hash);
                        together.failed.fetch_or(result.is_err(), Ordering::Relaxed);
                        results.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
                    }
                });
            }
        });
        self.watch.finish("");
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(number, _)| *number);
        // one that failed stops the others, which then count as interrupted
        let failure = results
            .iter()
            .position(|(_, result)| matches!(result, Err(error) if error.class() != Class::Interrupted));
        if let Some(failure) = failure {
            results.swap(0, failure);
        }
        let complete = results.len() == wanted.len();
        let paths: Vec<_> = results.into_iter().map(|(_, result)| result).collect::<Result<_>>()?;
        if complete { Ok(paths) } else { Err(Error::Interrupted) }
    }
}

/// Asks for the signed text: `InRelease`, or `Release` with its signature where there is none.
fn ask(
    transfer: &Transfer<'_>,
    remembered: Option<(Signed, Option<Validator>)>,
) -> Result<(Signed, Option<Validator>)> {
    let refused = |hop, refusal| transfer.repository.refused(hop, refusal);
    let get = |file: &'static str, limit, known: Option<&Validator>| {
        transfer.small(file, limit, known).map_err(|error| match error {
            Error::TooLarge { limit, .. } => refused(Hop::Release(file), Refusal::TooLarge { limit }),
            other => other,
        })
    };
    let known = remembered.as_ref().and_then(|(_, validator)| validator.as_ref());
    let missing = match get("InRelease", MAX_RELEASE, known)? {
        Outcome::Found(Small::Content(file, validator)) => return Ok((Signed::Inline(file), validator)),
        Outcome::Found(Small::Unchanged) => {
            return remembered
                .ok_or_else(|| Error::Changing { url: transfer.beside_release("InRelease").to_string() });
        }
        Outcome::Missing(error) => error,
    };
    let content = |outcome| match outcome {
        Outcome::Found(Small::Content(file, _)) => Some(file),
        Outcome::Found(Small::Unchanged) | Outcome::Missing(_) => None,
    };
    let Some(release) = content(get("Release", MAX_RELEASE, None)?) else {
        return Err(missing);
    };
    let Some(signature) = content(get("Release.gpg", MAX_SIGNATURE, None)?) else {
        return Err(refused(Hop::Signature("Release.gpg"), Refusal::Unsigned));
    };
    Ok((Signed::Detached { release, signature }, None))
}

/// Watches downloads that run at the same time: one that failed ends the others.
struct Together<'a> {
    watch: &'a dyn Watch,
    failed: AtomicBool,
}

impl Watch for Together<'_> {
    fn begin(&self, _task: &str, _total: Option<u64>) {}

    fn advance(&self, bytes: u64) {
        self.watch.advance(bytes);
    }

    fn finish(&self, _outcome: &str) {}

    fn interrupted(&self) -> bool {
        self.watch.interrupted() || self.failed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
