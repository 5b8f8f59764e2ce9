//! Options of `pimg new`.

use std::path::PathBuf;

use clap::Args;

use crate::command::request::NewRequest;

/// `pimg new`
#[derive(Args, Debug)]
pub struct NewArgs {
    /// Where the project is made
    #[arg(value_name = "DIR", default_value = ".")]
    pub directory: PathBuf,

    /// Ask nothing: what no option says is as in the example
    #[arg(short, long)]
    pub yes: bool,

    /// Name of the cluster, and of the profile that the nodes share
    #[arg(long, value_name = "NAME", help_heading = "Answers")]
    pub cluster: Option<String>,

    /// A node; give it again for more. The first makes the cluster
    #[arg(long = "node", value_name = "NAME=ADDRESS/PREFIX", help_heading = "Answers")]
    pub nodes: Vec<String>,

    /// Router of the nodes
    #[arg(long, value_name = "ADDRESS", help_heading = "Answers")]
    pub gateway: Option<String>,

    /// Who logs in
    #[arg(long, value_name = "NAME", help_heading = "Answers")]
    pub user: Option<String>,

    /// Whose packages of Proxmox VE: pxvirt, proxmox or none
    #[arg(long, value_name = "WHOSE", help_heading = "Answers")]
    pub pve: Option<String>,

    /// Features with commas between them: zfs, cluster, talos-vm, tailscale, tls, rpi-connect, shell
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Answers")]
    pub features: Option<Vec<String>>,
}

impl From<NewArgs> for NewRequest {
    fn from(args: NewArgs) -> Self {
        Self {
            directory: args.directory,
            yes: args.yes,
            cluster: args.cluster,
            nodes: args.nodes,
            gateway: args.gateway,
            user: args.user,
            pve: args.pve,
            features: args.features,
        }
    }
}
