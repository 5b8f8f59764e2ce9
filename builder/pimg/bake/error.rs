//! What can go wrong while packages are installed at build time.

use std::path::PathBuf;

use crate::failure::{Class, Fault};
use crate::host::error::HostError;

/// Why there is no baked layer.
#[derive(Debug, thiserror::Error)]
pub enum BakeError {
    /// This machine cannot bake at all.
    #[error("packages cannot be installed at build time on this machine: it is no Linux")]
    NotLinux,
    /// A file of the host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The operator asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// Something inside went wrong; the log has more.
    #[error("{doing} failed{}", told(.last))]
    Inside {
        /// What was being done.
        doing: String,
        /// The last lines that were printed.
        last: Vec<String>,
        /// Where all lines are.
        log: PathBuf,
    },
}

fn told(last: &[String]) -> String {
    last.iter().fold(String::new(), |text, line| text + "\n  " + line)
}

impl Fault for BakeError {
    fn class(&self) -> Class {
        match self {
            Self::Interrupted => Class::Interrupted,
            Self::NotLinux | Self::Host(_) | Self::Inside { .. } => Class::Host,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotLinux => vec!["`pimg layer pull` gets a layer that a Linux machine has made".to_owned()],
            Self::Host(error) => error.hints(),
            Self::Inside { log, .. } => vec![format!("all that was printed: `less {}`", log.display())],
            Self::Interrupted => Vec::new(),
        }
    }
}
