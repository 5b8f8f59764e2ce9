//! A layer as a file.

use std::io;
use std::path::Path;

use super::error::LayerError;
use super::signature::{self, Vouched};
use super::store::{Counted, KeptLayer, Store, Taken, has, reading, take};
use crate::bake::manifest::LAYER;
use crate::bake::oci_archive::{self, LayoutArchive};
use crate::bake::vet::VetError;
use crate::command::Context;
use crate::failure::Failure;
use crate::host::whole_file::{WholeFile, open_file};

/// Writes a layer of the cache to `file`: an OCI image layout in one tar. Who vouches for it.
///
/// # Errors
/// It cannot be read or written; then `file` is as it was.
pub fn export(layer: &KeptLayer, file: &Path, context: &Context<'_>) -> Result<Vouched, Failure> {
    let origin = layer.layer.display().to_string();
    let vouched = signature::check(&layer.papers, &origin, context)?;
    let size = layer.papers.layer.layer_size;
    let mut out = WholeFile::create(file)?;
    {
        let reading = reading(&layer.layer, size, "writing the layer", context)?;
        oci_archive::write(&layer.papers, reading, io::BufWriter::new(&mut out))
            .map_err(|error| LayerError::of_vet(&file.display().to_string(), error))?;
    }
    out.finish()?;
    Ok(vouched)
}

/// Takes a layer out of a file into the cache.
///
/// # Errors
/// It is not what it should be; then the cache is as it was.
pub fn import(file: &Path, context: &Context<'_>) -> Result<Taken, Failure> {
    let origin = file.display().to_string();
    let refused = |error| LayerError::of_vet(&origin, error);
    let mut archive = LayoutArchive::open(open_file(file)?).map_err(refused)?;
    let (papers, parts) = archive.papers().map_err(refused)?;
    let vouched = signature::check(&papers, &origin, context)?;
    signature::tell(&vouched, &origin, context)?;
    let store = Store::open(context)?;
    let stop = || context.reporter.interrupted();
    let _lock = store.bakes.lock(&papers.layer.key, &stop)?.ok_or_else(Failure::interrupted)?;
    let was_there = has(&store.bakes, &papers.layer)?;
    // read also where it is there: a damaged file is told
    let work = store.bakes.work()?;
    {
        let from = archive.layer(&parts).map_err(refused)?;
        let mut from = Counted::new(from, papers.layer.layer_size, "reading the layer", context);
        let target = work.result().join(LAYER);
        let mut to = WholeFile::create(&target)?;
        io::copy(&mut from, &mut to).map_err(|source| LayerError::of_vet(&origin, VetError::Read(source)))?;
        to.finish()?;
    }
    take(&store.bakes, &papers, &work, &origin, context)?;
    Ok(Taken { layer: papers.layer, vouched, was_there })
}
