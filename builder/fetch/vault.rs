//! A folder that outlives the upstreams: every pinned file by its digest, to be copied wherever it is needed.
//!
//! ```text
//! DIR/
//!   README.txt              what this is, for whoever finds it
//!   sha256/<digest>         a file as it was published, a base image among them, named by the digest of its bytes
//!   raw/<digest>.zst        a base image, zstd, named by the digest of its decoded bytes
//! ```
//! A vault may lie on a medium that forgets or in somebody else's hands: nothing is taken out of it without
//! digesting it again. Only what every file system has is used: no links, no modes, no holes.

mod base;

use std::path::{Path, PathBuf};

use fs_err::File;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use tempfile::NamedTempFile;

use crate::cache::{Bucket, Cache};
use crate::copy::{copy_digested, copy_to_cache};
use crate::digest::Sha256Digest;
use crate::error::{Error, Result};
use crate::ingest::require;
use crate::watch::{Silent, Watch};

pub use self::base::{base_from_vault, base_to_vault};

const README: &str = "README.txt";
const FILES: &str = "sha256";
const BASES: &str = "raw";

const README_TEXT: &str = "\
This is a vault of pimg: everything that a pimg.lock names, so that its images can be
built without the servers that once published it.

  sha256/<digest>    a file as it was published, named by the SHA-256 of its bytes
  raw/<digest>.zst   a base image, compressed with zstd, named by the SHA-256 of the
                     decoded bytes

pimg digests each file again before it uses it. By hand:

  sha256sum sha256/*         each digest has to be the name of the file
  zstd -dc raw/X.zst | sha256sum
";

/// A vault in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vault {
    root: PathBuf,
}

impl Vault {
    /// Opens the vault in `root`, which is made where there is none.
    ///
    /// # Errors
    /// `NotAVault` where `root` holds something else, and failures of the file system.
    pub fn create(root: &Path) -> Result<Self> {
        fs_err::create_dir_all(root).map_err(|error| Error::writing(root, error))?;
        let is_empty = fs_err::read_dir(root)?.next().is_none();
        if !is_empty && !root.join(FILES).is_dir() {
            return Err(Error::NotAVault { path: root.to_path_buf(), reason: "it holds other files" });
        }
        for directory in [FILES, BASES] {
            let path = root.join(directory);
            fs_err::create_dir_all(&path).map_err(|error| Error::writing(&path, error))?;
        }
        let readme = root.join(README);
        if !readme.exists() {
            fs_err::write(&readme, README_TEXT).map_err(|error| Error::writing(&readme, error))?;
        }
        Ok(Self { root: root.to_path_buf() })
    }

    /// Opens the vault in `root`, which may be read-only.
    ///
    /// # Errors
    /// `NotAVault`.
    pub fn open(root: &Path) -> Result<Self> {
        if !root.join(FILES).is_dir() {
            let reason = "there is no directory `sha256` in it";
            return Err(Error::NotAVault { path: root.to_path_buf(), reason });
        }
        Ok(Self { root: root.to_path_buf() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The file with this digest, if the vault has it. It was digested just now.
    ///
    /// # Errors
    /// `DigestMismatch` where the file was damaged, and failures of the file system.
    pub fn get(&self, digest: Sha256Digest) -> Result<Option<PathBuf>> {
        let Some((path, file)) = self.entry(self.file_path(digest))? else {
            return Ok(None);
        };
        let (got, _) = copy_digested(&file, std::io::sink(), &path, u64::MAX, &Silent)?;
        require(entry_name(&path), Some(digest), got)?;
        Ok(Some(path))
    }

    /// Takes a copy of the file at `path` in and returns where it is, if it has this digest. What is there
    /// already is digested again, and replaced where it was damaged.
    ///
    /// # Errors
    /// `DigestMismatch`, with nothing left behind, and failures of the file system.
    pub fn insert(&self, path: &Path, digest: Sha256Digest) -> Result<PathBuf> {
        match self.get(digest) {
            Ok(Some(there)) => return Ok(there),
            Ok(None) | Err(Error::DigestMismatch { .. }) => {}
            Err(error) => return Err(error),
        }
        let unfinished = self.unfinished(FILES)?;
        let input = File::open(path)?;
        let (got, _) = copy_digested(&input, unfinished.as_file(), unfinished.path(), u64::MAX, &Silent)?;
        require(format!("`{}`", path.display()), Some(digest), got)?;
        persist(unfinished, self.file_path(digest))
    }

    /// Copies the file with this digest into the cache, if the vault has it.
    ///
    /// # Errors
    /// As [`Vault::get`], and `Interrupted`.
    pub(crate) fn take(
        &self,
        digest: Sha256Digest,
        cache: &Cache,
        watch: &dyn Watch,
    ) -> Result<Option<PathBuf>> {
        let Some((path, file)) = self.entry(self.file_path(digest))? else {
            return Ok(None);
        };
        let (unfinished, got, _) = copy_to_cache(cache, &file, u64::MAX, watch)?;
        require(entry_name(&path), Some(digest), got)?;
        cache.publish(Bucket::Blob, digest, unfinished).map(Some)
    }

    fn file_path(&self, digest: Sha256Digest) -> PathBuf {
        self.root.join(FILES).join(digest.to_string())
    }

    fn base_path(&self, raw: Sha256Digest) -> PathBuf {
        self.root.join(BASES).join(format!("{raw}.zst"))
    }

    /// Opens an entry, if it is there.
    fn entry(&self, path: PathBuf) -> Result<Option<(PathBuf, File)>> {
        match File::open(&path) {
            Ok(file) => Ok(Some((path, file))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A file that vanishes unless it is persisted. Others may read it: a vault is handed on.
    fn unfinished(&self, directory: &str) -> Result<NamedTempFile> {
        let directory = self.root.join(directory);
        let make = |path: &Path| {
            let mut options = fs_err::OpenOptions::new();
            options
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o644)
                .open(path)
                .map(|file| file.into_parts().0)
        };
        let file = tempfile::Builder::new().prefix(".tmp-").make_in(&directory, make);
        file.map_err(|error| Error::writing(&directory, error))
    }
}

/// What an entry is called in errors.
fn entry_name(path: &Path) -> String {
    format!("`{}` in the vault", path.display())
}

/// Syncs an entry and gives it its name.
fn persist(file: NamedTempFile, path: PathBuf) -> Result<PathBuf> {
    file.as_file().sync_all().map_err(|error| Error::writing(&path, error))?;
    file.persist(&path).map_err(|error| Error::writing(&path, error.error))?;
    Ok(path)
}

#[cfg(test)]
mod tests;
