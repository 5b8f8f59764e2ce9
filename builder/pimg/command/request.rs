//! What each command is asked to do, whoever asks. `cli` makes these from the command line.

use std::path::PathBuf;

use crate::image::format::ImageFormat;

/// Which hosts a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every profile that has a `hostname`.
    All,
    /// These profiles, in this order.
    Named(Vec<String>),
}

/// `pimg build`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildRequest {
    /// Which hosts to build.
    pub hosts: Selection,
    /// A path or URL that takes the place of the profile's base. A relative path is relative to the
    /// working directory.
    pub base: Option<String>,
    /// Where the images go; `None` is `out` in the project.
    pub out: Option<PathBuf>,
    /// How the images are written.
    pub format: ImageFormat,
    /// Whether everything must equal what the lock says.
    pub locked: bool,
    /// Whether the network stays unused.
    pub offline: bool,
    /// Public key files that take the place of the operator's own keys.
    pub ssh_keys: Vec<PathBuf>,
}

/// `pimg check`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRequest {
    /// Which hosts to check.
    pub hosts: Selection,
    /// As in [`BuildRequest`].
    pub ssh_keys: Vec<PathBuf>,
}

/// `pimg plan`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRequest {
    /// The profile of the one host.
    pub profile: String,
    /// As in [`BuildRequest`].
    pub base: Option<String>,
    /// As in [`BuildRequest`].
    pub offline: bool,
    /// As in [`BuildRequest`].
    pub ssh_keys: Vec<PathBuf>,
}

/// `pimg inspect`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectRequest {
    /// The image: raw, xz, zst, gz or zip.
    pub image: PathBuf,
    /// A file to print or a directory to list; without one the image itself is described.
    pub path: Option<String>,
    /// The partition that `path` is on; `None` finds it: `/boot/firmware/…` is the boot partition.
    pub partition: Option<crate::plan::change::Partition>,
    /// Whether to list `path` (the root without one) with all that is below it.
    pub list: bool,
}

/// `pimg verify`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRequest {
    /// The image: raw, xz, zst, gz or zip.
    pub image: PathBuf,
}

/// `pimg clean`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanRequest {
    /// Whether the cache of base images goes.
    pub cache: bool,
    /// Whether built images go.
    pub out: bool,
}
