//! Files that are copied and digested on their way.

use std::io::{Read, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::cache::{Bucket, Cache};
use crate::digest::{HashingWriter, Sha256Digest};
use crate::error::{Error, Result};
use crate::watch::Watch;

/// Bytes copied at once.
const CHUNK: usize = 256 << 10;

/// Copies `from` to `to`, which is at `path`, and returns the digest and the number of bytes.
///
/// # Errors
/// `Interrupted`, `TooLarge` above `limit` bytes, and failures of the file system.
pub(crate) fn copy_digested(
    mut from: impl Read,
    to: impl Write,
    path: &Path,
    limit: u64,
    watch: &dyn Watch,
) -> Result<(Sha256Digest, u64)> {
    let mut writer = HashingWriter::new(to);
    let mut buffer = vec![0; CHUNK];
    let mut length = 0_u64;
    loop {
        if watch.interrupted() {
            return Err(Error::Interrupted);
        }
        let count = match from.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if count == 0 {
            let (_, digest, length) = writer.finish();
            return Ok((digest, length));
        }
        length += count as u64;
        if length > limit {
            return Err(Error::TooLarge { origin: path.display().to_string(), what: "the file", limit });
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        writer.write_all(bytes).map_err(|error| Error::writing(path, error))?;
        watch.advance(count as u64);
    }
}

/// Copies a file to one of the cache that vanishes unless it is published.
///
/// # Errors
/// As [`copy_digested`].
pub(crate) fn copy_to_cache(
    cache: &Cache,
    from: impl Read,
    limit: u64,
    watch: &dyn Watch,
) -> Result<(NamedTempFile, Sha256Digest, u64)> {
    let file = cache.unfinished(Bucket::Blob)?;
    let (digest, length) = copy_digested(from, file.as_file(), file.path(), limit, watch)?;
    Ok((file, digest, length))
}
