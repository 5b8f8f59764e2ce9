//! Which image a word on the command line means: a file, a profile, a directory with built images, or `base`.

use std::path::{Path, PathBuf};

use pimg_fetch::{Bucket, Cache, Source};
use serde::Deserialize;

use super::Context;
use super::hosts;
use super::outcome::BuiltFrom;
use super::request::Selection;
use super::verify;
use super::watch::WatchReporter;
use crate::failure::{Class, Failure};
use crate::host::HostError;
use crate::host::cache::CacheDir;
use crate::host::files;
use crate::image::looked_at::LookedAt;
use crate::image::manifest::{self, LayerEntry};

/// The word for the base of the other image.
pub(super) const BASE: &str = "base";

/// An image that a word means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The file.
    pub(super) path: PathBuf,
    /// What it is called when it is shown.
    pub(super) shown: PathBuf,
    /// Whether it is a raw image of the cache, whose name says nothing.
    is_cached: bool,
}

impl Place {
    fn file(path: PathBuf) -> Self {
        Self { shown: path.clone(), path, is_cached: false }
    }

    /// Opens it.
    ///
    /// # Errors
    /// It cannot be read, or is no image of Raspberry Pi OS.
    pub(super) fn open(&self, context: &Context<'_>) -> Result<LookedAt, Failure> {
        if self.is_cached { LookedAt::open_raw(&self.path) } else { open_file(&self.path, context) }
    }
}

/// Opens an image file, with a place to decode what cannot be read as it lies.
pub(super) fn open_file(path: &Path, context: &Context<'_>) -> Result<LookedAt, Failure> {
    let cache = CacheDir::open(&cache_dir(context)?)?;
    LookedAt::open(path, cache.path(), &WatchReporter::new(context.reporter))
}

/// Both images of a comparison.
///
/// # Errors
/// A word means none.
pub(super) fn find_two(a: &str, b: &str, context: &Context<'_>) -> Result<(Place, Place), Failure> {
    match (a == BASE && !Path::new(a).exists(), b == BASE && !Path::new(b).exists()) {
        (true, true) => {
            let message = "`base` is the base of the other image, and there is none";
            Err(Failure::new(Class::Usage, message).hint("`pimg diff base IMAGE`"))
        }
        (true, false) => {
            let b = find(b, None, context)?;
            Ok((base_of(&b, context)?, b))
        }
        (false, true) => {
            let a = find(a, None, context)?;
            Ok((a.clone(), base_of(&a, context)?))
        }
        (false, false) => Ok((find(a, Some(b), context)?, find(b, Some(a), context)?)),
    }
}

/// The image that `word` means. `other` is the word for the other image: in a directory of many hosts it says which.
///
/// # Errors
/// There is none.
pub(super) fn find(word: &str, other: Option<&str>, context: &Context<'_>) -> Result<Place, Failure> {
    let path = Path::new(word);
    if path.is_dir() {
        let host = other.map(|other| host_of(other, context));
        let in_it = [Some(path.to_owned()), host.map(|host| path.join(host))];
        for directory in in_it.into_iter().flatten() {
            if let Some(image) = image_in(&directory)? {
                return Ok(Place::file(image));
            }
        }
    } else if path.exists() {
        return Ok(Place::file(path.to_owned()));
    }
    if is_profile(word, context) {
        let directory = context.in_project("out").join(word);
        return image_in(&directory)?.map(Place::file).ok_or_else(|| {
            Failure::new(Class::Usage, format!("there is no image of `{word}` in `{}`", directory.display()))
                .hint(format!("build it first: `pimg build --profile {word}`"))
        });
    }
    if path.is_dir() {
        let message = format!("there is no image with a `manifest.json` in `{word}`");
        return Err(Failure::new(Class::Usage, message).hint(
            "name the image itself, or a directory that `pimg build --out DIR` wrote, with a host in it",
        ));
    }
    // whoever opens it says that it is not there
    Ok(Place::file(path.to_owned()))
}

fn is_profile(word: &str, context: &Context<'_>) -> bool {
    !word.contains('/') && context.project.join("profiles").join(format!("{word}.toml")).is_file()
}

/// The host that another word is about.
fn host_of(word: &str, context: &Context<'_>) -> String {
    let path = Path::new(word);
    let beside = manifest_beside(path).ok().flatten().map(|manifest| manifest.hostname);
    beside.filter(|host| !host.is_empty() && !is_profile(word, context)).unwrap_or_else(|| {
        path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    })
}

/// The part of a manifest that matters here.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    pimg: String,
    #[serde(default)]
    profile: String,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    version: String,
    base: Base,
    layer: Option<LayerEntry>,
    #[serde(default)]
    lock_sha256: Option<String>,
    image: Image,
    #[serde(default)]
    changes: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Base {
    source: String,
    raw_sha256: String,
}

#[derive(Deserialize)]
struct Image {
    file: String,
}

/// What a manifest says, where there is one that can be read.
fn read_manifest(path: &Path) -> Result<Option<Manifest>, Failure> {
    let bytes = files::read_optional(path, manifest::LONGEST)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// The image that the manifest in a directory names.
fn image_in(directory: &Path) -> Result<Option<PathBuf>, Failure> {
    let named = read_manifest(&directory.join("manifest.json"))?;
    let named = named.map(|manifest| directory.join(manifest.image.file));
    Ok(named.filter(|image| image.is_file()))
}

/// What the manifest of an image says of it.
///
/// # Errors
/// There is one, and it may not be read.
pub(super) fn manifest_beside(image: &Path) -> Result<Option<BuiltFrom>, Failure> {
    let found = read_manifest(&verify::manifest_file(image))?
        .filter(|manifest| image.file_name().is_some_and(|name| name == manifest.image.file.as_str()));
    Ok(found.map(|manifest| BuiltFrom {
        pimg: manifest.pimg,
        profile: manifest.profile,
        hostname: manifest.hostname,
        version: manifest.version,
        base: manifest.base.source,
        base_raw_sha256: manifest.base.raw_sha256,
        layer: manifest.layer,
        lock_sha256: manifest.lock_sha256,
        changes: manifest.changes.len(),
    }))
}

/// The base that an image was built from, as far as it is on this machine.
fn base_of(image: &Place, context: &Context<'_>) -> Result<Place, Failure> {
    let shown = image.shown.display();
    let Some(manifest) = manifest_beside(&image.path)? else {
        let message = format!("nothing says which base `{shown}` was built from: it has no `manifest.json`");
        return Err(Failure::new(Class::Usage, message)
            .hint(format!("name the base: `pimg diff BASE.img.xz {shown}`")));
    };
    if let Some(path) = cached(&manifest.base_raw_sha256, context)? {
        return Ok(Place { path, shown: PathBuf::from(&manifest.base), is_cached: true });
    }
    // a base that lies in the project, or where its profile says
    let mut places = vec![context.project.join(&manifest.base)];
    if let Ok(hosts) = hosts::select(&Selection::Named(vec![manifest.profile.clone()]), context) {
        for host in hosts {
            if let Ok(Source::File(path)) = Source::parse(&host.base.source)
                && path.file_name().is_some_and(|name| name == manifest.base.as_str())
            {
                places.push(context.project.join(path));
            }
        }
    }
    places.into_iter().find(|path| path.is_file()).map(Place::file).ok_or_else(|| {
        let message = format!("the base of `{shown}`, `{}`, is not in the cache", manifest.base);
        Failure::new(Class::Usage, message)
            .hint(format!("name its file: `pimg diff BASE.img.xz {shown}`"))
            .hint("`pimg fetch` brings the base that `pimg.lock` names into the cache")
    })
}

fn cached(raw_sha256: &str, context: &Context<'_>) -> Result<Option<PathBuf>, Failure> {
    let Ok(digest) = raw_sha256.parse() else { return Ok(None) };
    let in_use = CacheDir::open(&cache_dir(context)?)?;
    Ok(Cache::open(in_use.path())?.get(Bucket::Raw, digest)?)
}

fn cache_dir(context: &Context<'_>) -> Result<PathBuf, Failure> {
    Ok(context.environment.cache_dir().ok_or(HostError::NoCacheDir)?)
}
