//! What `pimg diff` found.

use std::path::PathBuf;

use serde::Serialize;

use super::{EntryKind, PackageState};
use crate::plan::change::{Ownership, Partition};

/// `pimg diff`
#[derive(Clone, Debug, Default, Serialize)]
pub struct DiffOutcome {
    /// The image that is compared with.
    pub a: PathBuf,
    /// The image that is looked at.
    pub b: PathBuf,
    /// What the node calls itself.
    pub identity: Vec<FactChange>,
    /// Units that are enabled, disabled or masked, sorted by name.
    pub units: Vec<UnitChange>,
    /// Packages, sorted by name and architecture.
    pub packages: Vec<PackageChange>,
    /// Everything else that the images say about themselves, by subject.
    pub sections: Vec<SectionChange>,
    /// Files, sorted by partition and path.
    pub files: Vec<FileChange>,
    /// Bytes of files that were not read, because both images have them in the same, equal blocks.
    pub unread: u64,
    /// Whether text shows every line that differs.
    #[serde(skip)]
    pub full: bool,
}

/// What differs of one subject, such as `network`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SectionChange {
    /// The subject.
    pub name: &'static str,
    /// What differs.
    pub changes: Vec<FactChange>,
}

/// Something that the node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FactChange {
    /// Its name, such as `hostname`.
    pub name: String,
    /// Its value in `a`.
    pub a: Option<String>,
    /// Its value in `b`.
    pub b: Option<String>,
    /// Whether there is more to it than is shown: then it may differ although both values are the same.
    pub secret: bool,
}

/// A unit that systemd's own links treat differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnitChange {
    /// The unit.
    pub unit: String,
    /// How it stands in `a`, such as `wanted by multi-user.target`; empty where it is not enabled.
    pub a: Vec<String>,
    /// How it stands in `b`.
    pub b: Vec<String>,
    /// Whether `a` has a file of this name.
    pub in_a: bool,
    /// Whether `b` has one.
    pub in_b: bool,
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// How it stands in `a`.
    pub a: Option<PackageSide>,
    /// How it stands in `b`.
    pub b: Option<PackageSide>,
    /// Whether the version that is installed is lower in `b`.
    pub downgrade: bool,
}

/// A package in one of two images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PackageSide {
    /// The version that is installed, and how that stands.
    pub installed: Option<InstalledVersion>,
    /// The version that the first boot installs.
    pub on_first_boot: Option<String>,
}

/// A version that dpkg knows of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstalledVersion {
    /// The version.
    pub version: String,
    /// How it stands.
    pub state: PackageState,
    /// Whether it is there only because others need it (apt's mark).
    pub automatic: bool,
}

/// A file, directory, link or device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// The partition.
    pub partition: Partition,
    /// The path on that partition.
    pub path: String,
    /// What it is in `a`.
    pub a: Option<FileSide>,
    /// What it is in `b`.
    pub b: Option<FileSide>,
    /// What differs where it is on both sides: `kind`, `owner`, `mode`, `attributes`, `content`, `target`, `device`,
    /// `links`.
    pub differs: Vec<&'static str>,
    /// Whether only its owner may know what is in it. Then neither size nor lines are given.
    pub secret: bool,
    /// The lines that differ, in the unified format, where both sides are short texts.
    pub lines: Option<String>,
}

/// A file in one of two images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileSide {
    /// What it is.
    pub kind: EntryKind,
    /// Owner and mode; FAT knows none.
    pub ownership: Option<Ownership>,
    /// Length in bytes of a file that is no secret.
    pub size: Option<u64>,
    /// Text of a symbolic link.
    pub target: Option<String>,
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    /// Extended attributes in words, such as `capability cap_net_raw=ep`.
    pub attributes: Vec<String>,
    /// Other names of the same file.
    pub links: Vec<String>,
}
