//! Arguments of `pimg publish`.

use std::path::PathBuf;

use clap::Args;

use crate::command::request::PublishRequest;

/// `pimg publish`
#[derive(Args, Debug)]
pub struct PublishArgs {
    /// Link to the files below URL, where they will be found
    #[arg(long, value_name = "URL")]
    pub base_url: String,

    /// Make the directory DIR, or replace it if it holds a release [default: release below the images]
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,

    /// Publish the images below DIR [default: out in the project]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

impl From<PublishArgs> for PublishRequest {
    fn from(args: PublishArgs) -> Self {
        Self { base_url: args.base_url, to: args.to, out: args.out }
    }
}
