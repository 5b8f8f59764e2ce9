//! Why there is no module.

use super::elf::NoModule;
use crate::failure::{Class, Fault};
use crate::host::HostError;

/// A module cannot be built, or is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// Only Linux builds them.
    #[error("kernel modules are built on Linux alone")]
    NotLinux,
    /// A package cannot be taken apart.
    #[error("cannot unpack `{name}`")]
    Package {
        /// Its file.
        name: String,
        /// What is wrong with it.
        source: pimg_deb::package::Error,
    },
    /// A package has something that the build needs, and not where it should be.
    #[error("`{name}` has no `{path}`")]
    NoFile {
        /// Its file.
        name: String,
        /// What was looked for.
        path: String,
    },
    /// The build did not come to its end.
    #[error("the modules of ZFS {zfs} cannot be built for the kernel {kernel} (status {status})")]
    Build {
        /// Version of the sources.
        zfs: String,
        /// The kernel.
        kernel: String,
        /// How it ended.
        status: String,
        /// The last lines that were said.
        said: Vec<String>,
    },
    /// What was built is no module.
    #[error("`{name}` is no kernel module")]
    NoModule {
        /// The file.
        name: String,
        /// Why not.
        source: NoModule,
    },
    /// It is for another kernel.
    #[error("`{name}` is for another kernel: expected `{expected}`, got `{got}`")]
    OtherKernel {
        /// The file.
        name: String,
        /// The image's kernel.
        expected: String,
        /// What the module says.
        got: String,
    },
    /// A symbol has another checksum.
    #[error(
        "`{name}` does not fit the kernel {kernel}: the symbol `{symbol}` has the checksum {got}, the kernel has {expected}"
    )]
    OtherSymbol {
        /// The file.
        name: String,
        /// The kernel.
        kernel: String,
        /// The first symbol that differs.
        symbol: String,
        /// The module's.
        got: String,
        /// The kernel's: hexadecimal digits, or that there is none.
        expected: String,
    },
    /// The package cannot be written.
    #[error("cannot write the package `{name}`")]
    Write {
        /// Its name.
        name: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A file of this machine.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Fault for ModuleError {
    fn class(&self) -> Class {
        match self {
            Self::NotLinux => Class::Host,
            Self::Package { .. } | Self::NoFile { .. } => Class::Trust,
            Self::Host(error) => error.class(),
            Self::Write { .. } => Class::Internal,
            Self::Build { .. }
            | Self::NoModule { .. }
            | Self::OtherKernel { .. }
            | Self::OtherSymbol { .. } => Class::NoSolution,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NotLinux => {
                "build it on Linux with `pimg module build --url URL`, put the `.deb` there, and take its `pimg.lock`"
            }
            Self::Build { .. } => {
                "take another version of ZFS (`pimg lock --update packages`), or `[vars.zfs] module = \"dkms\"`"
            }
            Self::OtherKernel { .. } | Self::OtherSymbol { .. } => {
                "the headers are of another kernel than the image's: take a base image whose kernel the archive has"
            }
            Self::Host(error) => return error.hints(),
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }

    fn details(&self) -> Option<String> {
        match self {
            Self::Build { said, .. } => {
                Some(said.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))
            }
            _ => None,
        }
    }
}
