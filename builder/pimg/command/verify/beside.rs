//! What lies beside an image, or in a directory of a release: digests, the signature over them, provenance.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pimg_fetch::digest::Sha256Digest;
use pimg_fetch::minisign::{PublicKey, Signature};

use super::{LONGEST_TEXT, failed, passed, skipped};
use crate::command::Context;
use crate::command::outcome::Check;
use crate::failure::{Class, Failure};
use crate::host::files;
use crate::image::sums::{self, Sum};
use crate::image::{provenance, release};
use crate::pipeline::{self, PROJECT_KEY, SigningError};

/// The key that is to have signed.
pub(super) struct Signer {
    pub(super) key: Option<PublicKey>,
    /// Whether it was asked for, so that a missing signature is an error.
    pub(super) is_demanded: bool,
}

impl Signer {
    /// The key that was given, as a file or as the key itself; else the project's.
    ///
    /// # Errors
    /// It is no key.
    pub(super) fn new(given: Option<&str>, context: &Context<'_>) -> Result<Self, Failure> {
        let Some(given) = given else {
            return Ok(Self { key: pipeline::project_key(context)?, is_demanded: false });
        };
        let wrong = |source| Failure::from(SigningError::Key { place: given.to_owned(), source });
        if let Ok(key) = PublicKey::parse(given) {
            return Ok(Self { key: Some(key), is_demanded: true });
        }
        let path = Path::new(given);
        let text = match files::read_optional(path, LONGEST_TEXT)? {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            // neither a key nor a file: the error is about what was typed
            None => String::new(),
        };
        Ok(Self { key: Some(PublicKey::parse(&text).map_err(wrong)?), is_demanded: true })
    }
}

/// Digests of files, each made once.
pub(super) struct Digests<'a> {
    context: &'a Context<'a>,
    known: BTreeMap<PathBuf, Sha256Digest>,
}

impl<'a> Digests<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        Self { context, known: BTreeMap::new() }
    }

    pub(super) fn of(&mut self, path: &Path) -> Result<Sha256Digest, Failure> {
        if let Some(known) = self.known.get(path) {
            return Ok(*known);
        }
        let digest = pipeline::digest_file(path, self.context)?;
        self.known.insert(path.to_path_buf(), digest);
        Ok(digest)
    }
}

/// `SHA256SUMS` of a directory: its text and its lines; `None` where there is none or it cannot be read as one.
pub(super) struct Listing {
    pub(super) text: Vec<u8>,
    pub(super) sums: Vec<Sum>,
}

const SUMS: &str = "checksums";

/// Reads `SHA256SUMS` of a directory. What cannot be used is told in `checks`.
pub(super) fn listing(directory: &Path, checks: &mut Vec<Check>) -> Result<Option<Listing>, Failure> {
    let path = directory.join(sums::FILE);
    let Some(text) = files::read_optional(&path, LONGEST_TEXT)? else {
        checks.push(skipped(SUMS, None, format!("there is no `{}`", path.display())));
        return Ok(None);
    };
    match sums::parse(&String::from_utf8_lossy(&text)) {
        Ok(sums) => Ok(Some(Listing { text, sums })),
        Err(why) => {
            checks.push(failed(SUMS, Class::Trust, vec![format!("`{}`, {why}", path.display())]));
            Ok(None)
        }
    }
}

/// Compares the image and the small files beside it with their list. Of what was not copied along nothing is said; other
/// images are not read.
///
/// An image of an earlier build may lie beside the list of the newest. Where nobody has signed that is no fault; a signed
/// list vouches for what is on it and nothing else.
pub(super) fn sums_of_image(
    image: &Path,
    listing: &Listing,
    signer: &Signer,
    digests: &mut Digests<'_>,
) -> Result<Check, Failure> {
    let (directory, name) = split(image);
    let is_listed = listing.sums.iter().any(|sum| sum.name == name);
    if !is_listed && !is_signed(&directory, signer) {
        return Ok(skipped(SUMS, None, format!("`{}` is about another image", sums::FILE)));
    }
    let mut wrong = Vec::new();
    let mut count = 0;
    for sum in &listing.sums {
        let path = directory.join(&sum.name);
        let is_image = sum.name == name;
        if !is_image && (is_an_image(&sum.name) || !path.is_file()) {
            continue;
        }
        count += 1;
        wrong.extend(differs(sum, &path, digests)?);
    }
    if !is_listed {
        wrong.push(format!("`{}` does not list `{name}`", sums::FILE));
    }
    Ok(verdict(count, wrong))
}

/// Whether somebody vouches for what is on a list, or should.
fn is_signed(directory: &Path, signer: &Signer) -> bool {
    signer.is_demanded || directory.join(sums::SIGNATURE).is_file()
}

/// Compares a directory with its list: nothing may be missing, and nothing be there that nobody vouches for.
pub(super) fn sums_of_directory(
    directory: &Path,
    listing: &Listing,
    digests: &mut Digests<'_>,
) -> Result<Check, Failure> {
    let mut wrong = Vec::new();
    for sum in &listing.sums {
        let path = directory.join(&sum.name);
        if path.is_file() {
            wrong.extend(differs(sum, &path, digests)?);
        } else {
            wrong.push(format!("`{}` is missing", sum.name));
        }
    }
    for name in files::list_files(directory)? {
        let is_listed = listing.sums.iter().any(|sum| sum.name == name);
        if !is_listed && name != sums::FILE && name != sums::SIGNATURE {
            wrong.push(format!("`{name}` is not in `{}`", sums::FILE));
        }
    }
    Ok(verdict(listing.sums.len(), wrong))
}

fn verdict(count: usize, wrong: Vec<String>) -> Check {
    if !wrong.is_empty() {
        return failed(SUMS, Class::Trust, wrong);
    }
    let files = if count == 1 { "1 file is".to_owned() } else { format!("{count} files are") };
    passed(SUMS, vec![format!("{files} as listed")])
}

fn differs(sum: &Sum, path: &Path, digests: &mut Digests<'_>) -> Result<Option<String>, Failure> {
    let got = digests.of(path)?;
    let (name, expected) = (&sum.name, sum.sha256);
    Ok((got != expected).then(|| format!("`{name}`: expected sha256 {expected}, got {got}")))
}

/// Whether a file is an image by its name.
pub(super) fn is_an_image(name: &str) -> bool {
    [".img", ".img.zst", ".img.xz"].iter().any(|end| name.ends_with(end))
}

/// Says whether the list is signed, and by whom.
pub(super) fn signature(
    directory: &Path,
    listing: Option<&Listing>,
    signer: &Signer,
) -> Result<Check, Failure> {
    const NAME: &str = "signature";
    let path = directory.join(sums::SIGNATURE);
    let missing = |what: String| match signer.is_demanded {
        true => failed(NAME, Class::Trust, vec![what]),
        false => skipped(NAME, Some("not signed"), what),
    };
    let Some(listing) = listing else { return Ok(missing(format!("there is no `{}`", sums::FILE))) };
    let Some(text) = files::read_optional(&path, LONGEST_TEXT)? else {
        return Ok(missing(format!("there is no `{}`", path.display())));
    };
    let signature = match Signature::parse(&String::from_utf8_lossy(&text)) {
        Ok(signature) => signature,
        Err(error) => return Ok(failed(NAME, Class::Trust, vec![format!("`{}`: {error}", path.display())])),
    };
    let Some(key) = &signer.key else {
        let note = format!("by key {}, not checked", signature.key_id());
        let hint = format!("there is no `{PROJECT_KEY}` to check it with: `pimg verify --key KEY`");
        return Ok(skipped(NAME, Some(&note), hint));
    };
    Ok(match key.verify(&listing.text, &signature) {
        Ok(()) => Check {
            note: Some(format!("good, key {}", key.id())),
            ..passed(NAME, vec![format!("trusted comment: {}", signature.trusted_comment())])
        },
        Err(error) => failed(NAME, Class::Trust, vec![format!("`{}`: {error}", path.display())]),
    })
}

/// Says whether the provenance beside an image is about it, and the signed envelope about the same.
pub(super) fn provenance(
    image: &Path,
    raw: Sha256Digest,
    digests: &mut Digests<'_>,
    signer: &Signer,
) -> Result<Check, Failure> {
    const NAME: &str = "provenance";
    let (directory, name) = split(image);
    let Some((path, text)) = read_beside(image, provenance::FILE)? else {
        let what = format!("there is no `{}`", directory.join(provenance::FILE).display());
        return Ok(skipped(NAME, None, what));
    };
    let subjects = match provenance::subjects(&text) {
        Ok(subjects) => subjects,
        Err(why) => return Ok(failed(NAME, Class::Trust, vec![format!("`{}`: {why}", path.display())])),
    };
    let mut wrong = Vec::new();
    let digest = digests.of(image)?.to_string();
    let expected = subjects.iter().find(|(subject, _)| *subject == name);
    match expected {
        None if !is_signed(&directory, signer) => {
            return Ok(skipped(NAME, None, format!("`{}` is about another image", path.display())));
        }
        None => wrong.push(format!("`{}` is about other files than `{name}`", path.display())),
        Some((_, expected)) if *expected != digest => {
            wrong.push(format!("`{name}`: expected sha256 {expected}, got {digest}"));
        }
        Some(_) => {}
    }
    let raw = raw.to_string();
    for (subject, expected) in subjects.iter().filter(|(subject, _)| *subject != name) {
        if *expected != raw {
            wrong.push(format!("`{subject}`: expected sha256 {expected}, the raw image has {raw}"));
        }
    }
    if let Some((path, envelope)) = read_beside(image, provenance::ENVELOPE)? {
        wrong.extend(
            envelope_problem(&envelope, &text, signer).map(|why| format!("`{}` {why}", path.display())),
        );
    }
    Ok(if wrong.is_empty() { passed(NAME, Vec::new()) } else { failed(NAME, Class::Trust, wrong) })
}

fn envelope_problem(envelope: &[u8], statement: &[u8], signer: &Signer) -> Option<String> {
    let Some(opened) = provenance::open(envelope) else { return Some("is no DSSE envelope".to_owned()) };
    if opened.payload != statement {
        return Some(format!("has another statement in it than `{}`", provenance::FILE));
    }
    let key = signer.key.as_ref()?;
    let mut signatures = opened.signatures.iter();
    let is_good = signatures.any(|one| key.has_signed_envelope(&opened.payload_type, statement, one));
    (!is_good).then(|| format!("is not signed by key {}", key.id()))
}

/// A file about an image: of its own name in a release, where many images lie together, else of this one.
fn read_beside(image: &Path, file: &str) -> Result<Option<(PathBuf, Vec<u8>)>, Failure> {
    let (directory, name) = split(image);
    for path in [directory.join(release::beside(&name, file)), directory.join(file)] {
        if let Some(bytes) = files::read_optional(&path, LONGEST_TEXT)? {
            return Ok(Some((path, bytes)));
        }
    }
    Ok(None)
}

/// The directory of a file, and its name.
pub(super) fn split(path: &Path) -> (PathBuf, String) {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    (path.parent().unwrap_or(Path::new("")).to_path_buf(), name)
}
