//! `pimg verify --rebuild`
//!
//! Builds the image again from the project, as the manifest beside it says, and compares. Of the cache only what is known
//! by its digest is believed: the base, digested once more, packages and downloads. What was derived from them is made
//! again, in a directory that goes when the answer is there: a wrong frame in the cache must not hide itself.

mod difference;
mod inputs;

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use self::difference::{first_difference, place_of};
use super::diff;
use super::outcome::{BuiltImage, ComparedFile, Difference, RebuildOutcome};
use super::request::{Ingredients, RebuildRequest, Selection};
use super::{Context, hosts, inspect, verify};
use crate::failure::{Class, Failure};
use crate::host::cache::CacheDir;
use crate::host::device::FileDevice;
use crate::host::staging::Staging;
use crate::host::{HostError, files, seed};
use crate::image::manifest::{BuildEntry, LayerEntry};
use crate::pipeline::{self, Recipe};

/// Longest manifest, block map and bill of materials, in bytes.
const LONGEST_TEXT: u64 = 256 << 20;

/// Builds an image again and compares. Neither the image nor `out/` nor the lock is touched.
///
/// # Errors
/// The manifest does not say how the image was built, or it cannot be built any more. That it differs is in the outcome.
pub fn run(request: &RebuildRequest, context: &Context<'_>) -> Result<RebuildOutcome, Failure> {
    let text = manifest_text(&request.image)?;
    let claims = Claims::parse(&text)?;
    require_manifest_of(&request.image, &text, context)?;
    let profile = request.profile.clone().unwrap_or(claims.profile);
    let ingredients = Ingredients {
        base: request.base.clone(),
        locked: true,
        release: claims.build.release,
        bake: Some(claims.layer.is_some()),
        packages: request.packages.clone(),
        ssh_keys: request.ssh_keys.clone(),
    };
    let selected = hosts::to_make(&Selection::Named(vec![profile.clone()]), &ingredients, context)?;
    for host in &selected {
        // a build would make a seed that is missing, and with it another node
        seed::load_existing(&context.project, host.seed_name())?;
    }
    let environment = context.environment.with_source_date_epoch(claims.build.source_date_epoch);
    let context =
        &Context { reporter: context.reporter, environment: &environment, project: context.project.clone() };
    let cache = CacheDir::open(&context.environment.cache_dir().ok_or(HostError::NoCacheDir)?)?;
    let work = Staging::new(&cache.path().join("rebuild-v1"))?;
    let derived = work.path().join("derived");
    let recipe = Recipe { hosts: &selected, ingredients: &ingredients, jobs: None, afresh: Some(&derived) };
    let built = pipeline::build(&recipe, &work.path().join("out"), claims.build.format, context)?;
    let built =
        built.first().ok_or_else(|| Failure::new(Class::Internal, "no host became an image".to_owned()))?;
    compare(&request.image, profile, &text, built, context)
}

fn manifest_text(image: &Path) -> Result<Vec<u8>, Failure> {
    let path = verify::manifest_file(image);
    files::read_optional(&path, LONGEST_TEXT)?.ok_or_else(|| {
        let message = format!("there is no `{}`, which says how the image was built", path.display());
        Failure::new(Class::Usage, message).hint("put the `manifest.json` of the image beside it")
    })
}

/// What a manifest says about how its image was built.
#[derive(Deserialize)]
struct Claims {
    profile: String,
    build: BuildEntry,
    layer: Option<LayerEntry>,
}

impl Claims {
    fn parse(text: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(text).map_err(|error| {
            Failure::caused_by(Class::Usage, "`manifest.json` does not say how the image was built", error)
                .hint("an image of an older pimg has to be built once more with this one")
        })
    }
}

/// An image under another name than the manifest has is taken for it if it has the digest that is there.
fn require_manifest_of(image: &Path, text: &[u8], context: &Context<'_>) -> Result<(), Failure> {
    let manifest: Value = serde_json::from_slice(text).unwrap_or_default();
    let entry = &manifest["image"];
    let file = entry["file"].as_str().unwrap_or_default();
    if image.file_name().is_some_and(|name| name == file)
        || entry["sha256"] == verify::sha256_of(image, context)?
    {
        return Ok(());
    }
    let (path, image) = (verify::manifest_file(image), image.display());
    let message = format!("`{}` tells of `{file}`, and not of `{image}`", path.display());
    Err(Failure::new(Class::Usage, message).hint("put the `manifest.json` of the image beside it"))
}

fn compare(
    image: &Path,
    profile: String,
    text: &[u8],
    built: &BuiltImage,
    context: &Context<'_>,
) -> Result<RebuildOutcome, Failure> {
    let manifest = files::read_optional(&built.manifest, LONGEST_TEXT)?.unwrap_or_default();
    let parse = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap_or_default();
    let (was, is) = (parse(text), parse(&manifest));
    let first = first_difference(&FileDevice::open(image)?, &FileDevice::open(&built.image)?, context)?;
    let mut compared = vec![ComparedFile { file: file_name(image), identical: Some(first.is_none()) }];
    for made in [&built.bmap, &built.manifest, &built.sbom] {
        compared.push(compare_beside(image, made)?);
    }
    let difference = first.map(|offset| describe(image, built, offset, context)).transpose()?;
    Ok(RebuildOutcome {
        image: image.to_path_buf(),
        profile,
        files: compared,
        inputs: inputs::changed(&was, &is),
        changes: inputs::changes(&was, &is),
        difference,
    })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Compares a file that was made with the one of its name beside the image.
fn compare_beside(image: &Path, made: &Path) -> Result<ComparedFile, Failure> {
    let file = file_name(made);
    let there = files::read_optional(&image.with_file_name(&file), LONGEST_TEXT)?;
    let made = files::read_optional(made, LONGEST_TEXT)?;
    Ok(ComparedFile { identical: there.map(|there| Some(there) == made), file })
}

/// Where two images that differ begin to differ, and in which files.
fn describe(
    image: &Path,
    built: &BuiltImage,
    offset: u64,
    context: &Context<'_>,
) -> Result<Difference, Failure> {
    let mut difference = Difference { offset, raw_offset: None, place: None, unreadable: None, diff: None };
    let made = inspect::open(&built.image, context)?;
    let given = match inspect::open(image, context) {
        Ok(given) => given,
        Err(failure) if failure.class() == Class::Interrupted => return Err(failure),
        // what cannot be read at all differs all the same
        Err(failure) => {
            difference.unreadable = Some(failure.messages().join(": "));
            return Ok(difference);
        }
    };
    let (a, b) = (given.image.device(), made.image.device());
    difference.raw_offset = first_difference(a.as_ref(), b.as_ref(), context)?;
    difference.place = difference.raw_offset.map(|offset| place_of(&made.image, offset));
    drop((a, b, given, made));
    if difference.raw_offset.is_some() {
        difference.diff = Some(diff::of_files(image, &built.image, context)?);
    }
    Ok(difference)
}
