//! Files that are pinned by digest, many at once: from the cache, a vault, this machine or the network.
//!
//! A file is looked for in the cache, then in the vault, then at its locations in order. Only content with the
//! pinned digest gets a name in the cache; a digest pins it, so plain HTTP and any mirror will do. Content that
//! is not pinned yet comes through [`Batch::first_sight`].

mod first_sight;
mod transfer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::cache::{Bucket, Cache};
use crate::digest::Sha256Digest;
use crate::error::{Error, Result};
use crate::http::Client;
use crate::vault::Vault;
use crate::watch::Watch;

/// How many files at a time are quick and still polite to a mirror.
pub const PARALLEL: usize = 4;

/// Longest file whose length is not pinned, in bytes.
const LONGEST: u64 = 4 << 30;

/// A file that is pinned by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What it is called in progress and errors.
    pub name: String,
    /// `https:`, `http:` and `file:` URLs, tried in this order.
    pub locations: Vec<String>,
    /// The pinned digest.
    pub sha256: Sha256Digest,
    /// The pinned length in bytes.
    pub size: Option<u64>,
}

/// Gets pinned files.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// What the files are together, such as `packages`.
    pub name: &'a str,
    /// Where they are kept.
    pub cache: &'a Cache,
    /// The network; `None` where it may not be used.
    pub client: Option<&'a Client>,
    /// A folder that is asked before any location.
    pub vault: Option<&'a Vault>,
    /// Progress of all files together, and interruption.
    pub watch: &'a dyn Watch,
    /// Makes the watches of single files: one for each that is under way.
    pub watches: &'a (dyn Fn() -> Box<dyn Watch + 'a> + Sync),
    /// How many files may be under way at a time, from all servers together; 0 counts as 1. See [`PARALLEL`].
    pub parallel: usize,
}

impl Batch<'_> {
    /// Gets these files and returns their paths in the cache, in the order asked.
    ///
    /// What the cache has costs nothing. Two processes that want the same file download it once. After the
    /// first failure no further file is begun and those under way stop; what they have is kept, and the next
    /// run goes on there.
    ///
    /// # Errors
    /// Any of this package, of the first file that failed in the order asked; `Trust` where a digest or a
    /// length is not the pinned one, with nothing of it left in the cache.
    pub fn fetch(&self, wanted: &[Wanted]) -> Result<Vec<PathBuf>> {
        let mut paths = BTreeMap::new();
        let mut missing = BTreeMap::new();
        for (index, file) in wanted.iter().enumerate() {
            if self.watch.interrupted() {
                return Err(Error::Interrupted);
            }
            if paths.contains_key(&file.sha256) || missing.contains_key(&file.sha256) {
                continue;
            }
            match self.cache.get(Bucket::Blob, file.sha256)? {
                Some(path) => drop(paths.insert(file.sha256, path)),
                None => drop(missing.insert(file.sha256, index)),
            }
        }
        let mut missing: Vec<usize> = missing.into_values().collect();
        missing.sort_unstable();
        let missing: Vec<&Wanted> = missing.into_iter().filter_map(|index| wanted.get(index)).collect();
        if !missing.is_empty() {
            paths.extend(self.get_missing(&missing)?);
        }
        let path_of = |file: &Wanted| {
            let path = paths.get(&file.sha256).cloned().unwrap_or_default();
            require_size(file, &path).map(|()| path)
        };
        wanted.iter().map(path_of).collect()
    }

    fn get_missing(&self, missing: &[&Wanted]) -> Result<Vec<(Sha256Digest, PathBuf)>> {
        let sizes: Option<Vec<u64>> = missing.iter().map(|file| file.size).collect();
        let total = sizes.map(|sizes| sizes.into_iter().fold(0, u64::saturating_add));
        self.watch.begin_many(self.name, missing.len(), total);
        let queue = Queue { files: missing, next: AtomicUsize::new(0), stop: AtomicBool::new(false) };
        let outcomes = Mutex::new(BTreeMap::new());
        thread::scope(|scope| {
            for _ in 0..self.parallel.clamp(1, missing.len().max(1)) {
                scope.spawn(|| self.work(&queue, &outcomes));
            }
        });
        let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        let gathered = gather(missing, outcomes);
        self.watch.finish(if gathered.is_ok() { "" } else { "stopped" });
        gathered
    }

    /// Takes one file after another from the queue.
    fn work(&self, queue: &Queue<'_>, outcomes: &Mutex<BTreeMap<usize, Result<PathBuf>>>) {
        let watch = PartWatch { own: (self.watches)(), whole: self.watch, stop: &queue.stop };
        while let Some((index, file)) = queue.take() {
            let outcome = self.get(file, &watch);
            match &outcome {
                Ok(_) => self.watch.part_done(),
                Err(_) => queue.stop.store(true, Ordering::Relaxed),
            }
            outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(index, outcome);
        }
    }
}

/// Files that wait for a worker.
struct Queue<'a> {
    files: &'a [&'a Wanted],
    next: AtomicUsize,
    /// Set once a file failed.
    stop: AtomicBool,
}

impl Queue<'_> {
    fn take(&self) -> Option<(usize, &Wanted)> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        self.files.get(index).map(|file| (index, *file))
    }
}

/// The paths of all files, or the reason why some are not there: of the first failure in the order asked,
/// where those that were stopped by another one do not count.
fn gather(
    files: &[&Wanted],
    outcomes: BTreeMap<usize, Result<PathBuf>>,
) -> Result<Vec<(Sha256Digest, PathBuf)>> {
    let mut paths = Vec::new();
    let mut failure = None;
    for (index, outcome) in outcomes {
        match (outcome, files.get(index)) {
            (Ok(path), Some(file)) => paths.push((file.sha256, path)),
            (Err(error), _) if matches!(failure, None | Some(Error::Interrupted)) => failure = Some(error),
            _ => {}
        }
    }
    match failure {
        Some(error) => Err(error),
        None if paths.len() < files.len() => Err(Error::Interrupted),
        None => Ok(paths),
    }
}

/// Compares a file of the cache with its pinned length.
fn require_size(file: &Wanted, path: &Path) -> Result<()> {
    match file.size {
        Some(expected) => file.require_length(expected, fs_err::metadata(path)?.len(), true),
        None => Ok(()),
    }
}

impl Wanted {
    fn require_length(&self, expected: u64, got: u64, whole: bool) -> Result<()> {
        if expected == got {
            return Ok(());
        }
        Err(Error::SizeMismatch { what: format!("`{}`", self.name), expected, got, whole })
    }
}

/// Progress of one file, which is progress of the batch too; stops when another file failed.
struct PartWatch<'a> {
    own: Box<dyn Watch + 'a>,
    whole: &'a dyn Watch,
    stop: &'a AtomicBool,
}

impl Watch for PartWatch<'_> {
    fn begin(&self, task: &str, total: Option<u64>) {
        self.own.begin(task, total);
    }
    fn advance(&self, bytes: u64) {
        self.own.advance(bytes);
        self.whole.advance(bytes);
    }
    fn finish(&self, outcome: &str) {
        self.own.finish(outcome);
    }
    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.own.interrupted() || self.whole.interrupted()
    }
}

#[cfg(test)]
mod tests;
