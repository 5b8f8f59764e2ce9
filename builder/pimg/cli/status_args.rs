//! Options of `pimg status`.

use clap::Args;

/// `pimg status`
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// A profile, or the address of any node that pimg built, such as op@10.0.0.2
    #[arg(value_name = "HOST", required_unless_present = "all")]
    pub hosts: Vec<String>,

    /// Ask every profile that has a hostname
    #[arg(long)]
    pub all: bool,

    /// Ask all members of the profile's cluster
    #[arg(long)]
    pub cluster: bool,

    /// Ask again until all are finished or one has failed
    #[arg(short, long)]
    pub watch: bool,
}
