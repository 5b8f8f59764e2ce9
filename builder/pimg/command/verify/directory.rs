//! A directory of a release as a whole.

use std::path::Path;

use super::{beside, image_checks, secrets};
use crate::command::Context;
use crate::command::outcome::{Check, VerifyOutcome};
use crate::failure::{Class, Failure};
use crate::host::files;
use crate::image::sums;

/// Checks the list of a directory, its signature, and every image in it.
///
/// # Errors
/// There is no list; an image cannot be opened at all.
pub(super) fn run(
    directory: &Path,
    signer: &beside::Signer,
    context: &Context<'_>,
) -> Result<VerifyOutcome, Failure> {
    let mut checks = Vec::new();
    let mut digests = beside::Digests::new(context);
    let mut known = secrets::Lazy::default();
    let listing = beside::listing(directory, &mut checks)?;
    if listing.is_none() && checks.iter().all(|check| check.verdict.class().is_none()) {
        let message = format!("there is no `{}`", directory.join(sums::FILE).display());
        return Err(Failure::new(Class::Usage, message)
            .hint("name an image, or a directory that `pimg build` or `pimg publish` has made"));
    }
    if let Some(listing) = &listing {
        checks.push(beside::sums_of_directory(directory, listing, &mut digests)?);
    }
    checks.push(beside::signature(directory, listing.as_ref(), signer)?);
    for name in files::list_files(directory)? {
        if beside::is_an_image(&name) {
            let found = image_checks(&directory.join(&name), signer, &mut known, &mut digests, context)?;
            checks.extend(
                found.into_iter().map(|check| Check { name: format!("{name}, {}", check.name), ..check }),
            );
        }
    }
    Ok(VerifyOutcome { image: directory.to_path_buf(), checks })
}
