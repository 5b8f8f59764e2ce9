//! The command line: types and help texts only. What they mean is decided in `dispatch`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

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
    #[command(after_help = "Example:\n  pimg build --profile k8sctl-pi5l --format xz")]
    Build(BuildArgs),

    /// Check profiles, overlays and templates, without network
    #[command(after_help = "Example:\n  pimg check --profile k8sctl-pi5l")]
    Check(CheckArgs),

    /// Show every change that a build would make, and where it comes from
    #[command(after_help = "Example:\n  pimg plan --profile k8sctl-pi5l")]
    Plan(PlanArgs),

    /// Show partitions and identity of an image, or a file in it
    #[command(after_help = "Example:\n  pimg inspect out/k8sctl-pi5l/k8sctl-pi5l-1.img.zst /etc/hostname")]
    Inspect(InspectArgs),

    /// Check the file systems, packaged files and manifest of an image
    #[command(after_help = "Example:\n  pimg verify out/k8sctl-pi5l/k8sctl-pi5l-1.img.zst")]
    Verify(VerifyArgs),

    /// Remove cached base images or built images
    #[command(after_help = "Example:\n  pimg clean --cache")]
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

    /// Fail unless the base is the one that pimg.lock names
    #[arg(long, help_heading = "Base image")]
    pub locked: bool,

    /// Use what is in the cache and never the network
    #[arg(long, help_heading = "Base image")]
    pub offline: bool,

    /// Write images below DIR [default: out in the project]
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,

    /// Choose how images are written
    #[arg(short, long, value_enum, default_value_t, help_heading = "Output")]
    pub format: FormatArg,

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

/// `pimg plan`
#[derive(Args, Debug)]
pub struct PlanArgs {
    /// Plan this profile
    #[arg(short, long, value_name = "NAME")]
    pub profile: String,

    /// Use this base image instead of the profile's
    #[arg(long, value_name = "FILE|URL", help_heading = "Base image")]
    pub base: Option<String>,

    /// Use what is in the cache and never the network
    #[arg(long, help_heading = "Base image")]
    pub offline: bool,

    /// Who may log in.
    #[command(flatten)]
    pub login: LoginArgs,
}

/// `pimg inspect`
#[derive(Args, Debug)]
pub struct InspectArgs {
    /// The image: raw, xz, zst, gz or zip
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,

    /// Print this file, or list this directory
    #[arg(value_name = "PATH")]
    pub path: Option<String>,

    /// Look on this partition [default: boot for /boot/firmware, else root]
    #[arg(long, value_enum, value_name = "WHICH")]
    pub partition: Option<PartitionArg>,

    /// List PATH, or the whole partition, with everything below
    #[arg(long)]
    pub list: bool,
}

/// A partition by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PartitionArg {
    /// The FAT partition with the firmware
    Boot,
    /// The ext4 root file system
    Root,
}

/// `pimg verify`
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The image: raw, xz, zst, gz or zip
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
}

/// `pimg clean`
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub struct CleanArgs {
    /// Remove the cache of base images
    #[arg(long)]
    pub cache: bool,

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
