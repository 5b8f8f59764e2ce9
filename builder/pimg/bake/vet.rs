//! A layer that somebody hands over, read from end to end before it is anybody's: it is what `layer.json` says, and every
//! path stays inside of the image.

use std::collections::HashMap;
use std::io::{self, Read};

use pimg_fetch::digest::HashingReader;
use tar::EntryType;

use super::artefact::digest;
use super::manifest::LayerManifest;
use super::refusal::Refusal;

/// Longest path in bytes: `PATH_MAX` of Linux.
const LONGEST_PATH: usize = 4096;

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
/// A digest, a length or a count differs; it is no archive; an entry has a path or a kind that no layer has.
pub fn vet(compressed: impl Read, layer: &LayerManifest) -> Result<(), VetError> {
    let mut compressed = HashingReader::new(Reading { inner: compressed, failed: None });
    let read = read_archive(&mut compressed, layer);
    // a damaged archive is damaged because its digest is another, and that is what says so
    let rest = io::copy(&mut compressed, &mut io::sink());
    let (reading, got, length) = compressed.into_parts();
    if let Some(error) = reading.failed {
        return Err(VetError::Read(error));
    }
    rest.map_err(VetError::Read)?;
    if length != layer.layer_size {
        return Err(Refusal::differs("its length in bytes", layer.layer_size, length).into());
    }
    let expected = digest(&layer.layer_sha256)?;
    if got != expected {
        return Err(Refusal::differs("its sha256", expected, got).into());
    }
    Ok(read?)
}

fn read_archive(compressed: impl Read, layer: &LayerManifest) -> Result<(), Refusal> {
    let damaged = |error: io::Error| Refusal::new(format!("it cannot be unpacked: {error}"));
    let decoder = zstd::Decoder::new(compressed).map_err(damaged)?;
    // an archive that grows without end stops where the one that was promised ends
    let mut plain = HashingReader::new(decoder.take(layer.tar_size.saturating_add(1)));
    let mut archive = tar::Archive::new(&mut plain);
    let mut seen = Seen::default();
    for entry in archive.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let target = entry.link_name_bytes().map(|target| target.into_owned());
        seen.add(&entry.path_bytes(), entry.header().entry_type(), target.as_deref())?;
    }
    let mut rest = Vec::new();
    let mut tail = plain.by_ref().take(1 << 20);
    tail.read_to_end(&mut rest).map_err(damaged)?;
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Refusal::new("there is something behind the end of its archive"));
    }
    io::copy(&mut plain, &mut io::sink()).map_err(damaged)?;
    let (got, length) = plain.finish();
    if length != layer.tar_size {
        let got = if length > layer.tar_size { "more".to_owned() } else { length.to_string() };
        return Err(Refusal::differs("the length of its archive in bytes", layer.tar_size, got));
    }
    let expected = digest(&layer.tar_sha256)?;
    if got != expected {
        return Err(Refusal::differs("the sha256 of its archive", expected, got));
    }
    if seen.count() != layer.entries {
        return Err(Refusal::differs("its number of entries", layer.entries, seen.count()));
    }
    Ok(())
}

/// What came so far: whether it is a directory, by its path.
#[derive(Default)]
struct Seen(HashMap<Vec<u8>, EntryType>);

impl Seen {
    fn count(&self) -> u64 {
        self.0.len() as u64
    }

    fn add(&mut self, path: &[u8], kind: EntryType, target: Option<&[u8]>) -> Result<(), Refusal> {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let shown = || String::from_utf8_lossy(path).escape_default().to_string();
        let refused = |why: &str| Refusal::new(format!("its entry `{}` {why}", shown()));
        if !is_inside(path) {
            return Err(refused("has a path that no layer has"));
        }
        match kind {
            EntryType::Regular | EntryType::Directory | EntryType::Char | EntryType::Block => {}
            EntryType::Symlink if target.is_some_and(|target| !target.is_empty() && !target.contains(&0)) => {
            }
            EntryType::Link => {
                let first = target.and_then(|target| self.0.get(target));
                if first.is_none_or(|kind| kind.is_dir()) {
                    return Err(refused("is a hard link to nothing before it"));
                }
            }
            _ => return Err(refused("is of a kind that no layer has")),
        }
        // below a link, a file would be written to wherever that leads
        let above = (0..path.len()).filter(|index| path[*index] == b'/').map(|index| &path[..index]);
        for directory in above {
            if self.0.get(directory).is_some_and(|kind| !kind.is_dir()) {
                return Err(refused("lies below something that is no directory"));
            }
        }
        if self.0.insert(path.to_vec(), kind).is_some() {
            return Err(refused("is there twice"));
        }
        Ok(())
    }
}

fn is_inside(path: &[u8]) -> bool {
    !path.is_empty()
        && path.len() <= LONGEST_PATH
        && !path.contains(&0)
        && path.split(|byte| *byte == b'/').all(|part| !part.is_empty() && part != b"." && part != b"..")
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
