//! The packages that the node installs by itself, from a repository inside the image.
//!
//! What is written: a flat repository with a source that names it; what to do with it, as lists of names. A step of
//! the first boot does it, a script in `packages/` that goes into the image as it is. When it is done it takes the
//! repository away.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use pimg_deb::{deb822, repository};
use sha2::{Digest as _, Sha256};

use super::error::Error;
use super::inputs::Changes;
use super::steps::Step;
use super::units;
use crate::plan::change::{Change, Content, Origin, Ownership};

/// The repository on the node; world-readable, as apt reads it as a user of its own.
const REPOSITORY: &str = "/var/lib/pimg/repo";
/// Lists of what is to be done, one name a line.
pub(super) const LISTS: &str = "/var/lib/pimg/packages";
const SOURCE: &str = "/etc/apt/sources.list.d/pimg-embedded.sources";
/// The name of the step that does it.
pub const STEP: &str = "packages";
/// What the step comes after, where a node has that: the card has to have room first.
pub const AFTER: [&str; 1] = ["grow-root"];
/// Says why the changes are made.
const RULE: &str = "packages of the image";

/// A package whose file is at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, `all` among them.
    pub architecture: String,
    /// Length of the `.deb` in bytes.
    pub size: u64,
    /// SHA-256 of the `.deb`, in lower-case hexadecimal.
    pub sha256: String,
    /// Where the `.deb` is on the operator's machine.
    pub file: PathBuf,
    /// The control file in the `.deb`.
    pub control: String,
}

/// Everything that the node is to do with packages on its first boot.
#[derive(Clone, Debug, Default)]
pub struct PackageSet {
    /// To be installed or brought to this version, dependencies among them; sorted by name and architecture.
    pub install: Vec<LocalPackage>,
    /// To be removed: `name` or `name:architecture`.
    pub remove: Vec<String>,
    /// To be held: `name` or `name:architecture`.
    pub hold: Vec<String>,
    /// What was asked for by name, so that apt knows it as installed by hand; everything else is automatic.
    pub manual: Vec<String>,
    /// Answers to debconf, one `PACKAGE QUESTION TYPE VALUE` each.
    pub preseeds: Vec<String>,
    /// Whether the repository stays on the node.
    pub keep: bool,
}

impl PackageSet {
    /// Whether the node has nothing to do.
    pub fn is_empty(&self) -> bool {
        self.install.is_empty()
            && [&self.remove, &self.hold, &self.manual, &self.preseeds].iter().all(|list| list.is_empty())
    }
}

/// What [`step`] works from, with `epoch` in seconds since 1970 as the time of the repository. None for a set that asks
/// for nothing.
///
/// # Errors
/// A name, version, architecture or answer has a character that it cannot have, a control file is of another
/// package or of several, or a package is there twice.
pub fn changes(set: &PackageSet, epoch: u64) -> Result<Vec<Change>, Error> {
    if set.is_empty() {
        return Ok(Vec::new());
    }
    // answers come from templates, and lists are short
    let (mut shared, mut own) = (Changes::default(), Changes::default());
    // apt takes an empty index for a fault
    if !set.install.is_empty() {
        put_repository(&mut shared, set, epoch)?;
    }
    put_lists(&mut own, set)?;
    put_quiet(&mut shared)?;
    Ok(shared.0.into_iter().map(Change::shared).chain(own.0).collect())
}

fn origin() -> Origin {
    Origin::Rule { rule: RULE }
}

fn put_repository(changes: &mut Changes, set: &PackageSet, epoch: u64) -> Result<(), Error> {
    let mut stanzas = Vec::new();
    let mut seen = BTreeSet::new();
    for package in &set.install {
        check(package)?;
        if !seen.insert((&package.name, &package.architecture)) {
            return Err(refuse(&package.name, "is in the set twice for one architecture"));
        }
        let filename = format!("pool/{}", file_name(package));
        let content = Content::HostFile {
            path: package.file.clone(),
            len: package.size,
            sha256: package.sha256.clone(),
        };
        changes.owned_file(&format!("{REPOSITORY}/{filename}"), Ownership::root(0o644), content, origin())?;
        let stanza = repository::packages_stanza(&package.control, &filename, package.size, &package.sha256);
        stanzas.push(stanza.map_err(|error| refuse_control(&package.name, &error))?);
    }
    let index = repository::packages(&stanzas);
    let files = BTreeMap::from([("Packages".to_owned(), (index.len() as u64, sha256(&index)))]);
    // without `Architectures:` a release, as a source, is for all that dpkg knows: Raspberry Pi OS has armhf, too
    let release = repository::release("embedded", &[], i64::try_from(epoch).unwrap_or(i64::MAX), files);
    changes.file(&format!("{REPOSITORY}/Release"), 0o644, release.to_string(), origin())?;
    changes.file(&format!("{REPOSITORY}/Packages"), 0o644, index, origin())?;
    changes.file(SOURCE, 0o644, include_str!("packages/pimg-embedded.sources"), origin())
}

pub(super) fn put_lists(changes: &mut Changes, set: &PackageSet) -> Result<(), Error> {
    for name in [&set.remove, &set.hold, &set.manual].into_iter().flatten() {
        check_word(name, name, "a package's name")?;
    }
    if let Some(answer) = set.preseeds.iter().find(|answer| answer.contains(['\n', '\r'])) {
        return Err(Error::value("packages", answer, "is more than one line of answers to debconf"));
    }
    let exact =
        |package: &LocalPackage| format!("{}:{}={}", package.name, package.architecture, package.version);
    let install: Vec<_> = set.install.iter().map(exact).collect();
    for (list, names) in
        [("install", &install), ("remove", &set.remove), ("hold", &set.hold), ("manual", &set.manual)]
    {
        let sorted: BTreeSet<_> = names.iter().map(String::as_str).collect();
        changes.file(&format!("{LISTS}/{list}"), 0o644, lines(sorted), origin())?;
    }
    if !set.preseeds.is_empty() {
        let answers = lines(&set.preseeds);
        changes.file(&format!("{LISTS}/answers"), 0o600, answers, origin())?;
    }
    if set.keep {
        changes.file(&format!("{LISTS}/keep"), 0o644, "", origin())?;
    }
    Ok(())
}

/// The step that installs the set, after these steps.
pub fn step(after: Vec<String>) -> Step {
    Step {
        name: STEP.to_owned(),
        description: "Packages of the image".to_owned(),
        after,
        needs_network: false,
        needs_time: false,
        reboot_after: false,
        script: include_str!("packages/step.bash").to_owned(),
        origin: origin(),
    }
}

pub(super) fn put_quiet(changes: &mut Changes) -> Result<(), Error> {
    // they would take apt's lock while the step needs it, and bring versions that the lock does not name
    for service in ["apt-daily", "apt-daily-upgrade"] {
        let quiet = include_str!("packages/quiet.conf");
        let path = format!("{}/{service}.service.d/pimg.conf", units::CONFIGURATION);
        changes.file(&path, 0o644, quiet, origin())?;
    }
    Ok(())
}

/// The name that Debian's own pool gives a package's file: without the epoch, whose colon an address cannot have.
fn file_name(package: &LocalPackage) -> String {
    let LocalPackage { name, version, architecture, .. } = package;
    let version = version.split_once(':').map_or(version.as_str(), |(_, rest)| rest);
    format!("{name}_{version}_{architecture}.deb")
}

pub(super) fn lines(lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    lines.into_iter().fold(String::new(), |text, line| text + line.as_ref() + "\n")
}

fn refuse(package: &str, why: impl Into<String>) -> Error {
    Error::value("packages", package, why)
}

/// Refuses what would be read as something else in a list, an index or a command line.
fn check_word(package: &str, word: &str, what: &str) -> Result<(), Error> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || ".+-~:_".contains(c);
    if word.chars().next().is_some_and(|c| c.is_ascii_alphanumeric()) && word.chars().all(is_allowed) {
        return Ok(());
    }
    Err(refuse(package, format!("cannot be installed: `{word}` is not {what}")))
}

fn check(package: &LocalPackage) -> Result<(), Error> {
    let LocalPackage { name, version, architecture, control, .. } = package;
    check_word(name, name, "a package's name")?;
    check_word(name, version, "a version")?;
    check_word(name, architecture, "an architecture")?;
    let stanzas = deb822::parse(control.as_bytes(), deb822::Comments::Refused);
    let stanzas = stanzas.map_err(|error| refuse_control(name, &error))?;
    let Some(stanza) = stanzas.first() else { return Err(refuse(name, "has an empty control file")) };
    for (field, expected) in [("Package", name), ("Version", version), ("Architecture", architecture)] {
        let found = stanza.get(field).unwrap_or("nothing");
        if found != expected {
            let why =
                format!("has a control file with another `{field}`: expected `{expected}`, got `{found}`");
            return Err(refuse(name, why));
        }
    }
    Ok(())
}

fn refuse_control(package: &str, error: &pimg_deb::error::Error) -> Error {
    refuse(package, format!("has a control file that cannot be used: {error}"))
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut digits, byte| {
        // writing to a string does not fail
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests;
