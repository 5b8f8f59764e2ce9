//! Arguments of `pimg keys`.

use clap::{Args, Subcommand};

use crate::command::request::KeysRequest;

/// `pimg keys`
#[derive(Args, Debug)]
pub struct KeysArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: KeysAction,
}

/// What to do with the signing key.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum KeysAction {
    /// Make your key where it is missing, and put its public half into the project as minisign.pub
    Init {
        /// Protect a new key by a password, which is asked for
        #[arg(long)]
        password: bool,
    },
    /// Print the project's public key
    Show,
}

impl From<KeysArgs> for KeysRequest {
    fn from(args: KeysArgs) -> Self {
        match args.action {
            KeysAction::Init { password } => Self::Init { password },
            KeysAction::Show => Self::Show,
        }
    }
}
