//! Arguments of `pimg bump`.

use clap::Args;

use super::package_args::PackageArgs;
use crate::command::request::{BumpRequest, Selection};

/// `pimg bump`
#[derive(Args, Debug)]
pub struct BumpArgs {
    /// Move the base image only
    #[arg(long, help_heading = "What moves")]
    pub base: bool,

    /// Move packages and downloads only
    #[arg(long, help_heading = "What moves")]
    pub packages: bool,

    /// Show what would move, and write nothing
    #[arg(long, visible_alias = "dry-run")]
    pub check: bool,

    /// For this profile; give it again for more [default: every profile that has a hostname]
    #[arg(short, long, value_name = "NAME", num_args = 1.., help_heading = "Which hosts")]
    pub profile: Vec<String>,

    /// Read this list of images, in the format of Raspberry Pi Imager, in place of Raspberry Pi's own
    #[arg(long, value_name = "URL", help_heading = "Base image")]
    pub os_list: Option<String>,

    /// Where packages come from.
    #[command(flatten)]
    pub options: PackageArgs,
}

impl From<BumpArgs> for BumpRequest {
    fn from(args: BumpArgs) -> Self {
        let all = args.base == args.packages;
        Self {
            hosts: if args.profile.is_empty() { Selection::All } else { Selection::Named(args.profile) },
            base: args.base || all,
            packages: args.packages || all,
            check: args.check,
            os_list: args.os_list,
            options: args.options.options(None),
        }
    }
}
