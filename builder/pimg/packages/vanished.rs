//! Locked packages that their archives do not have any more.
//!
//! Debian's archives keep one version of a package. What the lock names stays on this machine, so it can still be
//! chosen: its control file says what the index said.

use std::collections::{BTreeMap, BTreeSet};

use pimg_deb::repository::packages_stanza;
use pimg_fetch::Bucket;

use super::error::PackagesError;
use super::network::Network;
use super::obtain::control_of;
use super::snapshots::{Index, Suite};
use crate::failure::Failure;
use crate::lock::lockfile::LockedPackage;

/// Indexes of those of these packages that no index has and whose files are in the cache, one per repository.
///
/// # Errors
/// An index or a file is damaged.
pub(super) fn vanished<'s>(
    kept: &[&LockedPackage],
    suites: &'s [Suite],
    indexes: &[Index<'_>],
    network: &Network<'_>,
) -> Result<Vec<Index<'s>>, Failure> {
    let mut missing: BTreeMap<(&str, &str, &str), &LockedPackage> = kept
        .iter()
        .map(|one| ((one.name.as_str(), one.version.as_str(), one.architecture.as_str()), *one))
        .collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    for index in indexes {
        for entry in index.entries()? {
            missing.remove(&(entry.package, entry.version, entry.architecture));
        }
    }
    let mut texts: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for package in missing.into_values() {
        if let Some(stanza) = stanza(package, network)? {
            let text = texts.entry(&package.repository).or_default();
            text.extend_from_slice(stanza.as_bytes());
            text.push(b'\n');
        }
    }
    let names: BTreeSet<&str> = texts.keys().copied().collect();
    let suites = suites.iter().filter(|suite| names.contains(suite.repository.name.as_str()));
    let indexes = suites.map(|suite| Index {
        suite,
        component: suite.repository.components.first().cloned().unwrap_or_default(),
        architecture: "arm64".to_owned(),
        bytes: texts.remove(suite.repository.name.as_str()).unwrap_or_default(),
    });
    Ok(indexes.collect())
}

/// What the index said of a package; `None` where its file is not on this machine.
fn stanza(package: &LockedPackage, network: &Network<'_>) -> Result<Option<String>, Failure> {
    let Ok(digest) = package.sha256.parse() else { return Ok(None) };
    let Some(path) = network.cache().get(Bucket::Blob, digest)? else { return Ok(None) };
    let control = control_of(package, &path)?;
    let stanza = packages_stanza(&control, &package.file, package.size, &package.sha256);
    Ok(Some(
        stanza.map_err(|source| PackagesError::Index { repository: package.repository.clone(), source })?,
    ))
}
