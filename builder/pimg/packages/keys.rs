//! Whose word counts for a source: a key of the base, of an overlay, of the lock, or one that is seen for the first
//! time and that somebody has to accept.

use std::path::Path;
use std::sync::Arc;

use pimg_fetch::Wanted;
use pimg_fetch::digest::Sha256Digest;
use pimg_fetch::keyring::{Fingerprint, Keyring};

use super::error::PackagesError;
use super::network::Network;
use super::sources::{KeySource, SourceSpec};
use crate::failure::{Class, Failure};
use crate::host::files;
use crate::lock::lockfile::{LockedKeyring, Lockfile};
use crate::overlay;
use crate::profile::host::Mirror;

/// Longest keyring, in bytes.
const LONGEST_KEYRING: u64 = 1 << 20;

/// The key of a source.
pub(super) struct SourceKey {
    /// The certificates.
    pub(super) keyring: Arc<Keyring>,
    /// Those that alone count; empty for all.
    pub(super) fingerprints: Vec<Fingerprint>,
    /// What the lock keeps of it, where it is not one of the base or of the overlay's own files.
    pub(super) locked: Option<LockedKeyring>,
}

/// Finds the key of a source.
///
/// # Errors
/// There is none, it is not the pinned one, or nobody accepted it yet.
pub(super) fn key_of(
    source: &SourceSpec,
    mirror: Option<&Mirror>,
    lock: Option<&Lockfile>,
    network: &Network<'_>,
) -> Result<SourceKey, Failure> {
    if let Some(path) = network.named_keyring(&source.name, mirror) {
        return named_by_operator(source, &path, network);
    }
    match &source.key {
        KeySource::Base { origin, keyrings, fingerprints } => of_base(origin, keyrings, fingerprints),
        KeySource::Overlay(keyring) => of_overlay(source, keyring, lock, network),
        KeySource::Unknown => Err(PackagesError::NoKey { name: source.name.clone() }.into()),
    }
}

fn of_base(origin: &str, keyrings: &[Vec<u8>], fingerprints: &[String]) -> Result<SourceKey, Failure> {
    let mut parsed = keyrings.iter().map(|bytes| Keyring::parse(origin, bytes));
    let missing = || Failure::new(Class::Internal, format!("{origin}: no keyring"));
    let mut keyring = parsed.next().ok_or_else(missing)??;
    for further in parsed {
        keyring.extend(further?);
    }
    let fingerprints = parse_fingerprints(fingerprints)?;
    Ok(SourceKey { keyring: Arc::new(keyring), fingerprints, locked: None })
}

fn parse_fingerprints(texts: &[String]) -> Result<Vec<Fingerprint>, Failure> {
    let parsed = texts.iter().map(|text| {
        text.parse::<Fingerprint>()
            .map_err(|why| Failure::new(Class::Profile, format!("`{text}` is no fingerprint: {why}")))
    });
    parsed.collect()
}

/// A keyring that the operator names takes the place of the overlay's key and of its pins.
fn named_by_operator(source: &SourceSpec, path: &Path, network: &Network<'_>) -> Result<SourceKey, Failure> {
    let bytes = files::read_optional(path, LONGEST_KEYRING)?.ok_or_else(|| {
        let message = format!("there is no keyring `{}` for source `{}`", path.display(), source.name);
        Failure::new(Class::Usage, message)
    })?;
    let keyring = Keyring::parse(&path.display().to_string(), &bytes)?;
    let digest = Sha256Digest::of(&bytes);
    network.cache().insert(pimg_fetch::Bucket::Blob, digest, bytes.as_slice())?;
    // of the path only the name: a lock says nothing about the machine that wrote it
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let locked = locked(source, name, digest, bytes.len(), &keyring);
    Ok(SourceKey { keyring: Arc::new(keyring), fingerprints: Vec::new(), locked: Some(locked) })
}

fn locked(
    source: &SourceSpec,
    url: String,
    digest: Sha256Digest,
    size: usize,
    keyring: &Keyring,
) -> LockedKeyring {
    let fingerprints = keyring.certificates().iter().map(|one| one.fingerprint().to_string()).collect();
    LockedKeyring {
        name: source.name.clone(),
        url,
        sha256: digest.to_string(),
        fingerprints,
        size: u64::try_from(size).unwrap_or(u64::MAX),
    }
}

fn of_overlay(
    source: &SourceSpec,
    pinned: &overlay::Keyring,
    lock: Option<&Lockfile>,
    network: &Network<'_>,
) -> Result<SourceKey, Failure> {
    let fingerprints = parse_fingerprints(&pinned.fingerprints)?;
    if let Some(file) = &pinned.file {
        let bytes = files::read_optional(file, LONGEST_KEYRING)?.unwrap_or_default();
        let keyring = Keyring::parse(&file.display().to_string(), &bytes)?;
        require_all(&keyring, &fingerprints)?;
        return Ok(SourceKey { keyring: Arc::new(keyring), fingerprints, locked: None });
    }
    let url = pinned.url.clone().unwrap_or_default();
    let before = lock.and_then(|lock| lock.keyring.iter().find(|one| one.name == source.name));
    // a key that was accepted once stays the key, whatever its address serves today
    let known =
        before.filter(|one| one.url == url && pinned.sha256.as_ref().is_none_or(|pin| *pin == one.sha256));
    let (sha256, path) = match (known.map(|one| &one.sha256), &pinned.sha256) {
        (Some(sha256), _) | (None, Some(sha256)) => {
            let sha256: Sha256Digest = sha256.parse().map_err(|error| {
                Failure::caused_by(Class::Lock, format!("the key of source `{}`", source.name), error)
            })?;
            let wanted = Wanted {
                name: format!("key of {}", source.name),
                locations: vec![url.clone()],
                sha256,
                size: None,
            };
            (sha256, network.get_one(wanted)?)
        }
        (None, None) => {
            let (sha256, _, path) = network.first_sight(&url)?;
            (sha256, path)
        }
    };
    let bytes = files::read_optional(&path, LONGEST_KEYRING)?.unwrap_or_default();
    let keyring = Keyring::parse(&url, &bytes)?;
    require_all(&keyring, &fingerprints)?;
    let fingerprints = match known {
        Some(known) => parse_fingerprints(&known.fingerprints)?,
        None if pinned.sha256.is_some() || !fingerprints.is_empty() => fingerprints,
        None => accept(source, &keyring, network)?,
    };
    let mut locked = locked(source, url, sha256, bytes.len(), &keyring);
    if !fingerprints.is_empty() {
        locked.fingerprints = fingerprints.iter().map(ToString::to_string).collect();
    }
    Ok(SourceKey { keyring: Arc::new(keyring), fingerprints, locked: Some(locked) })
}

fn require_all(keyring: &Keyring, fingerprints: &[Fingerprint]) -> Result<(), Failure> {
    for fingerprint in fingerprints {
        keyring.require(fingerprint)?;
    }
    Ok(())
}

/// Nobody vouches for a key that is seen for the first time: a person does, once, and the lock remembers.
fn accept(
    source: &SourceSpec,
    keyring: &Keyring,
    network: &Network<'_>,
) -> Result<Vec<Fingerprint>, Failure> {
    let name = &source.name;
    let shown = |one: &pimg_fetch::keyring::Certificate| {
        let names = one.user_ids().join(", ");
        format!("{} ({})", one.fingerprint(), if names.is_empty() { "no name" } else { &names })
    };
    let certificates = keyring.certificates();
    let shown: Vec<String> = certificates.iter().map(shown).collect();
    let first = certificates.first().map(|one| one.fingerprint().to_string()).unwrap_or_default();
    if let Some(accepted) = network.options.accepted.get(name) {
        if certificates.iter().any(|one| one.fingerprint() == accepted) {
            return Ok(vec![accepted.clone()]);
        }
        let (expected, got) = (accepted.to_string(), shown.join("; "));
        return Err(PackagesError::AnotherKey { name: name.clone(), expected, got }.into());
    }
    let question = format!(
        "The key of source `{name}` is seen for the first time:\n  {}\nIs it the one that its publisher names?",
        shown.join("\n  ")
    );
    if network.context.reporter.confirm(&question) == Some(true) {
        return Ok(certificates.iter().map(|one| one.fingerprint().clone()).collect());
    }
    Err(PackagesError::KeyNotAccepted { name: name.clone(), shown: shown.join("; "), fingerprint: first }
        .into())
}
