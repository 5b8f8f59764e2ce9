//! `pimg diff`
//!
//! Two images, or an image and its base. Nothing that only its owner may read is shown, neither its content nor its
//! length: that it differs is all there is to say.

mod boot;
mod files;
mod identity;
mod names;
mod packages;
mod scope;
mod sections;
mod side;
mod text;
mod units;

use std::io;
use std::path::Path;

use pimg_disk::block::BlockRead as _;

use self::scope::Scope;
use super::Context;
use super::images::{self, BASE};
use super::outcome::{DiffOutcome, FileChange};
use super::request::DiffRequest;
use crate::failure::{Class, Failure};
use crate::image::alike::Alike;
use crate::image::base::BaseImage;
use crate::image::looked_at::LookedAt;
use crate::plan::change::Partition;

/// Compares two images: what they say about themselves, units, packages and every file.
///
/// # Errors
/// One of them cannot be read. That they differ is no error.
pub fn run(request: &DiffRequest, context: &Context<'_>) -> Result<DiffOutcome, Failure> {
    let scope = Scope::new(request.path.as_deref())?;
    let (a, b) = match &request.b {
        Some(b) => (request.a.as_str(), b.as_str()),
        None => (BASE, request.a.as_str()),
    };
    let (a, b) = images::find_two(a, b, context)?;
    let is_one = a.path == b.path;
    let (opened_a, opened_b) = (a.open(context)?, b.open(context)?);
    let alike = match (is_one, scope.is_narrow()) {
        (true, _) => Alike::same(opened_a.image.device().len()),
        // to compare all blocks for the sake of a few files would take longer than to read those
        (false, true) => Alike::default(),
        (false, false) => alike(&opened_a, &opened_b, context)?,
    };
    let mut outcome = compare(&opened_a.image, &opened_b.image, &alike, &scope, context)?;
    outcome.full = request.full;
    (outcome.a, outcome.b) = (a.shown, b.shown);
    Ok(outcome)
}

/// Compares two images that are files.
///
/// # Errors
/// One of them cannot be read.
pub(super) fn of_files(a: &Path, b: &Path, context: &Context<'_>) -> Result<DiffOutcome, Failure> {
    let (opened_a, opened_b) = (images::open_file(a, context)?, images::open_file(b, context)?);
    let mut outcome = compare_opened(&opened_a, &opened_b, context)?;
    (outcome.a, outcome.b) = (a.to_path_buf(), b.to_path_buf());
    Ok(outcome)
}

/// Compares two open images.
///
/// # Errors
/// One of them cannot be read.
fn compare(
    a: &BaseImage,
    b: &BaseImage,
    alike: &Alike,
    scope: &Scope,
    context: &Context<'_>,
) -> Result<DiffOutcome, Failure> {
    let (files, unread) = all_files(a, b, alike, scope, context)?;
    let mut outcome = DiffOutcome { files, unread, ..DiffOutcome::default() };
    if !scope.is_narrow() {
        outcome.identity = identity::compare(a, b)?;
        outcome.units = units::compare(a, b)?;
        outcome.packages = packages::compare(a, b)?;
        outcome.sections = sections::compare(a, b)?;
    }
    Ok(outcome)
}

/// Compares two bases, whichever way they lie on this machine.
///
/// # Errors
/// One of them cannot be read.
pub(super) fn compare_opened(
    a: &LookedAt,
    b: &LookedAt,
    context: &Context<'_>,
) -> Result<DiffOutcome, Failure> {
    compare(&a.image, &b.image, &alike(a, b, context)?, &Scope::new(None)?, context)
}

fn all_files(
    a: &BaseImage,
    b: &BaseImage,
    alike: &Alike,
    scope: &Scope,
    context: &Context<'_>,
) -> Result<(Vec<FileChange>, u64), Failure> {
    let mut found = boot::compare(a, b, scope, context)?;
    let (on_root, unread) = files::compare(a, b, alike, scope, context)?;
    found.extend(on_root);
    found.sort_by(|a, b| {
        (a.partition == Partition::Root, &a.path).cmp(&(b.partition == Partition::Root, &b.path))
    });
    Ok((found, unread))
}

/// The blocks that both have, where finding them is cheaper than reading files: where frames tell. Two raw images would be
/// read as a whole for it, free space included.
fn alike(a: &LookedAt, b: &LookedAt, context: &Context<'_>) -> Result<Alike, Failure> {
    let (Some(a), Some(b)) = (a.frames(), b.frames()) else { return Ok(Alike::default()) };
    let task = context.reporter.begin("comparing blocks", Some(a.len()));
    let mut advance = |bytes| {
        context.reporter.advance(task, bytes);
        !context.reporter.interrupted()
    };
    let alike = Alike::find(a, b, &mut advance).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => Failure::interrupted(),
        io::ErrorKind::InvalidData => Failure::caused_by(Class::Base, "an image is damaged", error),
        _ => Failure::caused_by(Class::Host, "cannot read the images", error),
    })?;
    context.reporter.finish(task, "");
    Ok(alike)
}

/// What two sorted lists have: by name what the first has, what the second has.
fn merge<T>(a: Vec<T>, b: Vec<T>, name: impl Fn(&T) -> &[u8]) -> Vec<(Option<T>, Option<T>)> {
    let mut merged = Vec::new();
    let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return merged,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => name(a).cmp(name(b)),
        };
        merged.push((a.next_if(|_| order.is_le()), b.next_if(|_| order.is_ge())));
    }
}

#[cfg(test)]
mod tests {
    use super::merge;

    #[test]
    fn names_meet() {
        let list = |names: &str| names.bytes().map(|byte| vec![byte]).collect::<Vec<_>>();
        let merged = merge(list("ace"), list("abde"), |name| name);
        let told: String = merged
            .iter()
            .map(|pair| match pair {
                (Some(_), None) => '<',
                (None, Some(_)) => '>',
                _ => '=',
            })
            .collect();
        assert_eq!(told, "=><>=");
    }
}
