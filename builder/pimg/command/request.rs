//! What each command is asked to do, whoever asks. `cli` makes these from the command line.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use crate::image::format::ImageFormat;
use crate::packages::{Options, Update};

/// Which hosts a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every profile that has a `hostname`.
    All,
    /// These profiles, in this order.
    Named(Vec<String>),
}

/// `pimg build`
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// Which hosts to build.
    pub hosts: Selection,
    /// Where the images go; `None` is `out` in the project.
    pub out: Option<PathBuf>,
    /// How the images are written.
    pub format: ImageFormat,
    /// How many hosts are built at the same time; `None` is what suits the machine.
    pub jobs: Option<NonZero<usize>>,
    /// What they are made from.
    pub ingredients: Ingredients,
}

/// `pimg lock`
#[derive(Clone, Debug)]
pub struct LockRequest {
    /// Which hosts the lock is to fit.
    pub hosts: Selection,
    /// As in [`Ingredients`].
    pub base: Option<String>,
    /// How much of it may change.
    pub update: Update,
    /// As in [`Ingredients`].
    pub packages: Options,
}

/// `pimg fetch`
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// For which hosts.
    pub hosts: Selection,
    /// As in [`Ingredients`].
    pub base: Option<String>,
    /// Whether everything must equal what the lock says.
    pub locked: bool,
    /// A folder to fill with everything that the lock names.
    pub vault: Option<PathBuf>,
    /// As in [`Ingredients`].
    pub packages: Options,
}

/// `pimg bake`
#[derive(Clone, Debug)]
pub struct BakeRequest {
    /// For which hosts; all are those whose profiles say `bake = true`.
    pub hosts: Selection,
    /// As in [`Ingredients`].
    pub base: Option<String>,
    /// Whether everything must equal what the lock says.
    pub locked: bool,
    /// As in [`Ingredients`].
    pub packages: Options,
}

/// `pimg check`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRequest {
    /// Which hosts to check.
    pub hosts: Selection,
    /// As in [`Ingredients`].
    pub ssh_keys: Vec<PathBuf>,
}

/// `pimg plan`
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// The profile of the one host.
    pub profile: String,
    /// As in [`Ingredients`].
    pub base: Option<String>,
    /// As in [`Ingredients`].
    pub bake: Option<bool>,
    /// As in [`Ingredients`].
    pub packages: Options,
    /// As in [`Ingredients`].
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
    /// Whether to tell the packages instead.
    pub packages: bool,
    /// The subjects to tell of; none for all.
    pub sections: Vec<String>,
}

/// `pimg diff`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffRequest {
    /// The image that is compared with: a file, a profile, a directory with built images, or `base`.
    pub a: String,
    /// The image that is looked at, likewise; without it `a` is looked at, and compared with its base.
    pub b: Option<String>,
    /// A pattern of paths: only files that it matches are compared.
    pub path: Option<String>,
    /// Whether every line that differs is shown.
    pub full: bool,
}

/// `pimg bump`
#[derive(Clone, Debug)]
pub struct BumpRequest {
    /// Which hosts it is for.
    pub hosts: Selection,
    /// Whether the base image moves.
    pub base: bool,
    /// Whether packages and downloads move.
    pub packages: bool,
    /// Whether nothing is to be written.
    pub check: bool,
    /// The publisher's list of images, in the format of Raspberry Pi Imager; `None` is Raspberry Pi's own.
    pub os_list: Option<String>,
    /// As in [`Ingredients`].
    pub options: Options,
}

/// `pimg verify`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRequest {
    /// The image: raw, xz, zst, gz or zip; or a directory with `SHA256SUMS` in it.
    pub image: PathBuf,
    /// A public key, or a file with one, that must have signed; the project's own may have.
    pub key: Option<String>,
}

/// `pimg module`
#[derive(Clone, Debug)]
pub enum ModuleRequest {
    /// `pimg module build`
    Build {
        /// For which hosts.
        hosts: Selection,
        /// As in [`Ingredients`].
        base: Option<String>,
        /// Where the packages go; `None` is `out/modules` in the project.
        out: Option<PathBuf>,
        /// The address of the directory where they can be downloaded, for the lock.
        url: Option<String>,
        /// As in [`Ingredients`].
        packages: Options,
    },
}

/// `pimg keys`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysRequest {
    /// Makes what is not there yet.
    Init {
        /// Whether a new key is protected by a password that is asked for.
        password: bool,
    },
    /// Tells the public key.
    Show,
}

/// `pimg layer`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerRequest {
    /// Lists the layers of the cache.
    List,
    /// Writes a layer to a file.
    Export {
        /// Its key or the beginning of it, or a profile.
        layer: String,
        /// The file.
        file: PathBuf,
    },
    /// Takes a layer out of a file.
    Import {
        /// The file.
        file: PathBuf,
    },
    /// Puts layers where others find them.
    Push {
        /// Layers, and at most one place.
        words: Vec<String>,
        /// Whether those of all profiles are meant.
        all: bool,
    },
    /// Gets layers.
    Pull {
        /// Layers, and at most one place.
        words: Vec<String>,
        /// Whether those of all profiles are meant.
        all: bool,
    },
}

/// `pimg verify --rebuild`
#[derive(Clone, Debug)]
pub struct RebuildRequest {
    /// The image, with its manifest beside it.
    pub image: PathBuf,
    /// The profile; `None` is the one that the manifest names.
    pub profile: Option<String>,
    /// As in [`Ingredients`].
    pub base: Option<String>,
    /// As in [`Ingredients`].
    pub packages: Options,
    /// As in [`Ingredients`].
    pub ssh_keys: Vec<PathBuf>,
}

/// `pimg flash`
#[derive(Clone, Debug)]
pub struct FlashRequest {
    /// What to write.
    pub source: FlashSource,
    /// Disks and files to write it to.
    pub cards: Vec<PathBuf>,
    /// Those of them that the operator named a second time, since they are no removable disks.
    pub confirmed: Vec<PathBuf>,
    /// Whether what was written is read back.
    pub verify: bool,
    /// What a profile is built from; an image says itself what is in it.
    pub ingredients: Ingredients,
}

/// What `pimg flash` writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlashSource {
    /// An image file, or a profile where there is no such file.
    Named(PathBuf),
    /// A profile.
    Profile(String),
}

/// What a host is built from, beside its profile.
#[derive(Clone, Debug, Default)]
pub struct Ingredients {
    /// A path or URL that takes the place of the profile's base. A relative path is relative to the
    /// working directory.
    pub base: Option<String>,
    /// Whether everything must equal what the lock says.
    pub locked: bool,
    /// Whether everything secret is left out.
    pub release: bool,
    /// Whether packages are installed when the image is built; `None` is what each profile says.
    pub bake: Option<bool>,
    /// Where packages come from.
    pub packages: Options,
    /// Public key files that take the place of the operator's own keys.
    pub ssh_keys: Vec<PathBuf>,
}

impl Ingredients {
    /// Whether nothing was asked for.
    pub fn is_plain(&self) -> bool {
        let Options { mirrors, keyrings, accepted, vault, offline } = &self.packages;
        let has_options = self.base.is_some() || self.locked || self.release || self.bake.is_some();
        let has_options = has_options || !self.ssh_keys.is_empty();
        let has_sources = !mirrors.is_empty() || !keyrings.is_empty() || !accepted.is_empty();
        !has_options && !has_sources && vault.is_none() && !offline
    }
}

/// `pimg test`
#[derive(Clone, Debug)]
pub struct TestRequest {
    /// What to boot.
    pub subject: TestSubject,
    /// Where built images are; `None` is `out` in the project.
    pub out: Option<PathBuf>,
    /// How often the power of each node is cut.
    pub power_cuts: usize,
    /// The seed of the moments; without one it is drawn.
    pub seed: Option<u64>,
    /// When the nodes have a network.
    pub network: TestNetwork,
    /// Whether they reach what this machine reaches.
    pub internet: bool,
    /// The port on this machine's loopback that leads to the first node's ssh; the next ones lead to the next nodes'.
    pub ssh_port: Option<u16>,
    /// How long the nodes may take together.
    pub timeout: Duration,
    /// Whether the others go on when a node has failed.
    pub keep_going: bool,
    /// Where the result is written as JUnit XML.
    pub junit: Option<PathBuf>,
    /// Where the nodes' logs are written, also if nothing fails. Without it they are written if something does.
    pub logs: Option<PathBuf>,
    /// A script that runs on each finished node as root.
    pub check: Option<PathBuf>,
    /// The machines.
    pub hardware: TestHardware,
}

/// What `pimg test` boots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestSubject {
    /// The newest images of these profiles; with `cluster` those of all members of their clusters.
    Profiles {
        /// Names of profiles.
        names: Vec<String>,
        /// Whether the other members are booted too.
        cluster: bool,
    },
    /// These images.
    Images(Vec<PathBuf>),
}

/// When nodes under test have a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TestNetwork {
    /// Always.
    #[default]
    Always,
    /// Never: all that needs none is to be done, the rest is to wait.
    Never,
    /// Once every node has done all that needs none.
    Late,
}

/// What the machines of `pimg test` are like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestHardware {
    /// Memory of a node in MiB.
    pub memory: u32,
    /// How many NVMe disks a node has.
    pub disks: usize,
    /// Size of the card in bytes, if that is more than the image has.
    pub card_size: u64,
    /// Where cards and disks are kept. What is there goes on being used.
    pub keep: Option<PathBuf>,
    /// Nodes whose kept card is written anew.
    pub reflash: Vec<String>,
    /// A kernel that takes the place of the image's.
    pub kernel: Option<PathBuf>,
    /// An initramfs that takes the place of the image's.
    pub initrd: Option<PathBuf>,
}

/// `pimg publish`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishRequest {
    /// Where the files will be found.
    pub base_url: String,
    /// The directory to make; `None` is `release` below `out`.
    pub to: Option<PathBuf>,
    /// Where built images are; `None` is `out` in the project.
    pub out: Option<PathBuf>,
}

/// `pimg clean`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanRequest {
    /// Whether the cache goes.
    pub cache: bool,
    /// How long what of the cache stays was not used at most; nothing stays without it.
    pub older_than: Option<Duration>,
    /// Whether built images go.
    pub out: bool,
}

/// `pimg secrets`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretsRequest {
    /// Makes what is not there yet.
    Init,
    /// Lets the operator edit the project's secrets.
    Edit,
    /// Tells the names.
    ShowKeys,
}

/// `pimg seed`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedRequest {
    /// The profile of the one host.
    pub profile: String,
    /// A directory where a boot partition is mounted, a boot partition, or a whole card or image.
    pub target: PathBuf,
}

/// `pimg import`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRequest {
    /// The inventory.
    pub inventory: PathBuf,
    /// Whether nothing is written.
    pub check: bool,
}

/// `pimg doctor`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DoctorRequest {
    /// Commands whose needs count as needed.
    pub commands: Vec<String>,
    /// Whether the network is tried.
    pub network: bool,
}

/// `pimg new`: what is `None` is asked for, or as in the example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRequest {
    /// Where the project is made.
    pub directory: PathBuf,
    /// Whether nothing is asked.
    pub yes: bool,
    /// Name of the cluster.
    pub cluster: Option<String>,
    /// `NAME=ADDRESS/PREFIX` of each node.
    pub nodes: Vec<String>,
    /// The nodes' router.
    pub gateway: Option<String>,
    /// Who logs in.
    pub user: Option<String>,
    /// `pxvirt`, `proxmox` or `none`.
    pub pve: Option<String>,
    /// Names of features.
    pub features: Option<Vec<String>>,
}

/// `pimg status`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRequest {
    /// Profiles, or addresses as ssh takes them.
    pub hosts: Vec<String>,
    /// Whether to ask every profile that has a `hostname`.
    pub all: bool,
    /// Whether to ask every member of the clusters of the profiles.
    pub cluster: bool,
    /// Whether to ask again until all are finished or one has failed.
    pub watch: bool,
}

/// `pimg schema`: a kind of file that people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaRequest {
    /// `profiles/NAME.toml`
    Profile,
    /// `overlays/NAME/overlay.toml`
    Overlay,
}
