//! The cache: content by digest, memos about it, downloads in progress, and locks between processes.
//!
//! ```text
//! ROOT/
//!   raw-v1/<sha256>         decoded base images: sparse, read-only
//!   raw-v1/<sha256>.seen    what the file looked like when its digest was last known (see `Stamp`)
//!   blob-v1/<sha256>        everything else that has a digest, downloaded bases as published among them; `.seen` likewise
//!   memo-v1/<kind>-<key>    short texts that save work: losing one costs time, never correctness
//!   partial-v1/<key>.part   downloads that are to be resumed, `.meta` says what they are
//!   lock-v1/<key>           empty files to lock
//! ```
//! Beside these the application has buckets of its own, such as `sweep-v1` and `layer-v1`.
//! A bucket's name carries its version: a change of meaning is a new name, so old and new pimg share a cache.
//! Content appears only whole: written to a temporary file in its bucket, synced, renamed.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use fs_err::File;
use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::fs::{FlockOperation, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use tempfile::NamedTempFile;

use crate::digest::{HashingReader, HashingWriter, Sha256Digest};
use crate::error::{Error, Result};
use crate::stamp::Stamp;
use crate::watch::Watch;

/// Prefix of files that are not finished.
const UNFINISHED: &str = ".tmp-";

/// A kind of content, kept in a directory of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// Decoded base images.
    Raw,
    /// Other files pinned by digest.
    Blob,
}

impl Bucket {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Raw, Self::Blob];

    fn directory(self) -> &'static str {
        match self {
            Self::Raw => "raw-v1",
            Self::Blob => "blob-v1",
        }
    }
}

const MEMOS: &str = "memo-v1";
const PARTIALS: &str = "partial-v1";
const LOCKS: &str = "lock-v1";

/// What a memo is about; its key is a digest.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Memo {
    /// Digest of published bytes → digest of the raw image in them.
    RawOfPublished,
    /// Digest of a raw image → digest of the published bytes it came from.
    PublishedOfRaw,
    /// Digest of a local file's path and stamp → digest of its bytes.
    FileSeen,
    /// Digest of a URL → validator and digest of its bytes.
    UrlSeen,
    /// Digest of a repository's URI and suite, or of its `Release` → digests of what was signed, and validator.
    Snapshot,
    /// Digest of a compressed index → digest of the index.
    UnpackedOfIndex,
}

impl Memo {
    fn name(self) -> &'static str {
        match self {
            Self::RawOfPublished => "raw-of",
            Self::PublishedOfRaw => "published-of",
            Self::FileSeen => "file",
            Self::UrlSeen => "url",
            Self::Snapshot => "snapshot",
            Self::UnpackedOfIndex => "index",
        }
    }
}

/// What a bucket takes on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of files.
    pub files: u64,
    /// Bytes allocated on the disk; holes do not count.
    pub allocated: u64,
}

/// A cache directory.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Opens the cache in `root`, which is made where it does not exist.
    ///
    /// # Errors
    /// Failures of the file system.
    pub fn open(root: &Path) -> Result<Self> {
        let buckets = Bucket::ALL.map(Bucket::directory);
        for directory in buckets.iter().chain(&[MEMOS, PARTIALS, LOCKS]) {
            let path = root.join(directory);
            fs_err::create_dir_all(&path).map_err(|error| Error::writing(&path, error))?;
        }
        Ok(Self { root: root.to_path_buf() })
    }

    /// The file with this content, if it is there and still what it was. Marks it as used.
    ///
    /// A file that was touched since is digested again, and forgotten where it became something else.
    ///
    /// # Errors
    /// Failures of the file system.
    pub fn get(&self, bucket: Bucket, digest: Sha256Digest) -> Result<Option<PathBuf>> {
        let path = self.path(bucket, digest);
        let Some(stamp) = Stamp::of(&path)? else {
            return Ok(None);
        };
        let seen = seen_path(&path);
        let known = fs_err::read_to_string(&seen).unwrap_or_default();
        if known != stamp.to_string() {
            if digest_of_file(&path)? != digest {
                fs_err::remove_file(&path)?;
                return Ok(None);
            }
            replace(&seen, stamp.to_string().as_bytes())?;
        }
        touch(&seen)?;
        Ok(Some(path))
    }

    /// As [`Self::get`], but digests the file whatever its mark says: for who wants to know rather than to be quick.
    ///
    /// # Errors
    /// Failures of the file system.
    pub fn get_digested(&self, bucket: Bucket, digest: Sha256Digest) -> Result<Option<PathBuf>> {
        match fs_err::remove_file(seen_path(&self.path(bucket, digest))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => self.get(bucket, digest),
        }
    }

    /// Takes `content` in and returns where it is, if it has this digest.
    ///
    /// # Errors
    /// `DigestMismatch`, with nothing left behind, and failures of the file system or of `content`.
    pub fn insert(&self, bucket: Bucket, digest: Sha256Digest, mut content: impl Read) -> Result<PathBuf> {
        let unfinished = self.unfinished(bucket)?;
        let mut writer = HashingWriter::new(unfinished.as_file());
        io::copy(&mut content, &mut writer).map_err(|error| Error::writing(unfinished.path(), error))?;
        let (_, got, _) = writer.finish();
        if got != digest {
            let what = "content for the cache".to_owned();
            return Err(Error::DigestMismatch { what, expected: digest, got });
        }
        self.publish(bucket, digest, unfinished)
    }

    /// What each bucket takes on the disk.
    ///
    /// # Errors
    /// Failures of the file system.
    pub fn usage(&self) -> Result<Vec<(&'static str, Usage)>> {
        let mut usages = Vec::new();
        for bucket in self.directories() {
            let mut usage = Usage::default();
            for entry in fs_err::read_dir(self.root.join(bucket))? {
                let metadata = entry?.metadata()?;
                usage.files += 1;
                usage.allocated += std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
            }
            usages.push((bucket, usage));
        }
        Ok(usages)
    }

    /// Removes whatever was last used before `oldest`, and returns how much that was.
    ///
    /// # Errors
    /// Failures of the file system.
    pub fn clean(&self, oldest: SystemTime) -> Result<Usage> {
        let mut removed = Usage::default();
        // a lock that is removed while somebody holds it locks nothing any more
        for bucket in self.directories().into_iter().filter(|bucket| *bucket != LOCKS) {
            for entry in fs_err::read_dir(self.root.join(bucket))? {
                let path = entry?.path();
                let (Ok(metadata), Ok(used)) = (path.symlink_metadata(), last_used(&path)) else {
                    continue; // went away, or is the mark of a file that just went
                };
                if used < oldest {
                    fs_err::remove_file(&path)?;
                    removed.files += 1;
                    removed.allocated += std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
                }
            }
        }
        Ok(removed)
    }

    /// Waits until no other process works on `key`; the lock ends with the returned value.
    ///
    /// # Errors
    /// `Interrupted`, and failures of the file system.
    pub(crate) fn lock(&self, key: Sha256Digest, watch: &(impl Watch + ?Sized)) -> Result<Lock> {
        let path = self.root.join(LOCKS).join(key.to_string());
        let file =
            fs_err::OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(&path)?;
        let mut waiting = false;
        loop {
            match rustix::fs::flock(file.file(), FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(error) => return Err(Error::writing(&path, error.into())),
            }
            if !std::mem::replace(&mut waiting, true) {
                watch.begin("waiting for another pimg", None);
            }
            if watch.interrupted() {
                return Err(Error::Interrupted);
            }
            thread::sleep(Duration::from_millis(50));
        }
        if waiting {
            watch.finish("");
        }
        Ok(Lock { _file: file })
    }

    /// A file of this bucket that vanishes unless it is published.
    pub(crate) fn unfinished(&self, bucket: Bucket) -> Result<NamedTempFile> {
        let directory = self.root.join(bucket.directory());
        let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&directory);
        file.map_err(|error| Error::writing(&directory, error))
    }

    /// Gives an unfinished file its name. The caller computed the digest from what it wrote.
    pub(crate) fn publish(
        &self,
        bucket: Bucket,
        digest: Sha256Digest,
        file: NamedTempFile,
    ) -> Result<PathBuf> {
        let path = self.path(bucket, digest);
        persist_synced(file, &path)?;
        if let Some(stamp) = Stamp::of(&path)? {
            replace(&seen_path(&path), stamp.to_string().as_bytes())?;
        }
        Ok(path)
    }

    /// What was noted under this key.
    pub(crate) fn recall(&self, memo: Memo, key: Sha256Digest) -> Option<String> {
        let path = self.memo_path(memo, key);
        let text = fs_err::read_to_string(&path).ok()?;
        touch(&path).ok()?;
        Some(text)
    }

    /// Notes `text` under this key.
    pub(crate) fn remember(&self, memo: Memo, key: Sha256Digest, text: &str) -> Result<()> {
        replace(&self.memo_path(memo, key), text.as_bytes())
    }

    /// Where a download with this key is kept, without its extension.
    pub(crate) fn partial_path(&self, key: Sha256Digest) -> PathBuf {
        self.root.join(PARTIALS).join(key.to_string())
    }

    fn directories(&self) -> [&'static str; 5] {
        [Bucket::Raw.directory(), Bucket::Blob.directory(), MEMOS, PARTIALS, LOCKS]
    }

    fn path(&self, bucket: Bucket, digest: Sha256Digest) -> PathBuf {
        self.root.join(bucket.directory()).join(digest.to_string())
    }

    fn memo_path(&self, memo: Memo, key: Sha256Digest) -> PathBuf {
        self.root.join(MEMOS).join(format!("{}-{key}", memo.name()))
    }
}

/// Held while one process works on something.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Replaces a small file in one step. Not synced: after a crash it may be empty, which reads as absent.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(directory);
    let file = file.map_err(|error| Error::writing(path, error))?;
    io::Write::write_all(&mut file.as_file(), bytes).map_err(|error| Error::writing(path, error))?;
    file.persist(path).map_err(|error| Error::writing(path, error.error))?;
    Ok(())
}

/// Syncs content, gives it its name, and syncs the name.
fn persist_synced(file: NamedTempFile, path: &Path) -> Result<()> {
    let failed = |error| Error::writing(path, error);
    let read_only = std::os::unix::fs::PermissionsExt::from_mode(0o444);
    file.as_file().set_permissions(read_only).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all().map_err(failed),
        None => Ok(()),
    }
}

fn digest_of_file(path: &Path) -> Result<Sha256Digest> {
    let mut reader = HashingReader::new(File::open(path)?);
    let mut buffer = vec![0; 1 << 20];
    while reader.read(&mut buffer)? > 0 {}
    Ok(reader.finish().0)
}

fn seen_path(path: &Path) -> PathBuf {
    path.with_extension("seen")
}

/// Content counts as used when its mark was touched: its own times are part of its stamp.
fn last_used(path: &Path) -> io::Result<SystemTime> {
    let mark = seen_path(path);
    let marked = mark.symlink_metadata().or_else(|_| path.symlink_metadata());
    marked?.modified()
}

/// Sets the time of last use to now, by the file system's own clock.
fn touch(path: &Path) -> io::Result<()> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
    };
    let file = File::open(path)?;
    Ok(rustix::fs::futimens(file.file(), &times)?)
}

#[cfg(test)]
mod tests;
