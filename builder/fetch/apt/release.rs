//! Release files: whether their signature, date and suite are what the repository promises.

use pimg_deb::release::Release;

use super::refusal::{Hop, Refusal};
use super::{Checks, Repository};
use crate::digest::Sha256Digest;
use crate::error::{Error, Result};
use crate::instant::Instant;
use crate::keyring::{CLOCK_SKEW, Fingerprint};

/// A signed text as it is served. Nothing in it is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signed {
    /// `InRelease`.
    Inline(Vec<u8>),
    /// `Release` and `Release.gpg`.
    Detached { release: Vec<u8>, signature: Vec<u8> },
}

/// A `Release` whose signature holds.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) release: Release,
    pub(super) signed_by: Fingerprint,
    /// Whether packages for all architectures are only in an index of their own.
    pub(super) has_index_of_all: bool,
}

impl Signed {
    /// The digest of the file that holds the signed text.
    pub(super) fn digest(&self) -> Sha256Digest {
        match self {
            Self::Inline(file) | Self::Detached { release: file, .. } => Sha256Digest::of(file),
        }
    }

    /// Checks everything that can be checked without further files.
    pub(super) fn verify(&self, repository: &Repository, checks: Checks, now: u64) -> Result<Verified> {
        let Repository { keyring, fingerprints, .. } = repository;
        let (signature_in, file, verdict) = match self {
            Self::Inline(file) => {
                ("InRelease", "InRelease", keyring.verify_clearsigned(file, fingerprints, now))
            }
            Self::Detached { release, signature } => {
                let signer = keyring.verify_detached(release, signature, fingerprints, now);
                ("Release.gpg", "Release", signer.map(|signer| (release.clone(), signer)))
            }
        };
        let (text, signed_by) =
            verdict.map_err(|problem| repository.refused(Hop::Signature(signature_in), problem.into()))?;
        let refused = |refusal| repository.refused(Hop::Release(file), refusal);
        let release = pimg_deb::release::parse(&text);
        let release = release.map_err(|error| refused(Refusal::Malformed(error.to_string())))?;
        is_asked_for(repository, &release).map_err(refused)?;
        is_of_today(repository, &release, checks, now).map_err(refused)?;
        // Debian's `Packages` of an architecture hold those of `all` too, and say so
        let separate = !text.split(|byte| *byte == b'\n').any(|line| {
            line.trim_ascii_end().eq_ignore_ascii_case(b"No-Support-for-Architecture-all: Packages")
        });
        let has_index_of_all = separate && release.architectures.iter().any(|one| one == "all");
        Ok(Verified { release, signed_by, has_index_of_all })
    }
}

/// One key often signs several suites: a mirror must not answer with another one.
fn is_asked_for(repository: &Repository, release: &Release) -> Result<(), Refusal> {
    let asked = repository.suite.as_str();
    // `bullseye/updates` was of codename `bullseye`
    let first = asked.split_once('/').map_or(asked, |(first, _)| first);
    let names = [release.suite.as_str(), release.codename.as_str()];
    let is_name = |name: &str| !name.is_empty() && names.contains(&name);
    if repository.is_flat() || is_name(asked) || is_name(first) {
        return Ok(());
    }
    let (suite, codename) = (release.suite.clone(), release.codename.clone());
    Err(Refusal::WrongSuite { asked: asked.to_owned(), suite, codename })
}

fn is_of_today(repository: &Repository, release: &Release, checks: Checks, now: u64) -> Result<(), Refusal> {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let skew = i64::try_from(CLOCK_SKEW).unwrap_or(i64::MAX);
    let (date, clock) = (Instant(release.date), Instant(now));
    if release.date > now.saturating_add(skew) {
        return Err(Refusal::FromTheFuture { date, now: clock });
    }
    if checks == Checks::Pinned {
        return Ok(());
    }
    match release.valid_until {
        Some(until) if repository.check_valid_until && until < now => {
            return Err(Refusal::Stale { valid_until: Instant(until), now: clock });
        }
        _ => {}
    }
    match repository.not_before {
        Some(not_before) if release.date < not_before => {
            Err(Refusal::Downgrade { date, not_before: Instant(not_before) })
        }
        _ => Ok(()),
    }
}

impl Repository {
    /// Whether there are no `dists`, but only one directory.
    pub(super) fn is_flat(&self) -> bool {
        self.suite.ends_with('/')
    }

    pub(super) fn refused(&self, hop: Hop, refusal: Refusal) -> Error {
        Error::Refused { repository: self.name.clone(), hop, refusal: Box::new(refusal) }
    }
}
