//! What can go wrong while packages are installed at build time.

use std::path::{Path, PathBuf};

use crate::failure::{Class, Fault};
use crate::guest;
use crate::host::error::HostError;
use crate::host::namespace_error::NamespaceError;
use crate::host::tools::ToolError;

/// Why there is no baked layer.
#[derive(Debug, thiserror::Error)]
pub enum BakeError {
    /// A file of the host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// There are no namespaces, or the operator asked to stop.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A program of the host.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// Nothing runs programs for arm64.
    #[error("there is no emulator for arm64 that needs no library{}", shared_one(.shared.as_deref()))]
    NoEmulator {
        /// One that does need libraries.
        shared: Option<PathBuf>,
    },
    /// A `.deb` cannot be read.
    #[error("cannot read `{}`", .path.display())]
    Package {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pimg_deb::package::Error,
    },
    /// The set of packages cannot be what it is.
    #[error(transparent)]
    Set(#[from] guest::Error),
    /// Something inside went wrong; the log has more.
    #[error("{doing} failed{}", told(.last))]
    Inside {
        /// What was being done.
        doing: &'static str,
        /// The last lines that were printed.
        last: Vec<String>,
        /// Where all lines are.
        log: PathBuf,
    },
}

fn shared_one(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| format!(": `{}` needs some", path.display()))
}

fn told(last: &[String]) -> String {
    last.iter().fold(String::new(), |text, line| text + "\n  " + line)
}

impl BakeError {
    /// Whether a line that was printed says this.
    fn is_said(&self, words: &str) -> bool {
        matches!(self, Self::Inside { last, .. } if last.iter().any(|line| line.contains(words)))
    }
}

impl Fault for BakeError {
    fn class(&self) -> Class {
        match self {
            Self::Namespace(error) => error.class(),
            Self::Package { .. } => Class::Trust,
            Self::Set(error) => error.class(),
            Self::Host(_) | Self::Tool(_) | Self::NoEmulator { .. } | Self::Inside { .. } => Class::Host,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Host(error) => error.hints(),
            Self::Tool(error) => error.hints(),
            Self::Namespace(NamespaceError::NotLinux) => {
                vec!["`pimg layer pull` gets a layer that a Linux machine has made".to_owned()]
            }
            Self::Namespace(error) => error.hints(),
            Self::NoEmulator { .. } => {
                vec!["install a static one: `sudo apt-get install qemu-user-static`".to_owned()]
            }
            Self::Package { path, .. } => {
                vec![format!("remove `{}`, and `pimg fetch` gets it again", path.display())]
            }
            Self::Set(error) => error.hints(),
            Self::Inside { log, .. } => {
                let mut hints = Vec::new();
                if self.is_said("Exec format error") {
                    hints.push(
                        "Linux before 6.7 takes an emulator from root alone: `sudo apt-get install qemu-user-static binfmt-support`"
                            .to_owned(),
                    );
                }
                if self.is_said("cannot mount") {
                    hints.push(
                        "`export PIMG_CACHE=DIR` names a directory on a file system such as ext4 or xfs: overlayfs and network file systems cannot hold changes of others"
                            .to_owned(),
                    );
                }
                hints.push(format!("all that was printed: `less {}`", log.display()));
                hints
            }
        }
    }
}
