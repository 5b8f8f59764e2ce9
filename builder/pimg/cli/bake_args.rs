//! Arguments of `pimg bake`, and those with which other commands bake or do not.

use clap::{ArgGroup, Args};

use super::package_args::LockedArgs;
use crate::command::request::{BakeRequest, Selection};

/// `pimg bake`
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("hosts").required(true))]
pub struct BakeArgs {
    /// Bake for these profiles, whatever they say of `bake`
    #[arg(value_name = "PROFILE", group = "hosts")]
    pub profiles: Vec<String>,

    /// Bake for every profile that has a hostname and `bake = true`
    #[arg(long, group = "hosts")]
    pub all: bool,

    /// Use this base image instead of the profile's
    #[arg(long, value_name = "FILE|URL", help_heading = "Base image")]
    pub base: Option<String>,

    /// Where packages come from.
    #[command(flatten)]
    pub packages: LockedArgs,
}

impl From<BakeArgs> for BakeRequest {
    fn from(args: BakeArgs) -> Self {
        Self {
            hosts: if args.all { Selection::All } else { Selection::Named(args.profiles) },
            base: args.base,
            locked: args.packages.locked,
            packages: args.packages.options(),
        }
    }
}

/// When packages are installed.
#[derive(Args, Debug)]
pub struct BakeFlags {
    /// Install packages now and not on the node, whatever the profile says of `bake`
    #[arg(long, overrides_with = "no_bake", help_heading = "When packages are installed")]
    pub bake: bool,

    /// Let the node install its packages, whatever the profile says of `bake`
    #[arg(long, overrides_with = "bake", help_heading = "When packages are installed")]
    pub no_bake: bool,
}

impl BakeFlags {
    /// What was asked for; nothing is what the profile says.
    pub(super) fn choice(&self) -> Option<bool> {
        (self.bake || self.no_bake).then_some(self.bake)
    }
}
