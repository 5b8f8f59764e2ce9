//! Arguments of `pimg inspect` and `pimg diff`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::command::request::{DiffRequest, InspectRequest};
use crate::plan::change::Partition;

/// What `--section` takes.
const SECTIONS: [&str; 12] = [
    "manifest",
    "identity",
    "partitions",
    "boot",
    "users",
    "groups",
    "sudo",
    "network",
    "apt",
    "steps",
    "units",
    "packages",
];

/// `pimg inspect`
#[derive(Args, Debug)]
pub struct InspectArgs {
    /// The image (raw, xz, zst, gz or zip), a profile that was built, or the directory of its image
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,

    /// Print this file, or list this directory
    #[arg(value_name = "PATH")]
    pub path: Option<String>,

    /// Look on this partition [default: boot for /boot/firmware, else root]
    #[arg(long, value_enum, value_name = "WHICH")]
    pub partition: Option<PartitionArg>,

    /// List PATH, or the whole partition, with everything below
    #[arg(long)]
    pub list: bool,

    /// List the packages: installed, held, removed, and those that the first boot installs
    #[arg(long, conflicts_with_all = ["path", "partition", "list", "section"])]
    pub packages: bool,

    /// Show this part only; give it again, or NAME,NAME, for more
    #[arg(
        long,
        value_name = "NAME",
        value_parser = SECTIONS,
        value_delimiter = ',',
        conflicts_with_all = ["path", "partition", "list"]
    )]
    pub section: Vec<String>,
}

/// A partition by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PartitionArg {
    /// The FAT partition with the firmware
    Boot,
    /// The ext4 root file system
    Root,
}

impl From<InspectArgs> for InspectRequest {
    fn from(args: InspectArgs) -> Self {
        let partition = args.partition.map(|partition| match partition {
            PartitionArg::Boot => Partition::Boot,
            PartitionArg::Root => Partition::Root,
        });
        Self {
            image: args.image,
            path: args.path,
            partition,
            list: args.list,
            packages: args.packages,
            sections: args.section,
        }
    }
}

/// `pimg diff`
#[derive(Args, Debug)]
pub struct DiffArgs {
    /// The image to compare with: a file (raw, xz, zst, gz or zip), a profile that was built, a directory with built
    /// images, or `base`. Without B this is the image to look at, and it is compared with its base
    #[arg(value_name = "A")]
    pub a: String,

    /// The image to look at, named likewise
    #[arg(value_name = "B")]
    pub b: Option<String>,

    /// Compare only the files that GLOB matches, with all that is below; `*` within a name, `**` for directories
    #[arg(long, value_name = "GLOB")]
    pub path: Option<String>,

    /// Show every line that differs, of every text [default: some lines of texts in /etc and on the boot partition]
    #[arg(long)]
    pub full: bool,
}

impl From<DiffArgs> for DiffRequest {
    fn from(args: DiffArgs) -> Self {
        Self { a: args.a, b: args.b, path: args.path, full: args.full }
    }
}

#[cfg(test)]
mod tests {
    use super::SECTIONS;
    use crate::guest::inventory;

    #[test]
    fn every_section_can_be_asked_for() {
        assert!(inventory::SECTIONS.iter().all(|name| SECTIONS.contains(name)));
    }
}
