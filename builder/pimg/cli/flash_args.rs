//! Arguments of `pimg flash`.

use std::path::PathBuf;

use clap::Args;

use super::args::LoginArgs;
use super::bake_args::BakeFlags;
use super::package_args::LockedArgs;
use crate::command::request::{FlashRequest, FlashSource, Ingredients};

/// `pimg flash`
#[derive(Args, Debug)]
#[command(override_usage = "pimg flash [OPTIONS] <IMAGE|PROFILE> <DEVICE>...\n       \
                            pimg flash [OPTIONS] --profile <NAME> <DEVICE>...")]
pub struct FlashArgs {
    /// The image (raw, xz, zst, gz or zip), or the profile to build and write without an image file
    #[arg(value_name = "IMAGE|PROFILE")]
    pub source: PathBuf,

    /// The cards: whole disks such as /dev/sdb, or files; all are written at once
    #[arg(value_name = "DEVICE", required_unless_present = "profile")]
    pub cards: Vec<PathBuf>,

    /// Build this profile, whatever files there are
    #[arg(short, long, value_name = "NAME")]
    pub profile: Option<String>,

    /// Overwrite DEVICE although it is no removable disk: the second time that it is named
    #[arg(long, value_name = "DEVICE")]
    pub yes_wipe: Vec<PathBuf>,

    /// Do not read back what was written
    #[arg(long)]
    pub no_verify: bool,

    /// Use this base image instead of the profile's
    #[arg(long, value_name = "FILE|URL", help_heading = "Base image")]
    pub base: Option<String>,

    /// Leave every secret out; `pimg seed` brings them to the card
    #[arg(long, help_heading = "What a profile becomes")]
    pub release: bool,

    /// Where packages come from.
    #[command(flatten)]
    pub packages: LockedArgs,

    /// When packages are installed.
    #[command(flatten)]
    pub bake: BakeFlags,

    /// Who may log in.
    #[command(flatten)]
    pub login: LoginArgs,
}

impl From<FlashArgs> for FlashRequest {
    fn from(args: FlashArgs) -> Self {
        let mut cards = args.cards;
        let source = match args.profile {
            Some(profile) => {
                cards.insert(0, args.source);
                FlashSource::Profile(profile)
            }
            None => FlashSource::Named(args.source),
        };
        let ingredients = Ingredients {
            base: args.base,
            locked: args.packages.locked,
            release: args.release,
            bake: args.bake.choice(),
            packages: args.packages.options(),
            ssh_keys: args.login.ssh_keys,
        };
        Self { source, cards, confirmed: args.yes_wipe, verify: !args.no_verify, ingredients }
    }
}
