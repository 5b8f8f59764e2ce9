//! `/var/lib/dpkg/status`: the packages of a system.

use crate::deb822::{Comments, Field, Stanza, parse};
use crate::error::{Error, Result};
use crate::md5sums::Md5;

/// The `Status` field: what is wanted, whether something is wrong, what is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// `install`, `hold`, `deinstall`, `purge` or `unknown`.
    pub want: String,
    /// `ok` or `reinstreq`.
    pub flag: String,
    /// `installed`, `config-files`, `unpacked`, `half-installed` and so on.
    pub state: String,
}

/// The `Multi-Arch` field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum MultiArch {
    /// One architecture at a time; the default.
    #[default]
    No,
    /// Several architectures beside each other.
    Same,
    /// Serves packages of every architecture.
    Foreign,
    /// Serves packages that ask for `:any`.
    Allowed,
}

impl MultiArch {
    pub(crate) const EXPECTED: &'static str = "`no`, `same`, `foreign` or `allowed`";

    pub(crate) fn from_field(value: &str) -> Option<Self> {
        match value {
            "no" => Some(Self::No),
            "same" => Some(Self::Same),
            "foreign" => Some(Self::Foreign),
            "allowed" => Some(Self::Allowed),
            _ => None,
        }
    }
}

/// A configuration file that dpkg looks after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conffile {
    /// Its absolute path.
    pub path: String,
    /// Digest of it as packaged; `None` where dpkg has not installed it yet.
    pub md5: Option<Md5>,
    /// No longer part of the package.
    pub obsolete: bool,
}

/// A package that left at least configuration files on the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, or that of the configuration files it left.
    pub version: String,
    /// Its architecture, `all` among them.
    pub architecture: String,
    /// Name of its source package.
    pub source: String,
    /// How it stands.
    pub status: Status,
    /// With which other architectures it gets along.
    pub multi_arch: MultiArch,
    /// Its estimated size in KiB.
    pub installed_size: Option<u64>,
    /// Its configuration files.
    pub conffiles: Vec<Conffile>,
}

impl Package {
    /// Whether it is installed and configured.
    pub fn is_installed(&self) -> bool {
        self.status.state == "installed"
    }

    /// Beginning of the names of its files in `/var/lib/dpkg/info`, up to the dot.
    ///
    /// The architecture belongs to it where several may be installed (dpkg, `pkg_infodb_get_file`).
    pub fn info_stem(&self) -> String {
        match self.multi_arch {
            MultiArch::Same => format!("{}:{}", self.name, self.architecture),
            MultiArch::No | MultiArch::Foreign | MultiArch::Allowed => self.name.clone(),
        }
    }
}

/// Reads all packages. Those of which dpkg only remembers the name (`not-installed`) are left out.
///
/// # Errors
/// The first thing that dpkg would not write.
pub fn packages(bytes: &[u8]) -> Result<Vec<Package>> {
    let stanzas = parse(bytes, Comments::Refused)?;
    stanzas.iter().filter_map(|stanza| package(stanza).transpose()).collect()
}

fn package(stanza: &Stanza<'_>) -> Result<Option<Package>> {
    let name = stanza.require("Package")?.to_owned();
    let status = status(stanza)?;
    if status.state == "not-installed" {
        return Ok(None);
    }
    // `Source: name (version)` where the source has another version
    let source = stanza.get("Source").and_then(|source| source.split_ascii_whitespace().next());
    Ok(Some(Package {
        version: stanza.require("Version")?.to_owned(),
        architecture: stanza.require("Architecture")?.to_owned(),
        source: source.unwrap_or(&name).to_owned(),
        multi_arch: stanza.field("Multi-Arch").map_or(Ok(MultiArch::No), multi_arch)?,
        installed_size: stanza.field("Installed-Size").map(installed_size).transpose()?,
        conffiles: stanza.field("Conffiles").map_or(Ok(Vec::new()), conffiles)?,
        name,
        status,
    }))
}

fn status(stanza: &Stanza<'_>) -> Result<Status> {
    let text = stanza.require("Status")?;
    let words: Vec<_> = text.split_ascii_whitespace().map(str::to_owned).collect();
    match <[String; 3]>::try_from(words) {
        Ok([want, flag, state]) => Ok(Status { want, flag, state }),
        Err(_) => {
            let line = stanza.field("Status").map_or(stanza.line(), Field::line);
            Err(Error::bad_value(line, "Status", "three words", text))
        }
    }
}

fn multi_arch(field: &Field<'_>) -> Result<MultiArch> {
    let bad = || Error::bad_value(field.line(), "Multi-Arch", MultiArch::EXPECTED, field.value());
    MultiArch::from_field(field.value()).ok_or_else(bad)
}

fn installed_size(field: &Field<'_>) -> Result<u64> {
    let size = field.value().parse();
    size.map_err(|_| Error::bad_value(field.line(), "Installed-Size", "a number of KiB", field.value()))
}

fn conffiles(field: &Field<'_>) -> Result<Vec<Conffile>> {
    let line_numbers = field.line()..;
    let lines = line_numbers.zip(field.lines()).filter(|(_, line)| !line.is_empty());
    lines.map(|(number, line)| conffile(number, line)).collect()
}

/// `PATH MD5 [obsolete] [remove-on-upgrade]`; the path may hold spaces, the digest may be `newconffile`.
fn conffile(number: usize, line: &str) -> Result<Conffile> {
    let mut rest = line.trim_ascii();
    let mut obsolete = false;
    loop {
        let bad = || Error::bad_value(number, "Conffiles", "a path and an MD5 digest", line);
        let (path, last) = rest.rsplit_once(' ').ok_or_else(bad)?;
        match last {
            "obsolete" => obsolete = true,
            "remove-on-upgrade" => {}
            digest if path.starts_with('/') => {
                let md5 = match digest {
                    "newconffile" => None,
                    digest => Some(digest.parse().map_err(|()| bad())?),
                };
                return Ok(Conffile { path: path.to_owned(), md5, obsolete });
            }
            _ => return Err(bad()),
        }
        rest = path;
    }
}

#[cfg(test)]
mod tests;
