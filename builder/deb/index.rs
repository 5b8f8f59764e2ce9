//! `Packages` of a repository, and dpkg's status read the same way: one [`Entry`] a stanza, borrowed from the text.
//!
//! A whole distribution is read at every build, so this goes over the bytes once and keeps only what a solver and
//! a download ask for. [`crate::deb822`] has all fields of smaller files.

mod scan;

use crate::error::{Error, Problem, Result, utf8};
use crate::relation::{is_architecture, is_package_name, is_version_text};
use crate::status::MultiArch;
use scan::{Draft, Scanner, Value};

/// How much a system wants a package (Debian Policy 2.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Priority {
    /// Without it dpkg may not work.
    Required,
    /// Expected on every system.
    Important,
    /// A reasonable system of text terminals.
    Standard,
    /// Everything else.
    Optional,
    /// What was in the way of others, before there was only `optional`.
    Extra,
    /// None of these, or no field.
    #[default]
    Unknown,
}

/// One package of an index or of dpkg's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name.
    pub package: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Its architecture, `all` among them.
    pub architecture: &'a str,
    /// Name of its source package.
    pub source: &'a str,
    /// Version of its source package.
    pub source_version: &'a str,
    /// With which other architectures it gets along.
    pub multi_arch: MultiArch,
    /// `Essential: yes`
    pub essential: bool,
    /// `Protected: yes` or, as apt says, `Important: yes`
    pub protected: bool,
    /// How much a system wants it.
    pub priority: Priority,
    /// Its section, such as `contrib/net`.
    pub section: &'a str,
    /// `Pre-Depends` as written, for [`crate::relation::parse`]; as all of these empty where there is none.
    pub pre_depends: &'a str,
    /// `Depends` as written.
    pub depends: &'a str,
    /// `Recommends` as written.
    pub recommends: &'a str,
    /// `Suggests` as written.
    pub suggests: &'a str,
    /// `Conflicts` as written.
    pub conflicts: &'a str,
    /// `Breaks` as written.
    pub breaks: &'a str,
    /// `Replaces` as written.
    pub replaces: &'a str,
    /// `Provides` as written.
    pub provides: &'a str,
    /// Its estimated size when installed, in KiB; 0 where it is not told.
    pub installed_size: u64,
    /// Where it is, relative to the repository; empty in a status. Never leads out of the repository.
    pub filename: &'a str,
    /// Size of its file in bytes; 0 in a status.
    pub size: u64,
    /// Digest of its file in lower or upper case; empty in a status or where there is none.
    pub sha256: &'a str,
    /// The `Status` field; empty in an index.
    pub status: &'a str,
    /// The whole stanza, without the end of its last line.
    pub stanza: &'a str,
}

/// Reads all packages. Those of which dpkg only remembers the name (`not-installed`) are left out.
///
/// # Errors
/// The first line that is no field or stands twice, or a stanza without name, version or architecture, with ones
/// that may not be parts of a file name, or with a `Filename` that leads elsewhere.
pub fn entries(bytes: &[u8]) -> Result<Vec<Entry<'_>>> {
    let text = utf8(bytes)?;
    let mut scanner = Scanner::new(text);
    // stanzas of Debian take about 1 KiB
    let mut entries = Vec::with_capacity(text.len() >> 10);
    while let Some(draft) = scanner.stanza().map_err(|problem| problem.at(text))? {
        entries.extend(entry(&draft).map_err(|problem| problem.at(text))?);
    }
    Ok(entries)
}

/// A problem and the byte of the text where it is. Lines are only counted once there is one.
#[derive(Debug)]
struct Fault {
    offset: usize,
    problem: Problem,
}

impl Fault {
    fn at(self, text: &str) -> Error {
        let before = text.as_bytes().get(..self.offset).unwrap_or_default();
        let newlines = before.iter().filter(|byte| **byte == b'\n').count();
        Error::new(newlines.saturating_add(1), self.problem)
    }
}

fn entry<'a>(draft: &Draft<'a>) -> Result<Option<Entry<'a>>, Fault> {
    if draft.status.text.ends_with(" not-installed") {
        return Ok(None);
    }
    let missing = |field| Fault { offset: draft.offset, problem: Problem::MissingField { field } };
    let require = |value: Value<'a>, field, allowed: fn(&str) -> bool, expected| match value.text {
        "" => Err(missing(field)),
        text if allowed(text) => Ok(text),
        _ => Err(value.bad(field, expected)),
    };
    let package = require(draft.package, "Package", is_package_name, "letters, digits and `-+._`")?;
    let version = require(draft.version, "Version", is_version_text, "letters, digits and `.+-~:`")?;
    let architecture =
        require(draft.architecture, "Architecture", is_architecture, "letters, digits and `-`")?;
    let (source, source_version) = source(draft.source.text, package, version);
    let yes = |value: Value<'_>| value.text.eq_ignore_ascii_case("yes");
    Ok(Some(Entry {
        package,
        version,
        architecture,
        source,
        source_version,
        multi_arch: multi_arch(draft.multi_arch)?,
        essential: yes(draft.essential),
        protected: yes(draft.protected) || yes(draft.important),
        priority: priority(draft.priority.text),
        section: draft.section.text,
        pre_depends: draft.pre_depends.text,
        depends: draft.depends.text,
        recommends: draft.recommends.text,
        suggests: draft.suggests.text,
        conflicts: draft.conflicts.text,
        breaks: draft.breaks.text,
        replaces: draft.replaces.text,
        provides: draft.provides.text,
        installed_size: number(draft.installed_size, "Installed-Size", "a number of KiB")?,
        filename: filename(draft.filename)?,
        size: number(draft.size, "Size", "a number of bytes")?,
        sha256: sha256(draft.sha256)?,
        status: draft.status.text,
        stanza: draft.stanza,
    }))
}

/// `Source: name (version)`, both of which default to those of the package.
fn source<'a>(text: &'a str, package: &'a str, version: &'a str) -> (&'a str, &'a str) {
    let (name, rest) = text.split_once('(').unwrap_or((text, ""));
    let version_of = rest.split_once(')').map_or("", |(version, _)| version.trim_ascii());
    let or = |text: &'a str, default| if text.is_empty() { default } else { text };
    (or(name.trim_ascii(), package), or(version_of, version))
}

fn multi_arch(value: Value<'_>) -> Result<MultiArch, Fault> {
    match value.text {
        "" => Ok(MultiArch::No),
        text => MultiArch::from_field(text).ok_or_else(|| value.bad("Multi-Arch", MultiArch::EXPECTED)),
    }
}

fn priority(text: &str) -> Priority {
    match text {
        "required" => Priority::Required,
        "important" => Priority::Important,
        "standard" => Priority::Standard,
        "optional" => Priority::Optional,
        "extra" => Priority::Extra,
        _ => Priority::Unknown,
    }
}

fn number(value: Value<'_>, field: &'static str, expected: &'static str) -> Result<u64, Fault> {
    match value.text {
        "" => Ok(0),
        text => text.parse().map_err(|_| value.bad(field, expected)),
    }
}

/// A path below the repository: whoever wrote the index must not choose another place.
fn filename(value: Value<'_>) -> Result<&str, Fault> {
    let leads_out = value.text.starts_with('/') || value.text.split('/').any(|part| part == "..");
    let strange = value.text.bytes().any(|byte| byte.is_ascii_control() || byte == b'\\');
    if leads_out || strange {
        return Err(value.bad("Filename", "a path below the repository"));
    }
    Ok(value.text)
}

fn sha256(value: Value<'_>) -> Result<&str, Fault> {
    let is_digest = value.text.len() == 64 && value.text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest || value.text.is_empty() {
        return Ok(value.text);
    }
    Err(value.bad("SHA256", "64 hexadecimal digits"))
}

#[cfg(test)]
mod tests;
