//! What each command found or made: values only. `cli` turns them into text or JSON.
//!
//! The names of the fields are the names in the JSON of `--json`: an interface. A field may be added; one
//! that goes or changes its meaning raises `schema` in `cli::json`.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::failure::Class;
use crate::plan::change::{Ownership, Partition};

mod bake;
mod bump;
mod diff;
mod doctor;
mod flash;
mod import;
mod inspect;
mod keys;
mod layer;
mod lock;
mod module;
mod new_project;
mod packages;
mod publish;
mod rebuild;
mod secrets;
mod status;
mod test;

pub use bake::{BakeOutcome, BakedLayer};
pub use bump::{BaseMove, BumpOutcome};
pub use diff::{
    DiffOutcome, FactChange, FileChange, FileSide, InstalledVersion, PackageChange, PackageSide,
    SectionChange, UnitChange,
};
pub use doctor::{DoctorCheck, DoctorOutcome, DoctorState};
pub use flash::{FlashOutcome, FlashedCard};
pub use import::{ImportOutcome, Row, RowKind, StoredSecret};
pub use inspect::{BuiltFrom, FactSummary, SectionSummary, UnitState};
pub use keys::{KeysMade, KeysOutcome, KeysShown};
pub use layer::{
    LayerFacts, LayerFileMade, LayerListing, LayerOutcome, LayerPushed, LayerTaken, LayersPushed, LayersTaken,
};
pub use lock::{ChangeKind, LockChange, LockOutcome, LockedSetSummary};
pub use module::{BuiltModule, ModuleOutcome};
pub use new_project::NewOutcome;
pub use packages::{PackageListing, PackageState, ShippedPackage};
pub use publish::{PublishOutcome, PublishedImage};
pub use rebuild::{
    ComparedFile, Difference, DifferencePlace, DifferentChange, DifferentInput, RebuildOutcome,
};
pub use secrets::{SecretNames, SecretsEdited, SecretsMade, SecretsOutcome, SeedOutcome};
pub use status::{AskedNode, NodeAnswer, OverallState, Silence, StatusOutcome, StepState, StepStatus};
pub use test::{DonePowerCut, NodeCheck, TestOutcome, TestedNode, TestedStep};

/// `pimg build`
#[derive(Clone, Debug, Serialize)]
pub struct BuildOutcome {
    /// One entry a host, in the order of the build.
    pub images: Vec<BuiltImage>,
    /// What Raspberry Pi Imager opens to show the images below `out`.
    pub imager_manifest: Option<PathBuf>,
}

/// A finished image.
#[derive(Clone, Debug, Serialize)]
pub struct BuiltImage {
    /// Host name.
    pub host: String,
    /// The image file.
    pub image: PathBuf,
    /// The file that holds its digest.
    pub sha256_file: PathBuf,
    /// The map of the blocks that must be written to a card, for `bmaptool`.
    pub bmap: PathBuf,
    /// The manifest.
    pub manifest: PathBuf,
    /// The bill of materials, SPDX 2.3.
    pub sbom: PathBuf,
    /// What the image was made from: an in-toto statement with SLSA provenance v1.
    pub provenance: PathBuf,
    /// `SHA256SUMS` of all files of this build.
    pub sums: PathBuf,
    /// The signature over `SHA256SUMS`, where there was a key.
    pub signature: Option<PathBuf>,
    /// The key that signed, such as `2C85ABA59765E099`.
    pub key_id: Option<String>,
    /// SHA-256 of the image file, in lower-case hexadecimal.
    pub sha256: String,
    /// Size of the image file in bytes.
    pub size: u64,
    /// Size of the image on a card in bytes.
    pub raw_size: u64,
    /// How many changes were made to the base.
    pub changes: usize,
    /// SHA-256 of the raw base image, in lower-case hexadecimal.
    pub base_sha256: String,
    /// Whether every secret was left out, so that `pimg seed` must bring them to each card.
    pub needs_seed: bool,
    /// How long the host took.
    #[serde(rename = "seconds", serialize_with = "in_seconds")]
    pub elapsed: Duration,
}

fn in_seconds<S: Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((elapsed.as_secs_f64() * 1000.0).round() / 1000.0)
}

fn as_object<S: Serializer>(facts: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(facts.iter().map(|(label, value)| (label, value)))
}

/// `pimg fetch`
#[derive(Clone, Debug, Serialize)]
pub struct FetchOutcome {
    /// How many files the lock names for the hosts, base images left out.
    pub files: usize,
    /// Their length together in bytes.
    pub size: u64,
    /// The folder that was filled with them.
    pub vault: Option<PathBuf>,
}

/// `pimg check`: what is said when nothing is wrong. A problem is a failure instead.
#[derive(Clone, Debug, Serialize)]
pub struct CheckOutcome {
    /// One entry a host.
    pub hosts: Vec<CheckedHost>,
    /// What a person should look at although it is no error.
    pub warnings: Vec<String>,
}

/// A host whose profile and overlays are in order.
#[derive(Clone, Debug, Serialize)]
pub struct CheckedHost {
    /// Host name.
    pub host: String,
    /// Its profile.
    pub profile: String,
    /// Its address with the prefix length.
    pub address: String,
    /// Its overlays, in the order in which they apply.
    pub overlays: Vec<String>,
    /// The secret seed that its identity derives from: a file in the project, whether or not it is there yet.
    pub seed: PathBuf,
}

/// `pimg plan`
#[derive(Clone, Debug, Serialize)]
pub struct PlanOutcome {
    /// Host name.
    pub host: String,
    /// Size of the image on a card in bytes, where the plan knows it.
    pub raw_size: Option<u64>,
    /// The layer of installed packages that lies below all changes, where the host has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baked: Option<PlannedLayer>,
    /// All changes, in the order in which they are made.
    pub changes: Vec<PlannedChange>,
}

/// A layer of packages that a build would lay over the base first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedLayer {
    /// What it is made from and for.
    pub key: String,
    /// Whether it is in the cache. Where it is not, a build would make it first, and the changes are those of a base
    /// without it.
    pub is_cached: bool,
}

/// One change that a build would make.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedChange {
    /// The partition.
    pub partition: Partition,
    /// What happens.
    pub action: PlannedAction,
    /// The path on that partition.
    pub path: String,
    /// Owner and mode, where the change sets them.
    pub ownership: Option<Ownership>,
    /// Length in bytes of a file whose content is no secret.
    pub size: Option<u64>,
    /// SHA-256 of a file whose content is no secret, in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// Text of a symbolic link.
    pub target: Option<String>,
    /// Whether the content is a secret.
    pub secret: bool,
    /// Where the change comes from, such as ``profile `k8sctl`, key `network.address` ``.
    pub origin: String,
    /// The image layer that it goes to: what all hosts of a build share, or this host's own.
    pub layer: Layer,
}

/// What happens to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlannedAction {
    /// A file is written.
    PutFile,
    /// A directory is made.
    MakeDir,
    /// A symbolic link is made.
    Symlink,
    /// The path is removed.
    Remove,
    /// Owner and mode are set.
    SetOwnership,
}

/// Where in the stack of block overlays a change lands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Shared by the hosts of one build.
    Golden,
    /// This host's own.
    Host,
}

/// `pimg inspect`
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InspectOutcome {
    /// The image as a whole.
    Image(Box<ImageSummary>),
    /// The entries of a directory.
    Listing(Listing),
    /// One file.
    File(FileContent),
    /// The packages.
    Packages(PackageListing),
}

/// An image as a whole.
#[derive(Clone, Debug, Serialize)]
pub struct ImageSummary {
    /// The file.
    pub image: PathBuf,
    /// Size on a card in bytes.
    pub raw_size: u64,
    /// `mbr` or `gpt`.
    pub partition_table: String,
    /// Disk identifier, such as `0xdeadbeef` or a GUID.
    pub disk_id: String,
    /// Partitions in the order of the table.
    pub partitions: Vec<PartitionSummary>,
    /// What the node will call itself: label and value, such as `hostname` and `k8sctl-pi5l`. In JSON an object.
    #[serde(serialize_with = "as_object")]
    pub identity: Vec<(String, String)>,
    /// What `manifest.json` beside it says, where there is one that is about this image.
    pub manifest: Option<BuiltFrom>,
    /// Units that are enabled, masked or called otherwise.
    pub units: Vec<UnitState>,
    /// Everything else that it says about itself, by subject.
    pub sections: Vec<SectionSummary>,
    /// How many packages there are of each state, such as `installed`.
    pub packages: BTreeMap<String, usize>,
}

/// One partition.
#[derive(Clone, Debug, Serialize)]
pub struct PartitionSummary {
    /// Number in the table, from 1.
    pub number: u32,
    /// First sector of 512 bytes.
    pub start_sector: u64,
    /// Size in bytes.
    pub size: u64,
    /// Type in the table, such as `0x0c`.
    pub kind: String,
    /// File system, such as `vfat` or `ext4`, where there is one that is known.
    pub file_system: Option<String>,
    /// Label of the file system.
    pub label: Option<String>,
    /// UUID or serial number of the file system.
    pub uuid: Option<String>,
    /// Bytes in use on the file system.
    pub used: Option<u64>,
    /// Bytes that are free on the file system.
    pub free: Option<u64>,
    /// Names of the features of the file system.
    pub features: Vec<String>,
}

/// A directory of an image.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    /// The partition.
    pub partition: Partition,
    /// The directory.
    pub path: String,
    /// Its entries, sorted by path.
    pub entries: Vec<ListedEntry>,
}

/// One entry of a listing.
#[derive(Clone, Debug, Serialize)]
pub struct ListedEntry {
    /// Path relative to the listed directory.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Owner and mode; FAT knows none.
    pub ownership: Option<Ownership>,
    /// Length in bytes.
    pub size: u64,
    /// Text of a symbolic link.
    pub target: Option<String>,
}

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// A file of an image. Its bytes go to stdout as they are; `--json` tells about it only.
#[derive(Serialize)]
pub struct FileContent {
    /// The partition.
    pub partition: Partition,
    /// The path on that partition.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
    /// Owner and mode; FAT knows none.
    pub ownership: Option<Ownership>,
    /// Gives the bytes.
    #[serde(skip)]
    pub content: Box<dyn Read + Send>,
}

impl fmt::Debug for FileContent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} {} ({} bytes)", self.partition, self.path, self.size)
    }
}

/// `pimg verify`
#[derive(Clone, Debug, Serialize)]
pub struct VerifyOutcome {
    /// The image, or the directory.
    pub image: PathBuf,
    /// What was looked at, in that order.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What, such as `root file system`.
    pub name: String,
    /// What came out.
    pub verdict: Verdict,
    /// A few words that are always shown, such as `good, key 2C85ABA59765E099`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// More about it, a line each: what was counted, or what is wrong and where.
    pub details: Vec<String>,
}

/// What came out of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is in order.
    Passed,
    /// There was nothing to compare with.
    Skipped,
    /// It is not in order; the class decides the exit code.
    Failed(Class),
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Passed => "passed",
            Self::Skipped => "skipped",
            Self::Failed(_) => "failed",
        })
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Verdict {
    /// The class of what is not in order.
    pub fn class(self) -> Option<Class> {
        match self {
            Self::Failed(class) => Some(class),
            Self::Passed | Self::Skipped => None,
        }
    }
}

impl VerifyOutcome {
    /// The class of the first check that failed.
    pub fn failed(&self) -> Option<Class> {
        self.checks.iter().find_map(|check| check.verdict.class())
    }
}

/// `pimg clean`
#[derive(Clone, Debug, Serialize)]
pub struct CleanOutcome {
    /// What is gone.
    pub removed: Vec<Removed>,
    /// Bytes given back to the host.
    pub freed: u64,
}

/// Something that is gone.
#[derive(Clone, Debug, Serialize)]
pub struct Removed {
    /// Where it was.
    pub path: PathBuf,
    /// What it occupied, in bytes.
    pub size: u64,
}
