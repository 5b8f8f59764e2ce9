//! Where packages are looked for: the base's own sources, and those of the overlays.

use std::collections::BTreeSet;

use pimg_deb::sources::{self, Kind, SignedBy, Source};

use super::error::PackagesError;
use super::wishes::apt_files;
use crate::guest::base_files::BaseFiles;
use crate::overlay::{self, AptRequests, AptSource, Uris};
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;

/// Folders of keyrings that apt trusts where a source names none.
const TRUSTED: &str = "trusted.gpg";

/// A place where packages are looked for.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    /// Its name, by which it can be redirected.
    pub name: String,
    /// Where the archives are, as the image itself says it.
    pub uris: Vec<String>,
    /// Suites.
    pub suites: Vec<String>,
    /// Components.
    pub components: Vec<String>,
    /// Architectures; empty for the image's own.
    pub architectures: Vec<String>,
    /// Whose word counts.
    pub key: KeySource,
    /// Whether a Release that says until when it holds is refused after that.
    pub check_valid_until: bool,
}

/// Where the key of a source is.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// In the base image, or inside the base's source: keyrings, and fingerprints if the source names some.
    Base {
        /// What the keyrings are called, for errors.
        origin: String,
        /// Keyring files.
        keyrings: Vec<Vec<u8>>,
        /// Fingerprints that alone count; empty for all in the keyrings.
        fingerprints: Vec<String>,
    },
    /// As an overlay says.
    Overlay(overlay::Keyring),
    /// Nowhere.
    Unknown,
}

/// All sources: those of the base, then those of the overlays.
///
/// # Errors
/// A file of the base cannot be read.
pub(super) fn all(apt: &AptRequests, base: &dyn BaseFiles) -> Result<Vec<SourceSpec>, PackagesError> {
    let mut found = base_sources(base)?;
    let debian = found.iter().find(|source| names_debian(source)).cloned();
    for source in &apt.sources {
        found.push(overlay_source(source, debian.as_ref(), base)?);
    }
    drop_repeated(&mut found);
    Ok(found)
}

fn names_debian(source: &SourceSpec) -> bool {
    source.name == "debian"
}

fn base_sources(base: &dyn BaseFiles) -> Result<Vec<SourceSpec>, PackagesError> {
    let mut found: Vec<SourceSpec> = Vec::new();
    for path in apt_files(base, "sources.list", |name| name.ends_with(".sources") || name.ends_with(".list"))?
    {
        let Some(bytes) = base.read(Partition::Root, &path)? else { continue };
        let parsed = if path.as_str().ends_with(".sources") {
            sources::parse_sources(&bytes)
        } else {
            sources::parse_list(&bytes)
        };
        let damaged = |source| PackagesError::BaseFile { path: path.to_string(), source };
        for source in parsed.map_err(damaged)? {
            if source.enabled && source.types.contains(&Kind::Deb) {
                let taken: Vec<&str> = found.iter().map(|source| source.name.as_str()).collect();
                let name = name_of(&path, &source, &taken);
                found.push(base_source(name, source, base)?);
            }
        }
    }
    Ok(found)
}

/// The file's name without its extension; `-security` behind it for the suite of security updates, which lies on
/// another server; a number where that is not enough.
fn name_of(path: &GuestPath, source: &Source, taken: &[&str]) -> String {
    let file = path.as_str().rsplit('/').next().unwrap_or_default();
    let stem = file.split('.').next().unwrap_or_default();
    let stem = if stem == "sources" { "debian" } else { stem };
    let security = source.suites.iter().all(|suite| suite.contains("-security"));
    let name = if security { format!("{stem}-security") } else { stem.to_owned() };
    let free = |name: &String| !taken.contains(&name.as_str());
    let mut numbered = (2..).map(|number| format!("{name}-{number}"));
    if free(&name) { name } else { numbered.find(free).unwrap_or_default() }
}

fn base_source(name: String, source: Source, base: &dyn BaseFiles) -> Result<SourceSpec, PackagesError> {
    let key = match &source.signed_by {
        Some(SignedBy::Inline(lines)) => KeySource::Base {
            origin: format!("the key in source `{name}` of the base image"),
            keyrings: vec![(lines.join("\n") + "\n").into_bytes()],
            fingerprints: Vec::new(),
        },
        Some(SignedBy::Keys(keys)) => {
            let (paths, fingerprints): (Vec<&String>, Vec<&String>) =
                keys.iter().partition(|key| key.starts_with('/'));
            let paths = paths.into_iter().map(|path| GuestPath::new(path.as_str()));
            let paths = paths.collect::<Result<Vec<_>, _>>().map_err(PackagesError::Path)?;
            // sources.list(5): an exclamation mark says "this very key and none of its subkeys"
            let fingerprints = fingerprints.into_iter().map(|one| one.trim_end_matches('!').to_owned());
            let fingerprints = fingerprints.collect();
            let paths = if paths.is_empty() { trusted(base)? } else { paths };
            keyrings(paths, fingerprints, base)?
        }
        None => keyrings(trusted(base)?, Vec::new(), base)?,
    };
    let no = |words: &[String]| words.first().is_some_and(|word| word == "no");
    let unchecked = source
        .others
        .iter()
        .any(|(option, words)| option.eq_ignore_ascii_case("Check-Valid-Until") && no(words));
    Ok(SourceSpec {
        name,
        uris: source.uris,
        suites: source.suites,
        components: source.components,
        architectures: source.architectures,
        key,
        check_valid_until: !unchecked,
    })
}

/// The keyrings that apt trusts for everything.
fn trusted(base: &dyn BaseFiles) -> Result<Vec<GuestPath>, PackagesError> {
    apt_files(base, TRUSTED, |name| name.ends_with(".gpg") || name.ends_with(".asc"))
}

fn keyrings(
    paths: Vec<GuestPath>,
    fingerprints: Vec<String>,
    base: &dyn BaseFiles,
) -> Result<KeySource, PackagesError> {
    let mut keyrings = Vec::new();
    let mut names = Vec::new();
    for path in paths {
        if let Some(bytes) = base.read(Partition::Root, &path)?.filter(|bytes| !bytes.is_empty()) {
            keyrings.push(bytes);
            names.push(path.to_string());
        }
    }
    if keyrings.is_empty() {
        return Ok(KeySource::Unknown);
    }
    Ok(KeySource::Base { origin: format!("{} of the base image", names.join(", ")), keyrings, fingerprints })
}

fn overlay_source(
    source: &AptSource,
    debian: Option<&SourceSpec>,
    base: &dyn BaseFiles,
) -> Result<SourceSpec, PackagesError> {
    let (uris, base_key) = match (&source.uris, debian) {
        (Uris::List(uris), _) => (uris.clone(), None),
        (Uris::Base, Some(debian)) => (debian.uris.clone(), Some(debian.key.clone())),
        (Uris::Base, None) => (Vec::new(), None),
    };
    let key = match (&source.keyring, base_key) {
        (Some(keyring), _) if keyring.file.is_none() && keyring.url.is_none() => {
            let fingerprints = keyring.fingerprints.clone();
            keyrings(vec![keyring.path.clone()], fingerprints, base)?
        }
        (Some(keyring), _) => KeySource::Overlay(keyring.clone()),
        (None, Some(key)) => key,
        (None, None) => KeySource::Unknown,
    };
    Ok(SourceSpec {
        name: source.name.clone(),
        uris,
        suites: source.suites.clone(),
        components: source.components.clone(),
        architectures: source.architectures.clone(),
        key,
        check_valid_until: true,
    })
}

/// What an overlay repeats of the base is looked for once.
fn drop_repeated(sources: &mut Vec<SourceSpec>) {
    let mut seen = BTreeSet::new();
    for source in &mut *sources {
        let (uris, components) = (&source.uris, &source.components);
        source.suites.retain(|suite| seen.insert((uris.clone(), suite.clone(), components.clone())));
    }
    sources.retain(|source| !source.suites.is_empty() && !source.uris.is_empty());
}
