//! The one door for fuzz targets into rooms that are private. No part of the interface: `tests/fuzz` alone uses it.

use std::io::Cursor;
use std::path::PathBuf;

use pimg_fetch::digest::Sha256Digest;

use crate::bake::artefact::{Papers, Parts, parse};
use crate::bake::oci_archive::LayoutArchive;
use crate::image::baked::{LayerFile, paths};

/// Reads the index of a pack of cached frames: how many frames it lists, and the bytes they have.
///
/// # Errors
/// It is no pack, or was cut off or changed.
pub fn pack_index(pack: &[u8]) -> std::io::Result<(usize, u64)> {
    let entries = crate::image::frames::read_index(Cursor::new(pack), pack.len() as u64)?;
    Ok((entries.len(), entries.iter().map(|entry| u64::from(entry.length)).sum()))
}

/// Reads the archive of a baked layer, as it is before it is compressed: where its entries would go to.
///
/// # Errors
/// It is none, or holds something that no layer may hold.
pub fn baked_archive(tar: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let digest = Sha256Digest::of(tar);
    let length = tar.len() as u64;
    let layer = LayerFile {
        path: PathBuf::new(),
        sha256: digest,
        size: length,
        tar_sha256: digest,
        tar_size: length,
        content_size: 0,
        entries: length,
        epoch: 1 << 32,
    };
    paths(tar, &layer).map_err(|error| error.to_string())
}

/// Reads the file that hands out a baked layer, and the papers in it: the key of the layer, and its length in bytes.
///
/// # Errors
/// It is none, or its parts do not fit together.
pub fn layer_archive(file: &[u8]) -> Result<(String, u64), String> {
    let mut archive = LayoutArchive::open(Cursor::new(file)).map_err(|error| error.to_string())?;
    let (papers, parts) = archive.papers().map_err(|error| error.to_string())?;
    let mut layer = archive.layer(&parts).map_err(|error| error.to_string())?;
    let length = std::io::copy(&mut layer, &mut std::io::sink()).map_err(|error| error.to_string())?;
    Ok((papers.layer.key, length))
}

/// Reads `layer.json`, and the same bytes as a manifest of a registry and as a statement and an envelope.
pub fn layer_papers(text: &[u8]) {
    let _ = Parts::of(text);
    if parse(text).is_ok() {
        let papers = Papers::new(text.to_vec(), None, None).expect("what is read twice is the same");
        papers.to_manifest().expect("has digests");
    }
    let _ = crate::image::provenance::subjects(text);
    let _ = crate::image::provenance::open(text);
}
