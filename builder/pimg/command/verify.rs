//! `pimg verify`

use std::path::{Path, PathBuf};

use pimg_disk::block::BlockRead;
use pimg_disk::ext4;
use pimg_fetch::digest::Sha256Digest;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::outcome::{Check, Verdict, VerifyOutcome};
use super::request::VerifyRequest;
use super::{Context, inspect};
use crate::failure::{Class, Failure, Fault};
use crate::host::device::FileDevice;
use crate::host::files;
use crate::image::base::BaseImage;
use crate::image::manifest_check;
use crate::image::release::manifest_beside;
use crate::image::sweep::{SweepError, sweep};

/// Longest digest file and manifest, in bytes.
const LONGEST_TEXT: u64 = 256 << 20;

/// Bytes of a file that are digested at once.
const PIECE: usize = 1 << 20;

/// Checks everything about an image that can be known without building it again.
///
/// # Errors
/// The image cannot be opened at all; what is wrong inside it is in the outcome.
pub fn run(request: &VerifyRequest, context: &Context<'_>) -> Result<VerifyOutcome, Failure> {
    let image = &request.image;
    let mut checks = vec![digest(image, context)?];
    let opened = inspect::open(image, context)?;
    // opening has read the partition table and checked the boot partition as a whole
    checks.push(passed("boot partition", boot_details(&opened.image)));
    checks.push(root(&opened.image));
    if !checks.iter().any(|check| matches!(check.verdict, Verdict::Failed(_))) {
        context.check_interrupt()?;
        let changed = changes_of_manifest(image, &opened.image, &mut checks)?;
        checks.push(packages(&opened.image, &changed, context)?);
    }
    Ok(VerifyOutcome { image: image.clone(), checks })
}

fn passed(name: &str, details: Vec<String>) -> Check {
    Check { name: name.to_owned(), verdict: Verdict::Passed, details }
}

fn failed(name: &str, class: Class, details: Vec<String>) -> Check {
    Check { name: name.to_owned(), verdict: Verdict::Failed(class), details }
}

/// Compares the file with the digest beside it.
fn digest(image: &Path, context: &Context<'_>) -> Result<Check, Failure> {
    const NAME: &str = "digest";
    let Some((_, expected)) = expected_digest(image)? else {
        let details = vec![format!("there is no `{}`", digest_file(image).display())];
        return Ok(Check { name: NAME.to_owned(), verdict: Verdict::Skipped, details });
    };
    let got = sha256_of(image, context)?;
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
    let device = FileDevice::open(image)?;
    let task = context.reporter.begin("digesting the file", Some(device.len()));
    let mut sha256 = Sha256::new();
    let mut buffer = vec![0; PIECE];
    let mut offset = 0;
    while offset < device.len() {
        context.check_interrupt()?;
        let length = usize::try_from(device.len() - offset).map_or(PIECE, |rest| rest.min(PIECE));
        device.read_at(offset, &mut buffer[..length]).map_err(|error| {
            Failure::caused_by(Class::Host, format!("cannot read `{}`", image.display()), error)
        })?;
        sha256.update(&buffer[..length]);
        offset += length as u64;
        context.reporter.advance(task, length as u64);
    }
    context.reporter.finish(task, "");
    Ok(Sha256Digest::from_bytes(sha256.finalize().into()).to_string())
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
    image: &BaseImage,
    checks: &mut Vec<Check>,
) -> Result<Vec<String>, Failure> {
    const NAME: &str = "manifest";
    let manifest_path = manifest_file(path);
    let Some(text) = files::read_optional(&manifest_path, LONGEST_TEXT)? else {
        let details = vec![format!("there is no `{}`", manifest_path.display())];
        checks.push(Check { name: NAME.to_owned(), verdict: Verdict::Skipped, details });
        return Ok(Vec::new());
    };
    let manifest: Value = match serde_json::from_slice(&text) {
        Ok(manifest) => manifest,
        Err(error) => {
            checks.push(failed(NAME, Class::Trust, vec![format!("it is not JSON: {error}")]));
            return Ok(Vec::new());
        }
    };
    let compared = manifest_check::compare(&manifest, image);
    checks.push(match compared.wrong.is_empty() {
        true => passed(NAME, vec![format!("{} changes are as listed", compared.changed.len())]),
        false => failed(NAME, Class::Trust, compared.wrong),
    });
    Ok(compared.changed)
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
