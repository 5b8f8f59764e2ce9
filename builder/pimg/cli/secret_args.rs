//! Arguments of the commands about secrets.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::command::request::{SecretsRequest, SeedRequest};

/// `pimg secrets`
#[derive(Args, Debug)]
pub struct SecretsArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: SecretsAction,
}

/// What to do with the project's secrets.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum SecretsAction {
    /// Make your key, an empty secrets.age and the seed of each cluster, where they are missing
    Init,
    /// Open secrets.age in $VISUAL or $EDITOR
    Edit,
    /// List the names in secrets.age and who can open it, never a value
    ShowKeys,
}

/// `pimg seed`
#[derive(Args, Debug)]
pub struct SeedArgs {
    /// The profile that the card or image was built from
    #[arg(short, long, value_name = "NAME")]
    pub profile: String,

    /// Where the card's boot partition (bootfs) is mounted, its device, or a raw image
    #[arg(value_name = "PARTITION|IMAGE")]
    pub target: PathBuf,
}

impl From<SecretsArgs> for SecretsRequest {
    fn from(args: SecretsArgs) -> Self {
        match args.action {
            SecretsAction::Init => Self::Init,
            SecretsAction::Edit => Self::Edit,
            SecretsAction::ShowKeys => Self::ShowKeys,
        }
    }
}

impl From<SeedArgs> for SeedRequest {
    fn from(args: SeedArgs) -> Self {
        Self { profile: args.profile, target: args.target }
    }
}
