//! What can go wrong on the operator's machine.

use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{Class, Fault};

/// Something on the operator's machine did not work.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file operation failed.
    #[error("cannot {doing} `{}`", .path.display())]
    File {
        /// What was tried, such as `open`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system is too full for what is to be written.
    #[error(
        "not enough space in `{}`: {needed} bytes are needed, {free} are free", .path.display()
    )]
    NoSpace {
        /// The directory.
        path: PathBuf,
        /// Bytes that are to be written.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// Another pimg holds a lock.
    #[error("`{}` is in use by another pimg", .0.display())]
    InUse(PathBuf),
    /// The environment says neither where the cache is nor where the user's home is.
    #[error("no place for the cache: neither `PIMG_CACHE` nor `HOME` is set")]
    NoCacheDir,
    /// A directory to be removed is not one that pimg made.
    #[error("refusing to remove `{}`: it has no CACHEDIR.TAG of pimg", .0.display())]
    NotOurCache(PathBuf),
    /// A directory that is to become the cache holds other files.
    #[error("refusing to use `{}` as cache: it holds files that are not of pimg", .0.display())]
    ForeignFiles(PathBuf),
    /// Others than the owner can read a file that must be private.
    #[error("`{}` holds a secret and can be read by others (mode {mode:04o}, expected 0600)", .path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is no seed where one must be.
    #[error("there is no `{}`, from which the identity of the node follows", .0.display())]
    NoSeed(PathBuf),
    /// A seed file holds something else than a seed.
    #[error("`{}` is not a seed: expected 64 hexadecimal digits and a line break", .0.display())]
    BadSeed(PathBuf),
    /// A name cannot be part of a file name.
    #[error("`{0}` cannot be the name of a seed file")]
    BadSeedName(String),
    /// A file that was given as a public key is none.
    #[error("`{}` is not an OpenSSH public key: {why}", .path.display())]
    NotAPublicKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl HostError {
    /// For `map_err`: what was tried on which file.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { doing, path, source }
    }

    /// The kind of the underlying file error, where there is one.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::File { source, .. } => Some(source.kind()),
            _ => None,
        }
    }
}

impl Fault for HostError {
    fn class(&self) -> Class {
        Class::Host
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::File { source, path, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "`pimg clean --cache` frees the cache of base images".to_owned()
                }
                io::ErrorKind::PermissionDenied => format!("see who owns it: `ls -ld {}`", path.display()),
                _ => return Vec::new(),
            },
            Self::NoSpace { .. } => {
                "`pimg clean --cache` frees the cache of base images; `--out DIR` writes to another disk"
                    .to_owned()
            }
            Self::InUse(_) => "wait until the other command is done".to_owned(),
            Self::ForeignFiles(_) => "`export PIMG_CACHE=DIR` names an empty or new directory".to_owned(),
            Self::NoCacheDir => "`export PIMG_CACHE=DIR` names a directory for base images".to_owned(),
            Self::NotOurCache(path) => {
                format!(
                    "see whether `PIMG_CACHE` points at the right place, or remove `{}` yourself",
                    path.display()
                )
            }
            Self::Readable { path, .. } => format!("`chmod 600 {}`", path.display()),
            Self::NoSeed(path) => {
                format!("restore `{}` from a backup: the build that made the node used it", path.display())
            }
            Self::BadSeed(path) => format!(
                "restore `{}` from a backup; without it every host of the cluster gets a new identity",
                path.display()
            ),
            Self::BadSeedName(_) => return Vec::new(),
            Self::NotAPublicKey { .. } => {
                "a public key file ends in `.pub`; `ssh-keygen` makes a pair".to_owned()
            }
        };
        vec![hint]
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::HostError;
    use crate::failure::Fault;

    #[test]
    fn a_full_disk_is_answered_with_a_command() {
        let error = HostError::file("write", Path::new("/x"))(io::ErrorKind::StorageFull.into());
        assert_eq!(error.to_string(), "cannot write `/x`");
        assert_eq!(error.hints(), ["`pimg clean --cache` frees the cache of base images"]);
    }
}
