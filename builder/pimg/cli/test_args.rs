//! The options of `pimg test`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::duration::duration;
use crate::command::request::{TestHardware, TestNetwork, TestRequest, TestSubject};

const NETWORK: &str = "Network";
const FAULTS: &str = "Faults";
const RESULT: &str = "Result";
const MACHINES: &str = "Machines";

/// `pimg test`
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("subject").required(true))]
pub struct TestArgs {
    /// Boot the newest image of this profile; give it again for more, which share a network
    #[arg(short, long, value_name = "NAME", num_args = 1.., group = "subject")]
    pub profile: Vec<String>,

    /// Boot these images: raw, xz, zst, gz or zip
    #[arg(value_name = "IMAGE", group = "subject")]
    pub images: Vec<PathBuf>,

    /// Boot all members of the profile's cluster
    #[arg(long, requires = "profile")]
    pub cluster: bool,

    /// Find images below DIR [default: out in the project]
    #[arg(short, long, value_name = "DIR", conflicts_with = "images")]
    pub out: Option<PathBuf>,

    /// Fail after this time, such as 90s, 60m or 3h
    #[arg(long, value_name = "DURATION", default_value = "60m", value_parser = duration)]
    pub timeout: Duration,

    /// Let the other nodes go on when one has failed
    #[arg(long)]
    pub keep_going: bool,

    /// Cut the power of every node N times, at moments drawn from a seed, and then check its root file system
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, help_heading = FAULTS)]
    pub power_cut: u16,

    /// Repeat the power cuts of an earlier test
    #[arg(long, value_name = "SEED", requires = "power_cut", help_heading = FAULTS)]
    pub seed: Option<u64>,

    /// Pull the network cables: all steps that need no network are to be done, and the others to wait
    #[arg(long, conflicts_with = "late_network", help_heading = FAULTS)]
    pub no_network: bool,

    /// Plug the network cables in once all is done that needs no network
    #[arg(long, help_heading = FAULTS)]
    pub late_network: bool,

    /// Let the nodes reach the Internet, and at their gateway's address the loopback of this machine
    #[arg(long, help_heading = NETWORK)]
    pub internet: bool,

    /// Let PORT of this machine's loopback lead to the ssh of the first node, PORT+1 to that of the next
    #[arg(long, value_name = "PORT", help_heading = NETWORK)]
    pub ssh_port: Option<u16>,

    /// Run SCRIPT as root on every node once all are finished; it passes with exit status 0
    #[arg(long, value_name = "SCRIPT", help_heading = RESULT)]
    pub check: Option<PathBuf>,

    /// Write the result as JUnit XML
    #[arg(long, value_name = "FILE", help_heading = RESULT)]
    pub junit: Option<PathBuf>,

    /// Write consoles and logs of all nodes to DIR, also if they pass [default: out/boot-test if one fails]
    #[arg(long, value_name = "DIR", help_heading = RESULT)]
    pub logs: Option<PathBuf>,

    /// Keep cards and disks in DIR, and go on with those that are there
    #[arg(long, value_name = "DIR", help_heading = MACHINES)]
    pub keep_disks: Option<PathBuf>,

    /// Write the kept card of this node anew; its NVMe disks stay as they are
    #[arg(long, value_name = "NODE", requires = "keep_disks", help_heading = MACHINES)]
    pub reflash: Vec<String>,

    /// Give every node this many NVMe disks
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=8), help_heading = MACHINES)]
    pub disks: u8,

    /// Size of the card, if the image is smaller
    #[arg(long, value_name = "SIZE", default_value = "16GiB", value_parser = crate::profile::values::size, help_heading = MACHINES)]
    pub card: u64,

    /// Memory of every node in MiB
    #[arg(long, value_name = "MIB", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(512..), help_heading = MACHINES)]
    pub memory: u32,

    /// Boot this kernel instead of the image's own
    #[arg(long, value_name = "FILE", requires = "initrd", help_heading = MACHINES)]
    pub kernel: Option<PathBuf>,

    /// Boot with this initramfs instead of the image's own
    #[arg(long, value_name = "FILE", help_heading = MACHINES)]
    pub initrd: Option<PathBuf>,
}

impl TestArgs {
    /// As the command takes them.
    pub(super) fn request(self) -> TestRequest {
        let network = match (self.no_network, self.late_network) {
            (true, _) => TestNetwork::Never,
            (false, true) => TestNetwork::Late,
            (false, false) => TestNetwork::Always,
        };
        TestRequest {
            subject: if self.images.is_empty() {
                TestSubject::Profiles { names: self.profile, cluster: self.cluster }
            } else {
                TestSubject::Images(self.images)
            },
            out: self.out,
            power_cuts: self.power_cut.into(),
            seed: self.seed,
            network,
            internet: self.internet,
            ssh_port: self.ssh_port,
            timeout: self.timeout,
            keep_going: self.keep_going,
            junit: self.junit,
            logs: self.logs,
            check: self.check,
            hardware: TestHardware {
                memory: self.memory,
                disks: self.disks.into(),
                card_size: self.card,
                keep: self.keep_disks,
                reflash: self.reflash,
                kernel: self.kernel,
                initrd: self.initrd,
            },
        }
    }
}
