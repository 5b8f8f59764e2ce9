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
    /// Files, sorted by partition and path.
    pub files: Vec<FileChange>,
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
    /// What differs where it is on both sides: `kind`, `owner`, `mode`, `attributes`, `content`, `target`, `device`.
    pub differs: Vec<&'static str>,
    /// Whether only its owner may know what is in it. Then no size is given.
    pub secret: bool,
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
}
