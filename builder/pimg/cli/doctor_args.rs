//! Options of `pimg doctor`.

use clap::Args;

use crate::command::request::DoctorRequest;

/// Commands that need more than files.
const COMMANDS: [&str; 10] =
    ["build", "check", "lock", "fetch", "module", "flash", "test", "status", "seed", "secrets"];

/// `pimg doctor`
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// Count what this command needs as needed, too, such as `test`
    #[arg(value_name = "COMMAND", value_parser = COMMANDS)]
    pub commands: Vec<String>,

    /// Also ask the server of the base image whether it can be reached
    #[arg(long)]
    pub network: bool,
}

impl From<DoctorArgs> for DoctorRequest {
    fn from(args: DoctorArgs) -> Self {
        Self { commands: args.commands, network: args.network }
    }
}
