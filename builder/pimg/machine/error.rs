//! What can go wrong before a machine runs.

use crate::failure::{Class, Fault};

/// A machine cannot be made from an image.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// A file that every boot needs is not there.
    #[error("the image cannot be booted: there is no `{0}` on its boot partition")]
    NoBootFile(&'static str),
    /// The image names no address.
    #[error("the image cannot be tested: {0}")]
    NoNetwork(String),
    /// The kernel would cut the command line.
    #[error("the kernel command line has {got} bytes, at most {limit} are taken")]
    CommandLine {
        /// Its length in bytes.
        got: usize,
        /// The longest that arm64 takes, in bytes.
        limit: usize,
    },
    /// Two machines cannot be on one network.
    #[error("`{a}` and `{b}` cannot share a network: {why}")]
    Networks {
        /// A node.
        a: String,
        /// Another.
        b: String,
        /// What keeps them apart.
        why: String,
    },
    /// QEMU is missing.
    #[error("cannot boot an image: `{0}` is not installed")]
    NoQemu(&'static str),
}

impl Fault for MachineError {
    fn class(&self) -> Class {
        match self {
            Self::NoBootFile(_) | Self::CommandLine { .. } => Class::Base,
            Self::NoNetwork(_) | Self::Networks { .. } => Class::Usage,
            Self::NoQemu(_) => Class::Host,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoBootFile(_) => {
                vec!["`--kernel FILE --initrd FILE` boots with another kernel".to_owned()]
            }
            Self::NoNetwork(_) => vec!["give it an image that `pimg build` made".to_owned()],
            Self::NoQemu(_) => vec![
                "on Debian, Ubuntu and Raspberry Pi OS: `sudo apt install qemu-system-arm`".to_owned(),
                "on macOS: `brew install qemu`".to_owned(),
            ],
            Self::CommandLine { .. } | Self::Networks { .. } => Vec::new(),
        }
    }
}
