//! Base images in a vault: as raw images, for their digest is what a build rests on, whatever the publisher
//! wrapped them in.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs_err::File;

use super::{BASES, Vault, persist};
use crate::cache::{Bucket, Cache};
use crate::copy::copy_digested;
use crate::digest::{HashingWriter, Sha256Digest};
use crate::error::{Error, Result};
use crate::ingest::{Limits, ingest, require, send_file};
use crate::source::Pins;
use crate::watch::Watch;

/// Long runs of zeroes, of which a base has many, become a few bytes at any level.
const LEVEL: i32 = 6;

/// Copies a base image of the cache into the vault. What is there already is decoded and digested again, and
/// replaced where it was damaged.
///
/// # Errors
/// `Offline` where the cache does not have it, `DigestMismatch`, `Interrupted`, and failures of the file
/// system.
pub fn base_to_vault(cache: &Cache, vault: &Vault, raw: Sha256Digest, watch: &dyn Watch) -> Result<PathBuf> {
    let path = vault.base_path(raw);
    if is_intact(vault, raw, watch)? {
        return Ok(path);
    }
    let Some(image) = cache.get(Bucket::Raw, raw)? else {
        return Err(Error::Offline { url: format!("the raw image {raw}") });
    };
    let image = File::open(image)?;
    let length = image.metadata()?.len();
    watch.begin("copying the base to the vault", Some(length));
    let stored = compress(vault, &image, length, raw, watch);
    watch.finish("");
    persist(stored?, path)
}

/// Whether the vault has this base, undamaged.
fn is_intact(vault: &Vault, raw: Sha256Digest, watch: &dyn Watch) -> Result<bool> {
    let Some((path, file)) = vault.entry(vault.base_path(raw))? else {
        return Ok(false);
    };
    watch.begin("checking the base in the vault", None);
    let decoded = decode(&file, &path, watch);
    watch.finish("");
    match decoded {
        Ok(got) => Ok(got == raw),
        Err(Error::Interrupted) => Err(Error::Interrupted),
        // whatever is wrong with it is mended by another copy
        Err(_) => Ok(false),
    }
}

fn decode(file: &File, path: &Path, watch: &dyn Watch) -> Result<Sha256Digest> {
    let decoder = zstd::Decoder::new(file)?;
    let (got, _) = copy_digested(decoder, io::sink(), path, Limits::default().raw, watch)?;
    Ok(got)
}

fn compress(
    vault: &Vault,
    image: &File,
    length: u64,
    raw: Sha256Digest,
    watch: &dyn Watch,
) -> Result<tempfile::NamedTempFile> {
    let unfinished = vault.unfinished(BASES)?;
    let failed = |error| Error::writing(unfinished.path(), error);
    let mut encoder = zstd::Encoder::new(unfinished.as_file(), LEVEL).map_err(failed)?;
    encoder.include_checksum(true).map_err(failed)?;
    encoder.set_pledged_src_size(Some(length)).map_err(failed)?;
    let mut hasher = HashingWriter::new(encoder);
    let mut written = Ok(());
    send_file(image, watch, &mut |chunk| {
        written = hasher.write_all(chunk);
        written.is_ok()
    })?;
    written.map_err(failed)?;
    let (encoder, got, _) = hasher.finish();
    require("the raw image in the cache".to_owned(), Some(raw), got)?;
    encoder.finish().map_err(failed)?.flush().map_err(failed)?;
    Ok(unfinished)
}

/// Decodes a base image of the vault into the cache and returns its path there; `None` where the vault does
/// not have it. An image that the cache has already is left as it is.
///
/// [`BaseFetcher::fetch`](crate::BaseFetcher::fetch) finds it when both digests are pinned.
///
/// # Errors
/// `DigestMismatch` and `Untrusted` where the entry was damaged, with nothing of it left in the cache;
/// `Interrupted`, and failures of the file system.
pub fn base_from_vault(
    cache: &Cache,
    vault: &Vault,
    raw: Sha256Digest,
    watch: &dyn Watch,
) -> Result<Option<PathBuf>> {
    let _lock = cache.lock(raw, watch)?;
    if let Some(path) = cache.get(Bucket::Raw, raw)? {
        return Ok(Some(path));
    }
    let Some((path, file)) = vault.entry(vault.base_path(raw))? else {
        return Ok(None);
    };
    watch.begin("reading the base from the vault", Some(file.metadata()?.len()));
    let pins = Pins { published: None, raw: Some(raw) };
    let origin = path.display().to_string();
    let ingested =
        ingest(cache, &origin, pins, Limits::default(), watch, |sink| send_file(&file, watch, sink));
    watch.finish("");
    let ingested = ingested.map_err(|error| untrusted(error, &path))?;
    cache.publish(Bucket::Raw, raw, ingested.file).map(Some)
}

/// An entry that cannot even be decoded is not what was put in.
fn untrusted(error: Error, path: &Path) -> Error {
    match error {
        Error::Decode { .. }
        | Error::Truncated { .. }
        | Error::NotAnImage { .. }
        | Error::TooLarge { .. } => {
            let reason = format!("it was damaged in the vault: {error}");
            Error::Untrusted { origin: path.display().to_string(), reason }
        }
        other => other,
    }
}
