//! What the sources have today: verified indexes, suite by suite.

use pimg_deb::date;
use pimg_deb::index::{self, Entry};
use pimg_deb::policy::Archive;
use pimg_fetch::{Repository, Snapshot};

use super::error::PackagesError;
use super::fetching::FetchingError;
use super::keys::{SourceKey, key_of};
use super::network::Network;
use super::resolve::Task;
use super::sources::SourceSpec;
use crate::command::watch::WatchReporter;
use crate::failure::Failure;
use crate::host::files;
use crate::lock::lockfile::{LockedKeyring, LockedRepository};
use crate::profile::host::Mirror;

/// Longest index that is read, in bytes.
const LONGEST_INDEX: u64 = 1 << 30;

/// The indexes of one suite.
pub(super) struct Suite {
    pub(super) repository: LockedRepository,
    site: String,
    snapshot: Snapshot,
}

/// One index, as it was read.
pub(super) struct Index<'s> {
    pub(super) suite: &'s Suite,
    pub(super) component: String,
    pub(super) architecture: String,
    pub(super) bytes: Vec<u8>,
}

impl Index<'_> {
    /// Its packages.
    ///
    /// # Errors
    /// It is damaged.
    pub(super) fn entries(&self) -> Result<Vec<Entry<'_>>, PackagesError> {
        let repository = || self.suite.repository.name.clone();
        index::entries(&self.bytes)
            .map_err(|source| PackagesError::Index { repository: repository(), source })
    }

    /// What pins see of it.
    pub(super) fn archive(&self) -> Archive {
        let release = &self.suite.snapshot.release;
        Archive {
            name: self.suite.repository.name.clone(),
            site: self.suite.site.clone(),
            origin: release.origin.clone(),
            label: release.label.clone(),
            suite: release.suite.clone(),
            codename: release.codename.clone(),
            version: release.version.clone(),
            component: self.component.clone(),
            architecture: self.architecture.clone(),
            not_automatic: release.not_automatic,
            but_automatic_upgrades: release.but_automatic_upgrades,
            is_status: false,
        }
    }
}

/// Reads all indexes.
///
/// # Errors
/// The cache cannot be read.
pub(super) fn read_indexes(suites: &[Suite]) -> Result<Vec<Index<'_>>, Failure> {
    let mut indexes = Vec::new();
    for suite in suites {
        for file in &suite.snapshot.indexes {
            let bytes = files::read_optional(&file.path, LONGEST_INDEX)?.unwrap_or_default();
            let (component, architecture) = (file.component.clone(), file.architecture.clone());
            indexes.push(Index { suite, component, architecture, bytes });
        }
    }
    Ok(indexes)
}

/// Verifies what every source has, for the image's own architecture and, where a source has them, for `foreign` ones.
///
/// # Errors
/// A source cannot be read or trusted.
pub(super) fn snapshots(
    task: &Task<'_>,
    foreign: &[String],
    network: &Network<'_>,
) -> Result<(Vec<Suite>, Vec<LockedKeyring>), Failure> {
    let mut suites = Vec::new();
    let mut keyrings = Vec::new();
    for source in &task.wishes.sources {
        let mirror = network.mirror(&source.name, task.mirrors);
        let key = key_of(source, mirror, task.lock, network)?;
        for suite in &source.suites {
            let asked = Asked { source, suite, foreign };
            suites.push(snapshot(&asked, mirror, &key, task, network)?);
        }
        keyrings.extend(key.locked);
    }
    keyrings.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((suites, keyrings))
}

/// One suite of a source, and the architectures that are asked for beside the image's own.
struct Asked<'a> {
    source: &'a SourceSpec,
    suite: &'a str,
    foreign: &'a [String],
}

fn snapshot(
    asked: &Asked<'_>,
    mirror: Option<&Mirror>,
    key: &SourceKey,
    task: &Task<'_>,
    network: &Network<'_>,
) -> Result<Suite, Failure> {
    let Asked { source, suite, foreign } = *asked;
    let name = format!("{}/{}", source.name, suite.trim_end_matches('/'));
    let before = task.lock.and_then(|lock| lock.repository.iter().find(|one| one.name == name));
    let uris = mirror.map_or_else(|| source.uris.clone(), |mirror| vec![mirror.url.clone()]);
    let repository = Repository {
        name: name.clone(),
        uris,
        suite: suite.to_owned(),
        components: source.components.clone(),
        architectures: architectures(source),
        foreign: foreign.to_vec(),
        keyring: key.keyring.clone(),
        fingerprints: key.fingerprints.clone(),
        not_before: before.and_then(|before| date::parse_rfc3339(&before.date)),
        check_valid_until: source.check_valid_until,
    };
    let watch = WatchReporter::new(network.context.reporter);
    let snapshot = network.archives(&watch).snapshot(&repository).map_err(FetchingError::from)?;
    let locked = LockedRepository {
        name,
        uri: source.uris.first().cloned().unwrap_or_default(),
        suite: suite.to_owned(),
        components: source.components.clone(),
        date: date::format_rfc3339(snapshot.release.date),
        sha256: snapshot.release_sha256.to_string(),
        signed_by: snapshot.signed_by.to_string(),
    };
    Ok(Suite { repository: locked, site: site_of(&snapshot.uri), snapshot })
}

/// Foreign architectures serve only who names them, and their indexes are as long as the native ones.
fn architectures(source: &SourceSpec) -> Vec<String> {
    let native = "arm64".to_owned();
    if source.architectures.is_empty() || source.architectures.contains(&native) {
        vec![native]
    } else {
        source.architectures.clone()
    }
}

/// The host of an address, as pins by `origin` see it.
fn site_of(uri: &str) -> String {
    let rest = uri.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.split(':').next().unwrap_or_default().to_owned()
}
