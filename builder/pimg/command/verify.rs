//! `pimg verify`

use std::path::{Path, PathBuf};

use pimg_disk::ext4;
use serde_json::Value;

mod beside;
mod directory;
pub(crate) mod secrets;

use beside::{Digests, Signer};

use super::outcome::{Check, Verdict, VerifyOutcome};
use super::request::VerifyRequest;
use super::{Context, inspect};
use crate::failure::{Class, Failure, Fault};
use crate::host::files;
use crate::image::base::BaseImage;
use crate::image::manifest_check;
use crate::image::opened::OpenedImage;
use crate::image::release::manifest_beside;
use crate::image::sweep::{SweepError, sweep};
use crate::pipeline;

/// Longest digest file and manifest, in bytes.
const LONGEST_TEXT: u64 = 256 << 20;

/// Checks everything about an image that can be known without building it again, or about all images of a directory.
///
/// # Errors
/// The image cannot be opened at all; what is wrong inside it is in the outcome.
pub fn run(request: &VerifyRequest, context: &Context<'_>) -> Result<VerifyOutcome, Failure> {
    let image = &request.image;
    let signer = Signer::new(request.key.as_deref(), context)?;
    if image.is_dir() {
        return directory::run(image, &signer, context);
    }
    let mut digests = Digests::new(context);
    let mut checks = Vec::new();
    let (directory, _) = beside::split(image);
    let listing = beside::listing(&directory, &mut checks)?;
    if let Some(listing) = &listing {
        checks.push(beside::sums_of_image(image, listing, &signer, &mut digests)?);
    }
    checks.push(beside::signature(&directory, listing.as_ref(), &signer)?);
    checks.extend(image_checks(image, &signer, &mut secrets::Lazy::default(), &mut digests, context)?);
    Ok(VerifyOutcome { image: image.clone(), checks })
}

/// Checks an image by itself, with the files that are about it alone.
fn image_checks(
    image: &Path,
    signer: &Signer,
    known: &mut secrets::Lazy,
    digests: &mut Digests<'_>,
    context: &Context<'_>,
) -> Result<Vec<Check>, Failure> {
    let mut checks = vec![digest(image, digests)?];
    let opened = inspect::open(image, context)?;
    checks.push(provenance(image, &opened, digests, signer)?);
    // opening has read the partition table and checked the boot partition as a whole
    checks.push(passed("boot partition", boot_details(&opened.image)));
    checks.push(root(&opened.image));
    if !checks.iter().any(|check| check.verdict.class().is_some()) {
        context.check_interrupt()?;
        let manifest = files::read_optional(&manifest_file(image), LONGEST_TEXT)?;
        let changed = changes_of_manifest(image, manifest.as_ref(), &opened.image, &mut checks);
        checks.push(packages(&opened.image, &changed, context)?);
        let manifest = manifest.and_then(|text| serde_json::from_slice(&text).ok());
        checks.push(secrets::check(&opened.image, manifest.as_ref(), known, context)?);
    }
    Ok(checks)
}

fn passed(name: &str, details: Vec<String>) -> Check {
    Check { name: name.to_owned(), verdict: Verdict::Passed, note: None, details }
}

fn failed(name: &str, class: Class, details: Vec<String>) -> Check {
    Check { name: name.to_owned(), verdict: Verdict::Failed(class), note: None, details }
}

fn skipped(name: &str, note: Option<&str>, why: String) -> Check {
    let note = note.map(ToOwned::to_owned);
    Check { name: name.to_owned(), verdict: Verdict::Skipped, note, details: vec![why] }
}

/// Compares the file with the digest beside it.
fn digest(image: &Path, digests: &mut Digests<'_>) -> Result<Check, Failure> {
    const NAME: &str = "digest";
    let Some((_, expected)) = expected_digest(image)? else {
        return Ok(skipped(NAME, None, format!("there is no `{}`", digest_file(image).display())));
    };
    let got = digests.of(image)?.to_string();
    Ok(if got == expected {
        passed(NAME, vec![format!("sha256 {got}")])
    } else {
        failed(
            NAME,
            Class::Trust,
            vec![format!("expected sha256 {expected}"), format!("got      sha256 {got}")],
        )
    })
}

/// Compares what the provenance is about with the file and the raw image in it.
fn provenance(
    image: &Path,
    opened: &OpenedImage,
    digests: &mut Digests<'_>,
    signer: &Signer,
) -> Result<Check, Failure> {
    let raw = match opened.raw_digest() {
        Some(raw) => raw,
        None => digests.of(image)?,
    };
    beside::provenance(image, raw, digests, signer)
}

fn digest_file(image: &Path) -> PathBuf {
    let mut beside = image.as_os_str().to_owned();
    beside.push(".sha256");
    PathBuf::from(beside)
}

/// The digest that lies beside an image, and its file.
///
/// # Errors
/// It cannot be read.
pub(super) fn expected_digest(image: &Path) -> Result<Option<(PathBuf, String)>, Failure> {
    let file = digest_file(image);
    let Some(listed) = files::read_optional(&file, LONGEST_TEXT)? else { return Ok(None) };
    let sha256 = String::from_utf8_lossy(&listed).split_whitespace().next().unwrap_or_default().to_owned();
    Ok(Some((file, sha256)))
}

/// The manifest of an image: `manifest.json`, or in a release, where many lie side by side, one of its own name.
pub(super) fn manifest_file(image: &Path) -> PathBuf {
    let own = image.file_name().and_then(|name| name.to_str()).and_then(manifest_beside);
    let own = own.map(|name| image.with_file_name(name)).filter(|own| own.is_file());
    own.unwrap_or_else(|| image.with_file_name("manifest.json"))
}

/// The digest of a file, in lower-case hexadecimal.
///
/// # Errors
/// It cannot be read.
pub(super) fn sha256_of(image: &Path, context: &Context<'_>) -> Result<String, Failure> {
    Ok(pipeline::digest_file(image, context)?.to_string())
}

fn boot_details(image: &BaseImage) -> Vec<String> {
    let volume = image.boot();
    let summary = volume.summary();
    vec![format!("{} files, {} directories", summary.files, summary.directories)]
}

fn root(image: &BaseImage) -> Check {
    const NAME: &str = "root file system";
    match ext4::check(image.root(), &mut |_, _| {}) {
        Ok(summary) => {
            let free = image.root().superblock().byte_of_block(summary.free_blocks) >> 20;
            passed(NAME, vec![format!("{} inodes in use, {free} MiB free", summary.used_inodes)])
        }
        Err(error) => failed(NAME, Class::Base, vec![error.to_string()]),
    }
}

/// Compares the image with the manifest beside it, and returns the paths that it says were changed.
fn changes_of_manifest(
    path: &Path,
    manifest: Option<&Vec<u8>>,
    image: &BaseImage,
    checks: &mut Vec<Check>,
) -> Vec<String> {
    const NAME: &str = "manifest";
    let Some(text) = manifest else {
        let what = format!("there is no `{}`", manifest_file(path).display());
        checks.push(skipped(NAME, None, what));
        return Vec::new();
    };
    let manifest: Value = match serde_json::from_slice(text) {
        Ok(manifest) => manifest,
        Err(error) => {
            checks.push(failed(NAME, Class::Trust, vec![format!("it is not JSON: {error}")]));
            return Vec::new();
        }
    };
    let compared = manifest_check::compare(&manifest, image);
    checks.push(match compared.wrong.is_empty() {
        true => passed(NAME, vec![format!("{} changes are as listed", compared.changed.len())]),
        false => failed(NAME, Class::Trust, compared.wrong),
    });
    compared.changed
}

/// Compares packaged files with dpkg's lists, but for those that the build changed on purpose.
fn packages(image: &BaseImage, changed: &[String], context: &Context<'_>) -> Result<Check, Failure> {
    const NAME: &str = "packaged files";
    match sweep(image, context.reporter) {
        Ok(swept) => Ok(passed(NAME, vec![format!("{} files as dpkg installed them", swept.digests.len())])),
        Err(SweepError::Corrupt(mut found)) => {
            found.retain(|mismatch| !changed.contains(&mismatch.path));
            Ok(if found.is_empty() {
                passed(
                    NAME,
                    vec!["all as dpkg installed them, but for those that the build changed".to_owned()],
                )
            } else {
                let error = SweepError::Corrupt(found);
                let details = error.details().unwrap_or_default();
                let lines = details.lines().map(|line| line.trim().to_owned());
                failed(NAME, Class::Base, std::iter::once(error.to_string()).chain(lines).collect())
            })
        }
        Err(error @ SweepError::Interrupted) => Err(error.into()),
        Err(error) => Ok(failed(NAME, Class::Base, vec![error.to_string()])),
    }
}
