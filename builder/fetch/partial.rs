//! Downloads that are not complete yet, kept so that the next run goes on where this one stopped.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs_err::File;
use tempfile::{NamedTempFile, TempPath};

use crate::cache::{Bucket, Cache, replace};
use crate::digest::Sha256Digest;
use crate::error::{Error, Result};
use crate::http::Validator;

/// Bytes after which the note of what is safely on the disk is renewed.
const CHECKPOINT: u64 = 32 << 20;

/// The beginning of a download.
///
/// Beside the bytes lies a note with the validator they belong to and with how many of them were synced: after
/// a crash a file may be longer than what is really in it.
#[derive(Debug)]
pub(crate) struct Partial {
    path: PathBuf,
    note: PathBuf,
    file: File,
    length: u64,
    noted: u64,
    validator: Option<Validator>,
}

impl Partial {
    /// The partial download kept under `key`, empty where there is none that can be resumed.
    pub(crate) fn open(cache: &Cache, key: Sha256Digest) -> Result<Self> {
        let stem = cache.partial_path(key);
        let (path, note) = (stem.with_extension("part"), stem.with_extension("meta"));
        let file = fs_err::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| Error::writing(&path, error))?;
        let noted = fs_err::read_to_string(&note).ok().and_then(|text| parse_note(&text));
        let (length, validator) = match noted {
            Some((length, validator)) if length <= file.metadata()?.len() => (length, Some(validator)),
            _ => (0, None),
        };
        file.set_len(length)?;
        Ok(Self { path, note, file, length, noted: length, validator })
    }

    /// Bytes that are there.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// What the bytes belong to; without it nothing can be resumed.
    pub(crate) fn validator(&self) -> Option<&Validator> {
        self.validator.as_ref()
    }

    /// Starts over: the bytes belong to something else.
    pub(crate) fn restart(&mut self, validator: Option<Validator>) -> Result<()> {
        // the note first: at no time may it describe bytes of another content
        remove_if_there(&self.note)?;
        self.file.set_len(0)?;
        (self.length, self.noted, self.validator) = (0, 0, validator);
        Ok(())
    }

    /// Reads what is there.
    pub(crate) fn reader(&mut self) -> Result<impl Read + '_> {
        self.file.seek(SeekFrom::Start(0))?;
        let length = self.length;
        Ok((&mut self.file).take(length))
    }

    /// Keeps further bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let write = self.file.seek(SeekFrom::Start(self.length)).and_then(|_| self.file.write_all(bytes));
        write.map_err(|error| Error::writing(&self.path, error))?;
        self.length += bytes.len() as u64;
        if self.length - self.noted >= CHECKPOINT {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Makes sure that the next run finds what was kept so far.
    pub(crate) fn checkpoint(&mut self) -> Result<()> {
        let Some(validator) = self.validator.as_ref().filter(|_| self.length > self.noted) else {
            return Ok(());
        };
        self.file.sync_data().map_err(|error| Error::writing(&self.path, error))?;
        replace(&self.note, format!("{}\n{validator}\n", self.length).as_bytes())?;
        self.noted = self.length;
        Ok(())
    }

    /// Makes it content of the cache: it is complete. The caller digested what is in it.
    pub(crate) fn publish(self, cache: &Cache, bucket: Bucket, digest: Sha256Digest) -> Result<PathBuf> {
        remove_if_there(&self.note)?;
        let (file, path) = self.file.into_parts();
        cache.publish(bucket, digest, NamedTempFile::from_parts(file, TempPath::try_from_path(path)?))
    }

    /// Gives it the name `to`, in the same file system: it is complete. The caller digested what is in it.
    pub(crate) fn move_to(self, to: &Path) -> Result<()> {
        remove_if_there(&self.note)?;
        self.file.sync_all().map_err(|error| Error::writing(&self.path, error))?;
        fs_err::rename(&self.path, to).map_err(Error::Host)
    }

    /// Removes it: it is complete, or no good.
    pub(crate) fn discard(self) -> Result<()> {
        remove_if_there(&self.note)?;
        remove_if_there(&self.path)
    }
}

pub(crate) fn parse_note(text: &str) -> Option<(u64, Validator)> {
    let (length, validator) = text.split_once('\n')?;
    Some((length.parse().ok()?, validator.strip_suffix('\n')?.parse().ok()?))
}

fn remove_if_there(path: &PathBuf) -> Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
