//! Options of `pimg import`.

use std::path::PathBuf;

use clap::Args;

use crate::command::request::ImportRequest;

/// `pimg import`
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// The Ansible inventory, an INI file
    #[arg(value_name = "INVENTORY")]
    pub inventory: PathBuf,

    /// Write nothing; show what would become of each variable
    #[arg(long)]
    pub check: bool,
}

impl From<ImportArgs> for ImportRequest {
    fn from(args: ImportArgs) -> Self {
        Self { inventory: args.inventory, check: args.check }
    }
}
