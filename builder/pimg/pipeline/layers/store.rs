//! Baked layers in the cache.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::LayerError;
use super::signature::{self, Vouched};
use crate::bake::artefact::{self, LONGEST, Papers, is_key};
use crate::bake::manifest::{LAYER, LayerManifest, MANIFEST};
use crate::bake::vet::{VetError, vet};
use crate::command::Context;
use crate::failure::Failure;
use crate::host::bakes::{BUCKET, BakeWork, Bakes};
use crate::host::cache::CacheDir;
use crate::host::{HostError, files, whole_file};
use crate::image::provenance::{ENVELOPE, FILE as STATEMENT};
use crate::progress::{Reporter, TaskId};

/// Fewest digits of a key that stand for it.
const SHORTEST: usize = 8;

/// A layer of the cache, opened.
#[derive(Debug)]
pub struct KeptLayer {
    /// What is written about it.
    pub papers: Papers,
    /// `layer.tar.zst`.
    pub layer: PathBuf,
    _cache: CacheDir,
}

/// A layer that came into the cache, or was there.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What it is.
    pub layer: LayerManifest,
    /// Who vouches for it.
    pub vouched: Vouched,
    /// Whether the cache had the same already.
    pub was_there: bool,
}

/// The cache, in use.
pub(super) struct Store {
    pub(super) cache: CacheDir,
    pub(super) bakes: Bakes,
}

impl Store {
    pub(super) fn open(context: &Context<'_>) -> Result<Self, Failure> {
        let cache = CacheDir::open(&context.environment.cache_dir().ok_or(HostError::NoCacheDir)?)?;
        let bakes = Bakes::open(cache.path())?;
        Ok(Self { cache, bakes })
    }
}

/// Whether the cache has this very layer.
pub(super) fn has(bakes: &Bakes, layer: &LayerManifest) -> Result<bool, Failure> {
    let Some(path) = bakes.get(&layer.key)? else { return Ok(false) };
    let Some(text) = files::read_optional(&path.join(MANIFEST), LONGEST)? else { return Ok(false) };
    let is_there = files::length(&path.join(LAYER)).is_ok_and(|length| length == layer.layer_size);
    Ok(is_there && artefact::parse(&text).is_ok_and(|kept| kept == *layer))
}

/// Takes a layer whose `layer.tar.zst` is in `work`, once all of it was read and found right.
pub(super) fn take(
    bakes: &Bakes,
    papers: &Papers,
    work: &BakeWork,
    origin: &str,
    context: &Context<'_>,
) -> Result<(), Failure> {
    {
        let file = work.result().join(LAYER);
        let reading = reading(&file, papers.layer.layer_size, "checking the layer", context)?;
        vet(reading, &papers.layer).map_err(|error| LayerError::of_vet(origin, error))?;
    }
    for (name, bytes) in papers.files() {
        files::write_atomic(&work.result().join(name), bytes)?;
    }
    bakes.publish(&papers.layer.key, work)?;
    Ok(())
}

/// The keys of the layers in the cache, sorted.
fn keys(cache: &CacheDir) -> Result<Vec<String>, Failure> {
    let directories = files::list_directories(&cache.path().join(BUCKET))?;
    let names = directories.iter().filter_map(|path| path.file_name()?.to_str());
    let mut keys: Vec<String> = names.filter(|name| is_key(name)).map(str::to_owned).collect();
    keys.sort();
    Ok(keys)
}

/// All layers of the cache, and whether each is signed. A damaged one is told and left out.
///
/// # Errors
/// The cache cannot be read.
pub fn list(context: &Context<'_>) -> Result<Vec<(LayerManifest, bool)>, Failure> {
    let store = Store::open(context)?;
    let mut found = Vec::new();
    for key in keys(&store.cache)? {
        let directory = store.cache.path().join(BUCKET).join(&key);
        let text = files::read_optional(&directory.join(MANIFEST), LONGEST)?.unwrap_or_default();
        match artefact::parse(&text) {
            Ok(layer) if layer.key == key => found.push((layer, directory.join(ENVELOPE).is_file())),
            _ => context.reporter.notice(&format!("`{}` is no layer", directory.display())),
        }
    }
    Ok(found)
}

/// The key in the cache that a word stands for: a whole key, or the beginning of one.
///
/// # Errors
/// There is none, or several.
pub fn find(word: &str, context: &Context<'_>) -> Result<String, Failure> {
    let store = Store::open(context)?;
    let mut found = keys(&store.cache)?;
    found.retain(|key| key == word || (word.len() >= SHORTEST && key.starts_with(word)));
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(LayerError::Absent(word.to_owned()).into()),
        _ => Err(LayerError::Ambiguous(word.to_owned()).into()),
    }
}

/// Opens a layer of the cache, with its papers. One that was baked here is signed, where that is meant.
///
/// # Errors
/// It is not there, or damaged.
pub fn kept(key: &str, context: &Context<'_>) -> Result<KeptLayer, Failure> {
    let store = Store::open(context)?;
    let path = store.bakes.get(key)?.ok_or_else(|| LayerError::Absent(key.to_owned()))?;
    let read = |name: &str| files::read_optional(&path.join(name), LONGEST);
    let damaged = |source| LayerError::Damaged { key: key.to_owned(), source };
    let manifest = read(MANIFEST)?.unwrap_or_default();
    let statement = read(STATEMENT)?;
    let is_baked_here = statement.is_none();
    let mut papers = Papers::new(manifest, statement, read(ENVELOPE)?).map_err(damaged)?;
    if is_baked_here {
        signature::sign(&mut papers, context)?;
    }
    let layer = path.join(LAYER);
    {
        let reading = reading(&layer, papers.layer.layer_size, "checking the layer", context)?;
        vet(reading, &papers.layer).map_err(|error| match error {
            VetError::Refused(source) => damaged(source),
            other => LayerError::of_vet(&layer.display().to_string(), other),
        })?;
    }
    Ok(KeptLayer { papers, layer, _cache: store.cache })
}

/// A file that is read with a bar, until somebody asks to stop.
pub(super) struct Counted<'a, R> {
    inner: R,
    reporter: &'a dyn Reporter,
    task: TaskId,
}

/// Opens a file to be read with a bar.
pub(super) fn reading<'a>(
    path: &Path,
    size: u64,
    task: &str,
    context: &'a Context<'_>,
) -> Result<Counted<'a, impl Read + use<>>, Failure> {
    Ok(Counted::new(whole_file::open_file(path)?, size, task, context))
}

impl<'a, R> Counted<'a, R> {
    pub(super) fn new(inner: R, size: u64, task: &str, context: &'a Context<'_>) -> Self {
        Self { inner, reporter: context.reporter, task: context.reporter.begin(task, Some(size)) }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.reporter.interrupted() {
            // not `Interrupted`: whoever reads would try again
            return Err(io::Error::other(Stopped));
        }
        let count = self.inner.read(buffer)?;
        self.reporter.advance(self.task, count as u64);
        Ok(count)
    }
}

impl<R> Drop for Counted<'_, R> {
    fn drop(&mut self) {
        self.reporter.finish(self.task, "");
    }
}

/// Why reading ended.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(super) struct Stopped;
