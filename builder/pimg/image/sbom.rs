//! `sbom.spdx.json`: what an image is made of, for those who look for vulnerable packages (SPDX 2.3, clause numbers
//! below are of that specification).
//!
//! It tells apart what is in the image already and what lies in it as package files until the first boot.

use std::collections::BTreeMap;

use pimg_deb::deb822::{Comments, Stanza, parse};
use pimg_fetch::digest::Sha256Digest;

use super::manifest::BaseEntry;
use super::spdx::{Checksum, Document, Package, Relationship, element_id, purl, supplier, timestamp};
use crate::failure::{Class, Fault};
use crate::lock::{LockedDownload, LockedModule, LockedRepository, LockedSet};

/// Id of the image in the document.
const IMAGE: &str = "SPDXRef-Image";
/// Id of the base image in the document.
const BASE: &str = "SPDXRef-Base";

/// Everything that a bill of materials is made of.
#[derive(Clone, Copy, Debug)]
pub struct SbomInputs<'a> {
    /// File name of the image.
    pub file: &'a str,
    /// Host name.
    pub hostname: &'a str,
    /// Version of the image.
    pub version: &'a str,
    /// SHA-256 of the image file, in lower-case hexadecimal.
    pub sha256: &'a str,
    /// The base image.
    pub base: &'a BaseEntry,
    /// `/var/lib/dpkg/status` of the base.
    pub status: &'a [u8],
    /// What is installed on the first boot.
    pub set: Option<&'a LockedSet>,
    /// Kernel modules that were built ahead and are installed with it.
    pub modules: &'a [LockedModule],
    /// Where that comes from.
    pub repositories: &'a [LockedRepository],
    /// Other files that came into the image.
    pub downloads: &'a [LockedDownload],
    /// The time of the build in seconds since 1970.
    pub epoch: u64,
}

/// The base's list of packages cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("`/var/lib/dpkg/status` of the base image is damaged")]
pub struct SbomError(#[from] pimg_deb::Error);

impl Fault for SbomError {
    fn class(&self) -> Class {
        Class::Base
    }
}

/// The text of the bill of materials. The same inputs give the same bytes.
///
/// # Errors
/// The list of installed packages is damaged.
pub fn sbom(inputs: &SbomInputs<'_>) -> Result<Vec<u8>, SbomError> {
    let mut packages = vec![image(inputs), base(inputs.base)];
    let added: Vec<Package> = inputs.set.map_or_else(Vec::new, |set| added(set, inputs.repositories));
    for stanza in &parse(inputs.status, Comments::Refused)? {
        packages.extend(installed(stanza, inputs.set)?);
    }
    packages.extend(added);
    packages.extend(inputs.modules.iter().map(module));
    packages.extend(inputs.downloads.iter().map(download));
    // the image and its base stay in front
    packages[2..].sort_by(|a, b| a.id.cmp(&b.id));

    let mut relationships = vec![
        Relationship::new("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE),
        Relationship::new(IMAGE, "GENERATED_FROM", BASE),
    ];
    let contained = packages[2..].iter().map(|package| Relationship::new(IMAGE, "CONTAINS", &package.id));
    relationships.extend(contained);
    let name = format!("{}-{}", inputs.hostname, inputs.version);
    let document = Document::new(&name, &namespace(inputs), timestamp(inputs.epoch), packages, relationships);
    Ok(document.to_json())
}

/// Says which document this is: another image or another base is another document (6.5).
fn namespace(inputs: &SbomInputs<'_>) -> String {
    let parts = [env!("CARGO_PKG_VERSION"), inputs.sha256, &inputs.base.sha256];
    Sha256Digest::of(parts.join("\n").as_bytes()).to_string()
}

fn image(inputs: &SbomInputs<'_>) -> Package {
    Package {
        id: IMAGE.to_owned(),
        name: inputs.hostname.to_owned(),
        version: Some(inputs.version.to_owned()),
        file_name: Some(inputs.file.to_owned()),
        checksums: Checksum::sha256(inputs.sha256),
        ..Package::default()
    }
}

fn base(base: &BaseEntry) -> Package {
    Package {
        id: BASE.to_owned(),
        name: base.source.rsplit('/').next().unwrap_or_default().to_owned(),
        download_location: location(&base.source),
        checksums: Checksum::sha256(&base.sha256),
        ..Package::default()
    }
}

/// A package that dpkg says is there. One that only left its configuration files is not.
fn installed(stanza: &Stanza<'_>, set: Option<&LockedSet>) -> Result<Option<Package>, pimg_deb::Error> {
    let (name, version) = (stanza.require("Package")?, stanza.get("Version"));
    let (architecture, status) = (stanza.get("Architecture"), stanza.require("Status")?);
    let state = status.split_ascii_whitespace().last().unwrap_or_default();
    let (Some(version), Some(architecture)) = (version, architecture) else { return Ok(None) };
    if matches!(state, "not-installed" | "config-files") {
        return Ok(None);
    }
    let source = stanza.get("Source").unwrap_or(name);
    Ok(Some(Package {
        id: element_id("Installed", architecture, name),
        name: name.to_owned(),
        version: Some(version.to_owned()),
        supplier: stanza.get("Maintainer").and_then(supplier),
        source_info: Some(format!("built from source package {source}")),
        comment: fate(name, architecture, set),
        references: purl(name, version, architecture),
        ..Package::default()
    }))
}

/// What the first boot does to an installed package.
fn fate(name: &str, architecture: &str, set: Option<&LockedSet>) -> Option<String> {
    let set = set?;
    let qualified = format!("{name}:{architecture}");
    if set.remove.iter().any(|removed| *removed == name || *removed == qualified) {
        return Some("removed on first boot".to_owned());
    }
    let is_foreign = |package: &str| package != architecture && package != "all" && architecture != "all";
    let next = set.package.iter().find(|one| one.name == name && !is_foreign(&one.architecture))?;
    Some(format!("replaced by version {} on first boot", next.version))
}

/// Packages that lie in the image as files until the first boot.
fn added(set: &LockedSet, repositories: &[LockedRepository]) -> Vec<Package> {
    let uris: BTreeMap<&str, &str> =
        repositories.iter().map(|one| (one.name.as_str(), one.uri.as_str())).collect();
    let package = |one: &crate::lock::LockedPackage| Package {
        id: element_id("Added", &one.architecture, &one.name),
        name: one.name.clone(),
        version: Some(one.version.clone()),
        file_name: Some(one.file.rsplit('/').next().unwrap_or_default().to_owned()),
        download_location: uris.get(one.repository.as_str()).map_or_else(no_assertion, |uri| {
            location(&format!("{}/{}", uri.trim_end_matches('/'), one.file))
        }),
        checksums: Checksum::sha256(&one.sha256),
        comment: Some(format!("installed on first boot: {}", one.reason)),
        references: purl(&one.name, &one.version, &one.architecture),
        ..Package::default()
    };
    set.package.iter().map(package).collect()
}

/// The package of a kernel module, which no archive has.
fn module(one: &LockedModule) -> Package {
    Package {
        id: element_id("Added", "arm64", &one.name),
        name: one.name.clone(),
        version: Some(one.version.clone()),
        file_name: Some(one.file.clone()),
        download_location: one.url.as_deref().map_or_else(no_assertion, location),
        checksums: Checksum::sha256(&one.sha256),
        source_info: Some(format!("built from source package zfs-linux {} with {}", one.zfs, one.compiler)),
        comment: Some(format!("installed on first boot: module for the kernel {}", one.kernel)),
        ..Package::default()
    }
}

fn download(download: &LockedDownload) -> Package {
    Package {
        id: element_id("Download", "file", &download.name),
        name: download.name.clone(),
        download_location: location(&download.url),
        checksums: Checksum::sha256(&download.sha256),
        ..Package::default()
    }
}

pub(super) fn no_assertion() -> String {
    "NOASSERTION".to_owned()
}

/// Where something can be had by anybody (7.7): no place on the builder's own machine, and nothing that has a
/// password in it.
fn location(url: &str) -> String {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let authority = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    match authority {
        Some(authority) if !authority.contains('@') => url.to_owned(),
        _ => no_assertion(),
    }
}
