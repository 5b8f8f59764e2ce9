//! The packages of an image.

use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

/// `pimg inspect --packages`
#[derive(Clone, Debug, Serialize)]
pub struct PackageListing {
    /// The image.
    pub image: PathBuf,
    /// Its packages, sorted by name and architecture.
    pub packages: Vec<ShippedPackage>,
}

/// A package that is installed in an image, or will be by its first boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShippedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, `all` among them.
    pub architecture: String,
    /// Name of its source package.
    pub source: String,
    /// Its estimated size when installed, in KiB.
    pub installed_size: Option<u64>,
    /// How it stands.
    pub state: PackageState,
    /// Whether it is there only because others need it (apt's mark).
    pub automatic: bool,
}

/// How a package stands. In JSON the words that a person reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackageState {
    /// Installed.
    Installed,
    /// Installed and held at its version.
    Held,
    /// Installed, and somebody asked dpkg to remove it.
    ToBeRemoved,
    /// Removed; its configuration files stayed.
    ConfigFiles,
    /// Installed by the first boot, from the image.
    OnFirstBoot,
    /// Installed, and removed by the first boot.
    LeavesOnFirstBoot,
    /// Anything that dpkg does not leave behind when all went well: its own three words.
    Broken(String),
}

impl fmt::Display for PackageState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed => out.write_str("installed"),
            Self::Held => out.write_str("held"),
            Self::ToBeRemoved => out.write_str("to be removed"),
            Self::ConfigFiles => out.write_str("only configuration left"),
            Self::OnFirstBoot => out.write_str("on first boot"),
            Self::LeavesOnFirstBoot => out.write_str("until first boot"),
            Self::Broken(status) => write!(out, "broken: {status}"),
        }
    }
}

impl Serialize for PackageState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
