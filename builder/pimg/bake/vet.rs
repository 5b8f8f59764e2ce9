//! A layer that somebody hands over, read from end to end before it is anybody's: it is what `layer.json` says, and holds
//! nothing that could not be applied. What an entry may be is decided where it is applied, in `image::baked`.

use std::io::{self, Read};
use std::path::PathBuf;

use pimg_fetch::digest::HashingReader;

use super::artefact::{digest, layer_file};
use super::manifest::LayerManifest;
use super::refusal::Refusal;
use crate::image::baked::{BakedError, LayerFile, inspect};

/// What may be wrong: with the layer, or with reading it.
#[derive(Debug, thiserror::Error)]
pub enum VetError {
    /// It is not what it should be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It cannot be read, or whoever reads it asked to stop.
    #[error(transparent)]
    Read(io::Error),
}

/// Reads `layer.tar.zst` to its end and compares it with `layer`.
///
/// # Errors
/// A digest, a length or a count differs; it is no archive; an entry is none that a layer may hold.
pub fn vet(compressed: impl Read, layer: &LayerManifest) -> Result<(), VetError> {
    let file = layer_file(layer, PathBuf::new())?;
    // of what comes, no more is read than was promised
    let limited = Reading { inner: compressed, failed: None }.take(layer.layer_size.saturating_add(1));
    let mut compressed = HashingReader::new(limited);
    let inspected = inspect_compressed(&mut compressed, &file);
    // a damaged archive is damaged because its digest is another, and that is what says so
    let rest = io::copy(&mut compressed, &mut io::sink());
    let (limited, got, length) = compressed.into_parts();
    if let Some(error) = limited.into_inner().failed {
        return Err(VetError::Read(error));
    }
    rest.map_err(VetError::Read)?;
    if length != layer.layer_size {
        let got = if length > layer.layer_size { "more".to_owned() } else { length.to_string() };
        return Err(Refusal::differs("its length in bytes", layer.layer_size, got).into());
    }
    let expected = digest(&layer.layer_sha256)?;
    if got != expected {
        return Err(Refusal::differs("its sha256", expected, got).into());
    }
    inspected.map_err(|error| VetError::Refused(refusal(error)))
}

fn inspect_compressed(compressed: impl Read, file: &LayerFile) -> Result<(), BakedError> {
    let read_error = |source| BakedError::Read { path: PathBuf::new(), source };
    inspect(zstd::Decoder::new(compressed).map_err(read_error)?, file)
}

/// As a fragment behind the name of the layer.
fn refusal(error: BakedError) -> Refusal {
    match error {
        BakedError::Read { source, .. } => Refusal::new(format!("it cannot be unpacked: {source}")),
        BakedError::Entry { path, problem } => Refusal::new(format!("its entry `{path}` {problem}")),
        BakedError::Archive(problem) => Refusal::new(format!("its archive {problem}")),
        BakedError::Differs { what, expected, got } => {
            Refusal::new(format!("expected {what} {expected}, got {got}"))
        }
        other => Refusal::new(other.to_string()),
    }
}

/// Keeps the failure of what is read apart from that of decoders, which wrap it.
struct Reading<R> {
    inner: R,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Reading<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let copy = io::Error::new(error.kind(), error.to_string());
            self.failed.get_or_insert(error);
            copy
        })
    }
}

#[cfg(test)]
mod tests;
