//! Arguments of `pimg verify --rebuild`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::package_args::keyring;
use crate::command::request::RebuildRequest;
use crate::packages::Options;
use crate::profile::host::Mirror;
use crate::profile::mirrors::parse_argument;

/// Heading of these options.
const HEADING: &str = "Building again";

/// `pimg verify --rebuild`
#[derive(Args, Debug)]
pub struct RebuildArgs {
    /// Build the image again from this project instead, and compare every byte
    ///
    /// Profile, format, `--release` and SOURCE_DATE_EPOCH are those of the manifest.json beside the image, base and packages
    /// those of pimg.lock, which has to fit. The image and out/ are not touched. The exit code is 5 if the image is not
    /// what its inputs make.
    #[arg(long, help_heading = HEADING)]
    pub rebuild: bool,

    /// Build this profile [default: the one that the manifest names]
    #[arg(short, long, value_name = "NAME", requires = "rebuild", help_heading = HEADING)]
    pub profile: Option<String>,

    /// Use this base image instead of the profile's
    #[arg(long, value_name = "FILE|URL", requires = "rebuild", help_heading = HEADING)]
    pub base: Option<String>,

    /// Take what the lock names from DIR, which `pimg fetch --vault` made
    #[arg(long, value_name = "DIR", requires = "rebuild", help_heading = HEADING)]
    pub vault: Option<PathBuf>,

    /// Use what is in the cache and never the network
    #[arg(long, requires = "rebuild", help_heading = HEADING)]
    pub offline: bool,

    /// Take the source or download NAME from URL; its key or digest stays the pinned one
    #[arg(long = "mirror", value_name = "NAME=URL", value_parser = parse_argument, requires = "rebuild", help_heading = HEADING)]
    pub mirrors: Vec<(String, Mirror)>,

    /// Trust the keyring FILE for the source NAME, in place of its own key
    #[arg(long = "keyring", value_name = "NAME=FILE", value_parser = keyring, requires = "rebuild", help_heading = HEADING)]
    pub keyrings: Vec<(String, PathBuf)>,

    /// Let this public key log in, as when it was built; give it again for more [default: ~/.ssh/*.pub]
    #[arg(long = "ssh-key", value_name = "FILE", requires = "rebuild", help_heading = HEADING)]
    pub ssh_keys: Vec<PathBuf>,
}

impl RebuildArgs {
    /// What is asked for, where `--rebuild` is.
    pub(super) fn request(self, image: &Path) -> Option<RebuildRequest> {
        let packages = Options {
            mirrors: self.mirrors.into_iter().collect(),
            keyrings: self.keyrings.into_iter().collect(),
            vault: self.vault,
            offline: self.offline,
            ..Options::default()
        };
        let (image, ssh_keys) = (image.to_path_buf(), self.ssh_keys);
        let request = RebuildRequest { image, profile: self.profile, base: self.base, packages, ssh_keys };
        self.rebuild.then_some(request)
    }
}
