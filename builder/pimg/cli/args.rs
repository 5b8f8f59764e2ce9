//! The command line: types and help texts only. What they mean is decided in `dispatch`.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::bake_args::{BakeArgs, BakeFlags};
use super::bump_args::BumpArgs;
use super::doctor_args::DoctorArgs;
use super::duration::duration;
use super::flash_args::FlashArgs;
use super::import_args::ImportArgs;
use super::inspect_args::{DiffArgs, InspectArgs};
use super::keys_args::KeysArgs;
use super::layer_args::LayerArgs;
use super::module_args::ModuleArgs;
use super::new_args::NewArgs;
use super::package_args::{LockedArgs, PackageArgs};
use super::publish_args::PublishArgs;
use super::rebuild_args::RebuildArgs;
use super::schema_args::SchemaArgs;
use super::secret_args::{SecretsArgs, SeedArgs};
use super::status_args::StatusArgs;
use super::test_args::TestArgs;

/// Heading of the options that every command takes.
const GLOBAL: &str = "Global options";

/// Make finished, flashable Raspberry Pi images, one per node
///
/// pimg turns a stock Raspberry Pi OS Lite image into one image per host: offline, without root, mounts,
/// loop devices or containers. Profiles say what a host is to be, overlays what a feature needs.
#[derive(Debug, Parser)]
#[command(
    name = "pimg",
    version,
    propagate_version = false,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Example:\n  pimg build --profile k8sctl-pi5l"
)]
pub struct Cli {
    /// What applies to every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Debug)]
pub struct Global {
    /// Use the project in DIR: its profiles, overlays, lock and secrets
    #[arg(long, global = true, value_name = "DIR", default_value = ".", help_heading = GLOBAL)]
    pub project: PathBuf,

    /// Print the result as one JSON object
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub json: bool,

    /// Print nothing but errors and the result
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    pub quiet: bool,

    /// Print more about the result: digests, owners, features
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub verbose: bool,

    /// Choose how progress is shown on stderr
    #[arg(long, global = true, value_name = "HOW", value_enum, default_value_t, help_heading = GLOBAL)]
    pub progress: ProgressArg,

    /// Choose when to use colours; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t, help_heading = GLOBAL)]
    pub color: ColorArg,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressArg {
    /// Bars on a terminal, plain lines elsewhere
    #[default]
    Auto,
    /// A line now and then
    Plain,
    /// One JSON object a line
    Json,
    /// Nothing
    None,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build images into out/
    #[command(after_help = "Example:\n  pimg build --profile k8sctl-pi5l --format xz\n\n\
        Environment:\n  SOURCE_DATE_EPOCH  The time of everything that is written, in seconds since 1970\n                     \
        [default: when the base was last written]")]
    Build(BuildArgs),

    /// Install the locked packages into layers that images begin with
    ///
    /// A layer is made once for all hosts that have the same base, packages and settings, and `pimg build` does it by itself
    /// where a profile says `bake = true`. The node then finds its packages installed. Needs Linux; root is not needed.
    #[command(after_help = "Example:\n  pimg bake k8sctl-pi5l")]
    Bake(BakeArgs),

    /// Check profiles, overlays and templates, without network
    #[command(after_help = "Example:\n  pimg check --profile k8sctl-pi5l")]
    Check(CheckArgs),

    /// Resolve and pin the base image, every package and every download in pimg.lock
    #[command(after_help = "Example:\n  pimg lock --all --update packages")]
    Lock(LockArgs),

    /// Download all that pimg.lock names into the cache
    #[command(after_help = "Example:\n  pimg fetch --all --vault /mnt/backup/k8sctl")]
    Fetch(FetchArgs),

    /// Build kernel modules ahead, so that no node compiles them
    #[command(after_help = "Example:\n  pimg module build k8sctl-pi5l --url https://example.org/modules/")]
    Module(ModuleArgs),

    /// Show every change that a build would make, and where it comes from
    #[command(after_help = "Example:\n  pimg plan --profile k8sctl-pi5l")]
    Plan(PlanArgs),

    /// Show what is in an image: all that it says about itself, or a file in it
    ///
    /// Secrets are not shown: of a file that only its owner may read, of a password, of a key, it is said that it is there.
    /// PATH prints the file as it is, whatever is in it.
    #[command(after_help = "Example:\n  pimg inspect out/k8sctl-pi5l/k8sctl-pi5l-1.img.zst /etc/hostname")]
    Inspect(InspectArgs),

    /// Show in what two images differ: settings, units, packages, files
    ///
    /// With one argument, that image and its base. The exit code is 0 whether or not they differ. Times are not compared. Of
    /// a file that only its owner may read, of a password and of a key nothing is shown but that it differs.
    #[command(after_help = "Example:\n  pimg diff out/k8sctl-pi5l/k8sctl-pi5l-1.img.zst k8sctl-pi5l")]
    Diff(DiffArgs),

    /// Move base image and locked packages to the newest, and show what changes
    ///
    /// The newest base is what the publisher's list of images names over https, as far as its digest matches what is
    /// downloaded; nobody signs it. The profile that names the base and pimg.lock are both written or neither. What is older
    /// than what is locked is refused.
    #[command(after_help = "Example:\n  pimg bump --check")]
    Bump(BumpArgs),

    /// Check an image, and the digests, signature and provenance beside it
    ///
    /// Of an image: its digest, `SHA256SUMS` and the signature over that, the provenance, both file systems, the manifest
    /// and every packaged file; of one that was built with --release also that no secret is in it. Of a directory: all
    /// that, for every file in it. The exit code is 5 where something is not what was signed or not what it should be.
    ///
    /// With --rebuild, build it again and compare instead.
    #[command(after_help = "Example:\n  pimg verify out/k8sctl-pi5l/k8sctl-pi5l-1.img.zst")]
    Verify(VerifyArgs),

    /// Write an image, or what a profile becomes, to cards, and read it back
    ///
    /// Only what the image needs is written: not the free space of its file systems. The partition table comes last,
    /// when all else was read back and found right, so that a card that failed or was interrupted does not boot. A disk
    /// in use, a partition, a card that is too small, and the disk that this machine runs from are refused; one that is
    /// not removable is refused unless `--yes-wipe` names it a second time. A card that fails does not stop the others.
    #[command(after_help = "Example:\n  pimg flash out/k8sctl-pi5l/k8sctl-pi5l-1.img.zst /dev/sdb")]
    Flash(FlashArgs),

    /// Keep the project's secrets, encrypted, in secrets.age
    #[command(after_help = "Example:\n  pimg secrets edit")]
    Secrets(SecretsArgs),

    /// Keep the key that signs what is built
    ///
    /// The secret half is `~/.config/pimg/minisign.key`, or what PIMG_SIGNING_KEY names: a file, or the text of the key
    /// itself. PIMG_SIGNING_KEY_PASSWORD holds its password, if it has one. The public half is `minisign.pub` in the
    /// project; where that is, builds are signed, and `minisign -V` checks the signature as well as `pimg verify`.
    #[command(after_help = "Example:\n  pimg keys init")]
    Keys(KeysArgs),

    /// Hand out and take in baked layers
    ///
    /// A layer holds the packages of a profile, installed: whoever has it need not bake. It is named by the digest of what
    /// it is made from, so that a profile finds its own. A place is a registry, a bucket, a web server or a directory;
    /// `layers` in a profile names one for all commands, and PIMG_LAYERS another for this machine. Where the project has a
    /// key, layers that are handed out are signed with it and those signed by another are refused.
    #[command(after_help = "Example:\n  pimg layer pull --all oci://ghcr.io/you/layers")]
    Layer(LayerArgs),

    /// Put a host's secrets on a card or image of `pimg build --release`
    ///
    /// They go to the boot partition. The node takes them from there on its first start and overwrites them.
    #[command(after_help = "Example:\n  pimg seed --profile k8sctl-pi5l /media/you/bootfs")]
    Seed(SeedArgs),

    /// Show how far the first boot of nodes is
    ///
    /// A node of a profile is recognised by its ssh host key, which follows from the cluster's secret seed; for any
    /// other address your own ssh settings and known_hosts decide. The exit code is 0 if every node answered, 8 if one
    /// did not, 10 if the first boot of one failed, 5 if one is not the node that it should be.
    #[command(after_help = "Example:\n  pimg status k8sctl-pi5l --cluster --watch")]
    Status(StatusArgs),

    /// Boot images in QEMU until their nodes are finished, with faults on request
    ///
    /// Several nodes share a network of their own, behind a gateway that leads nowhere unless --internet is given.
    /// Nothing is written to the images. The exit code is 10 if a node does not come where it should.
    #[command(after_help = "Example:\n  pimg test --profile k8sctl-pi5l --cluster --junit boot.xml")]
    Test(TestArgs),

    /// Lay out built images as a release, with links below a URL
    ///
    /// The directory holds for each host the image, its digest, block map, manifest and bill of materials, and lists for
    /// Raspberry Pi Imager: fit for a plain web server and for the assets of a release on GitHub. Only images of
    /// `pimg build --release` are published, since all others hold secrets.
    #[command(after_help = "Example:\n  pimg publish --base-url https://example.org/images")]
    Publish(PublishArgs),
    /// Print the JSON Schema of profiles or overlays, for an editor
    #[command(after_help = "Example:\n  pimg schema profile > profile.schema.json")]
    Schema(SchemaArgs),

    /// Make a project: profiles, overlays, a README
    ///
    /// On a terminal it asks a few questions. With --yes, or without a terminal, what no option says is as in the example.
    /// Nothing that is there is overwritten.
    #[command(after_help = "Example:\n  pimg new my-cluster")]
    New(NewArgs),

    /// Make profiles of the Ansible inventory of the playbook
    ///
    /// Reads INI inventories as Ansible does. Passwords, tokens and keys become references: the profiles name them, and
    /// `pimg secrets edit` is to store them. Profiles that are there are never overwritten.
    #[command(after_help = "Example:\n  pimg import hosts.ini --check")]
    Import(ImportArgs),

    /// Say what this machine has and lacks for each command
    ///
    /// The exit code is 9 if something is missing that nothing goes without. Name a command to count what it needs as well.
    #[command(after_help = "Example:\n  pimg doctor test")]
    Doctor(DoctorArgs),

    /// Remove cached base images or built images
    #[command(after_help = "Example:\n  pimg clean --cache --older-than 7d")]
    Clean(CleanArgs),

    /// Print the completion script of a shell
    #[command(
        after_help = "Example:\n  pimg completions bash > ~/.local/share/bash-completion/completions/pimg"
    )]
    Completions(CompletionsArgs),

    /// Print the manual page of pimg or of one command
    #[command(after_help = "Example:\n  pimg man build | man -l -")]
    Man(ManArgs),
}

/// `pimg build`
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("hosts").required(true))]
pub struct BuildArgs {
    /// Build this profile; give it again for more
    #[arg(short, long, value_name = "NAME", num_args = 1.., group = "hosts", help_heading = "Which hosts")]
    pub profile: Vec<String>,

    /// Build every profile that has a hostname
    #[arg(long, group = "hosts", help_heading = "Which hosts")]
    pub all: bool,

    /// Use this base image instead of the profile's
    #[arg(long, value_name = "FILE|URL", help_heading = "Base image")]
    pub base: Option<String>,

    /// Where packages come from.
    #[command(flatten)]
    pub packages: LockedArgs,

    /// When packages are installed.
    #[command(flatten)]
    pub bake: BakeFlags,

    /// Write images below DIR [default: out in the project]
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,

    /// Leave every secret out, for images that others can get; `pimg seed` brings them to each card
    #[arg(long, help_heading = "Output")]
    pub release: bool,

    /// Choose how images are written
    #[arg(short, long, value_enum, default_value_t, help_heading = "Output")]
    pub format: FormatArg,

    /// Build N hosts at the same time, with up to 300 MiB of memory each [default: as many as there are cores, up to 4]
    #[arg(short, long, value_name = "N", help_heading = "Output")]
    pub jobs: Option<NonZero<usize>>,

    /// Who may log in.
    #[command(flatten)]
    pub login: LoginArgs,
}

/// Who may log in.
#[derive(Args, Debug)]
pub struct LoginArgs {
    /// Let this public key log in; give it again for more [default: ~/.ssh/*.pub]
    #[arg(long = "ssh-key", value_name = "FILE", help_heading = "Log-in")]
    pub ssh_keys: Vec<PathBuf>,
}

/// How an image is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// Zstandard: quick
    #[default]
    Zst,
    /// xz: smallest
    Xz,
    /// Not compressed, sparse
    Raw,
}

/// `pimg check`
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Check this profile; give it again for more [default: every profile that has a hostname]
    #[arg(short, long, value_name = "NAME", num_args = 1..)]
    pub profile: Vec<String>,

    /// Who may log in.
    #[command(flatten)]
    pub login: LoginArgs,
}

/// `pimg lock`
#[derive(Args, Debug)]
pub struct LockArgs {
    /// Fit the lock to this profile; give it again for more [default: every profile that has a hostname]
    #[arg(short, long, value_name = "NAME", num_args = 1.., conflicts_with = "all", help_heading = "Which hosts")]
    pub profile: Vec<String>,

    /// Fit the lock to every profile that has a hostname
    #[arg(long, help_heading = "Which hosts")]
    pub all: bool,

    /// Move what is locked to what there is today: the base image, all packages and downloads, or one of these
    #[arg(long, value_name = "base|packages|NAME")]
    pub update: Option<String>,

    /// Use this base image instead of the profile's
    #[arg(long, value_name = "FILE|URL", help_heading = "Base image")]
    pub base: Option<String>,

    /// Where packages come from.
    #[command(flatten)]
    pub packages: PackageArgs,
}

/// `pimg fetch`
#[derive(Args, Debug)]
pub struct FetchArgs {
    /// For this profile; give it again for more [default: every profile that has a hostname]
    #[arg(short, long, value_name = "NAME", num_args = 1.., conflicts_with = "all", help_heading = "Which hosts")]
    pub profile: Vec<String>,

    /// For every profile that has a hostname
    #[arg(long, help_heading = "Which hosts")]
    pub all: bool,

    /// Fill DIR with everything, for a build in years to come: `pimg build --locked --offline --vault DIR`
    #[arg(long, value_name = "DIR")]
    pub vault: Option<PathBuf>,

    /// Fail unless pimg.lock is there and fits
    #[arg(long, help_heading = "Where packages come from")]
    pub locked: bool,

    /// Use this base image instead of the profile's
    #[arg(long, value_name = "FILE|URL", help_heading = "Base image")]
    pub base: Option<String>,

    /// Where packages come from.
    #[command(flatten)]
    pub packages: PackageArgs,
}

/// `pimg plan`
#[derive(Args, Debug)]
pub struct PlanArgs {
    /// Plan this profile
    #[arg(short, long, value_name = "NAME")]
    pub profile: String,

    /// Use this base image instead of the profile's
    #[arg(long, value_name = "FILE|URL", help_heading = "Base image")]
    pub base: Option<String>,

    /// Where packages come from.
    #[command(flatten)]
    pub packages: PackageArgs,

    /// When packages are installed.
    #[command(flatten)]
    pub bake: BakeFlags,

    /// Who may log in.
    #[command(flatten)]
    pub login: LoginArgs,
}

/// `pimg verify`
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The image (raw, xz, zst, gz or zip), or a directory with SHA256SUMS
    #[arg(value_name = "IMAGE|DIR")]
    pub image: PathBuf,

    /// Demand a signature by this key: a file, or the key itself [default: a signature, if there is one, by minisign.pub]
    #[arg(long, value_name = "FILE|KEY")]
    pub key: Option<String>,

    /// Building it again.
    #[command(flatten)]
    pub rebuild: RebuildArgs,
}

/// `pimg clean`
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").args(["cache", "out"]).required(true).multiple(true))]
pub struct CleanArgs {
    /// Remove the cache: base images, packages, layers
    #[arg(long)]
    pub cache: bool,

    /// Keep what of the cache was used within this time, such as `7d`
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "cache")]
    pub older_than: Option<Duration>,

    /// Remove built images and what interrupted builds left in out/
    #[arg(long)]
    pub out: bool,
}

/// `pimg completions`
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `pimg man`
#[derive(Args, Debug)]
pub struct ManArgs {
    /// The command [default: pimg itself]
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}
