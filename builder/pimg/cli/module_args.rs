//! Arguments of `pimg module`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::package_args::PackageArgs;
use crate::command::request::{ModuleRequest, Selection};

/// `pimg module`
#[derive(Args, Debug)]
pub struct ModuleArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ModuleAction,
}

/// What to do with kernel modules.
#[derive(Debug, Subcommand)]
pub enum ModuleAction {
    /// Build the modules of ZFS for the kernels of the base image, as packages, and pin them in pimg.lock
    ///
    /// A profile asks for them by `[vars.zfs] module = "prebuilt"`. Linux alone builds them; others take what somebody has
    /// built, by its digest and address in pimg.lock.
    #[command(after_help = "Example:\n  pimg module build k8sctl-pi5l --url https://example.org/modules/")]
    Build(ModuleBuildArgs),
}

/// `pimg module build`
#[derive(Args, Debug)]
pub struct ModuleBuildArgs {
    /// Profiles whose modules are built
    #[arg(value_name = "PROFILE", required_unless_present = "all", conflicts_with = "all")]
    pub profiles: Vec<String>,

    /// Build those of every profile that has a hostname
    #[arg(long)]
    pub all: bool,

    /// Use this base image instead of the profile's
    #[arg(long, value_name = "FILE|URL")]
    pub base: Option<String>,

    /// Put the packages into DIR [default: out/modules]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Note in pimg.lock that the packages can be downloaded from URL, a directory
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// Where packages come from.
    #[command(flatten)]
    pub packages: PackageArgs,
}

impl From<ModuleArgs> for ModuleRequest {
    fn from(args: ModuleArgs) -> Self {
        let ModuleAction::Build(args) = args.action;
        Self::Build {
            hosts: if args.all { Selection::All } else { Selection::Named(args.profiles) },
            base: args.base,
            out: args.out,
            url: args.url,
            packages: args.packages.options(None),
        }
    }
}
