//! The packages of an image: what dpkg says is there, and what lies in the image until the first boot.

use std::collections::BTreeSet;

use pimg_deb::deb822::{Comments, Stanza, parse};

use super::outcome::{PackageState, ShippedPackage};
use crate::failure::{Class, Failure};
use crate::guest::base_files::BaseFiles;
use crate::image::base::BaseImage;
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;

/// The architecture of the images.
const NATIVE: &str = "arm64";
/// dpkg's own list.
const STATUS: &str = "/var/lib/dpkg/status";
/// The index of the repository inside the image.
const EMBEDDED: &str = "/var/lib/pimg/repo/Packages";
/// What the first boot removes: `name` or `name:architecture`, one a line.
const REMOVED: &str = "/var/lib/pimg/packages/remove";

/// What apt installed without being asked for it.
const MARKS: &str = "/var/lib/apt/extended_states";

/// All packages, sorted by name and architecture; what is installed stands before what will be.
pub(super) fn packages(image: &BaseImage) -> Result<Vec<ShippedPackage>, Failure> {
    let mut found = Vec::new();
    each(image, STATUS, |stanza| {
        found.extend(installed(stanza)?);
        Ok(())
    })?;
    let leaving = read(image, REMOVED)?;
    for line in String::from_utf8_lossy(&leaving).lines() {
        for package in found.iter_mut().filter(|package| package.is_called(line.trim())) {
            package.state = PackageState::LeavesOnFirstBoot;
        }
    }
    let mut automatic = BTreeSet::new();
    each(image, MARKS, |stanza| {
        if stanza.get("Auto-Installed").is_some_and(|mark| mark.trim() == "1") {
            automatic
                .insert((stanza.require("Package")?.to_owned(), stanza.require("Architecture")?.to_owned()));
        }
        Ok(())
    })?;
    for package in &mut found {
        // apt marks packages for all architectures under the image's own
        let architecture = if package.architecture == "all" { NATIVE } else { &package.architecture };
        package.automatic = automatic.contains(&(package.name.clone(), architecture.to_owned()));
    }
    each(image, EMBEDDED, |stanza| {
        found.push(package(stanza, PackageState::OnFirstBoot)?);
        Ok(())
    })?;
    found.sort_by(|a, b| a.key().cmp(&b.key()));
    Ok(found)
}

impl ShippedPackage {
    fn is_called(&self, name: &str) -> bool {
        match name.split_once(':') {
            Some((name, architecture)) => self.name == name && self.architecture == architecture,
            None => self.name == name,
        }
    }

    fn key(&self) -> (&str, &str, bool) {
        (&self.name, &self.architecture, self.state == PackageState::OnFirstBoot)
    }
}

fn read(image: &BaseImage, path: &'static str) -> Result<Vec<u8>, Failure> {
    let path = GuestPath::new(path).expect("an absolute path without `..`");
    Ok(image.read(Partition::Root, &path)?.unwrap_or_default())
}

fn each(
    image: &BaseImage,
    path: &'static str,
    mut take: impl FnMut(&Stanza<'_>) -> Result<(), pimg_deb::Error>,
) -> Result<(), Failure> {
    let bytes = read(image, path)?;
    parse(&bytes, Comments::Refused)
        .and_then(|stanzas| stanzas.iter().try_for_each(&mut take))
        .map_err(|error| Failure::caused_by(Class::Base, format!("`{path}` of the image is damaged"), error))
}

fn package(stanza: &Stanza<'_>, state: PackageState) -> Result<ShippedPackage, pimg_deb::Error> {
    let name = stanza.require("Package")?;
    let source = stanza.get("Source").and_then(|source| source.split_ascii_whitespace().next());
    Ok(ShippedPackage {
        name: name.to_owned(),
        version: stanza.require("Version")?.to_owned(),
        architecture: stanza.require("Architecture")?.to_owned(),
        source: source.unwrap_or(name).to_owned(),
        installed_size: stanza.get("Installed-Size").and_then(|size| size.trim().parse().ok()),
        state,
        automatic: false,
    })
}

/// A package of dpkg's list; `None` for a name that it only remembers.
fn installed(stanza: &Stanza<'_>) -> Result<Option<ShippedPackage>, pimg_deb::Error> {
    match state(stanza.require("Status")?) {
        Some(state) => package(stanza, state).map(Some),
        None => Ok(None),
    }
}

/// The three words of `Status` (dpkg(1), "Information about packages").
fn state(status: &str) -> Option<PackageState> {
    let words: Vec<&str> = status.split_ascii_whitespace().collect();
    let (want, flag, state) = match words.as_slice() {
        [want, flag, state] => (*want, *flag, *state),
        _ => return Some(PackageState::Broken(status.to_owned())),
    };
    match (want, flag, state) {
        (_, "ok", "not-installed") => None,
        ("hold", "ok", "installed") => Some(PackageState::Held),
        ("install", "ok", "installed") => Some(PackageState::Installed),
        ("deinstall" | "purge", "ok", "installed") => Some(PackageState::ToBeRemoved),
        (_, "ok", "config-files") => Some(PackageState::ConfigFiles),
        _ => Some(PackageState::Broken(status.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::{PackageState, state};

    #[test]
    fn states_are_told_as_they_are() {
        for (status, expected) in [
            ("install ok installed", Some(PackageState::Installed)),
            ("hold ok installed", Some(PackageState::Held)),
            ("deinstall ok installed", Some(PackageState::ToBeRemoved)),
            ("deinstall ok config-files", Some(PackageState::ConfigFiles)),
            ("unknown ok not-installed", None),
            (
                "install reinstreq half-installed",
                Some(PackageState::Broken("install reinstreq half-installed".into())),
            ),
            ("install ok unpacked", Some(PackageState::Broken("install ok unpacked".into()))),
        ] {
            assert_eq!(state(status), expected, "{status}");
        }
    }
}
