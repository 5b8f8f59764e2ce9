//! That an image for others has no secret in it.

use serde_json::Value;

use super::{failed, passed, skipped};
use crate::command::outcome::Check;
use crate::command::request::Selection;
use crate::command::{Context, hosts};
use crate::failure::{Class, Failure, Fault};
use crate::guest::base_files::BaseFiles;
use crate::guest::seed_bundle::NOTE;
use crate::image::base::BaseImage;
use crate::image::leaks::{self, Leak};
use crate::pipeline::{self, KnownSecrets};
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;

/// How many findings are named.
const NAMED: usize = 20;

/// The secrets of the whole project, as far as this machine has them; none where there is no project, as with whoever
/// gets an image.
///
/// # Errors
/// A profile or a seed is damaged.
pub(crate) fn of_project(context: &Context<'_>) -> Result<KnownSecrets, Failure> {
    if !context.project.join("profiles").is_dir() || hosts::buildable(context)?.is_empty() {
        return Ok(KnownSecrets::default());
    }
    pipeline::known_secrets(&hosts::select(&Selection::All, context)?, context)
}

/// As [`of_project`], asked for when it is needed, and once: a profile may name commands that ask for a finger on a key.
/// Whoever checks an image beside a project that is broken learns of it, and no more.
#[derive(Default)]
pub(super) struct Lazy(Option<KnownSecrets>);

impl Lazy {
    fn get(&mut self, context: &Context<'_>) -> &KnownSecrets {
        self.0.get_or_insert_with(|| {
            of_project(context).unwrap_or_else(|failure| {
                let why = failure.messages().into_iter().next().unwrap_or_default();
                let left_out = vec![format!("anything of the project: {why}")];
                KnownSecrets { left_out, ..KnownSecrets::default() }
            })
        })
    }
}

/// Says whether secrets are in an image that is to have none. `manifest` is what lies beside it.
pub(super) fn check(
    image: &BaseImage,
    manifest: Option<&Value>,
    known: &mut Lazy,
    context: &Context<'_>,
) -> Result<Check, Failure> {
    const NAME: &str = "secrets";
    if !is_release(image, manifest)? {
        let what = "it was built without `--release`: it has the secrets of its host, and is for nobody else";
        return Ok(skipped(NAME, Some("not for publishing"), what.to_owned()));
    }
    let known = known.get(context);
    let found = leaks::find(image, &known.values, context.reporter)?;
    if !found.is_empty() {
        return Ok(failed(NAME, Class::Trust, describe(&found)));
    }
    let mut details = vec![format!("looked for {} known values", known.values.len())];
    details.extend(known.left_out.iter().map(|why| format!("not looked for: {why}")));
    Ok(passed(NAME, details))
}

/// Whether an image says of itself, or its manifest of it, that it is for others.
fn is_release(image: &BaseImage, manifest: Option<&Value>) -> Result<bool, Failure> {
    let path = GuestPath::new(format!("/{NOTE}"))
        .map_err(|error| Failure::caused_by(Class::Internal, "a path of ours", error))?;
    let has_note = image.kind(Partition::Boot, &path)?.is_some();
    Ok(has_note || manifest.is_some_and(|manifest| manifest["build"]["release"] == true))
}

fn describe(found: &[Leak]) -> Vec<String> {
    let mut lines: Vec<String> =
        found.iter().take(NAMED).map(|Leak { place, what }| format!("{place} {what}")).collect();
    if let Some(more) = found.len().checked_sub(NAMED).filter(|more| *more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// Refuses an image that is about to be published and has a secret in it, or its host's.
///
/// # Errors
/// It has, or it was built without `--release`.
pub(crate) fn require_none(
    name: &str,
    image: &BaseImage,
    known: &KnownSecrets,
    context: &Context<'_>,
) -> Result<(), Failure> {
    if !is_release(image, None)? {
        let message = format!("`{name}` was built without `--release`: it has the secrets of its host in it");
        return Err(Failure::new(Class::Trust, message).hint("`pimg build --release` leaves them out"));
    }
    let found = leaks::find(image, &known.values, context.reporter)?;
    if found.is_empty() {
        return Ok(());
    }
    Err(HasSecrets { name: name.to_owned(), found }.into())
}

/// An image that is meant for others has secrets in it.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` has secrets in it")]
struct HasSecrets {
    name: String,
    found: Vec<Leak>,
}

impl Fault for HasSecrets {
    fn class(&self) -> Class {
        Class::Trust
    }

    fn details(&self) -> Option<String> {
        Some(describe(&self.found).iter().map(|line| format!("  {line}\n")).collect())
    }

    fn hints(&self) -> Vec<String> {
        vec!["`pimg plan --profile NAME` tells which overlay brings the file".to_owned()]
    }
}
