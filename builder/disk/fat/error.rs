//! What can be wrong with a FAT volume or with what is asked of it.

use std::io;

/// An error of the FAT room.
///
/// [`Error::Unsupported`] and [`Error::Corrupt`] are told apart everywhere: the first says nothing bad about
/// the volume.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The device below failed.
    #[error("cannot read or write the device of the FAT file system")]
    Io(#[from] io::Error),
    /// There is no FAT file system.
    #[error("this is no FAT file system: {0}")]
    NotFat(&'static str),
    /// The file system is fine as far as we can tell, but of a kind that pimg cannot edit.
    #[error("this FAT file system is of a kind pimg cannot edit: {0}")]
    Unsupported(String),
    /// The file system contradicts itself.
    #[error("corrupt FAT file system: {0}")]
    Corrupt(String),
    /// The last writer did not finish.
    #[error("the FAT file system was not unmounted cleanly")]
    NotClean,
    /// The path does not exist.
    #[error("`{path}` does not exist")]
    NotFound {
        /// The path, as it was asked for.
        path: String,
    },
    /// The path is there already, or is no directory, or is one.
    #[error("`{path}` {problem}")]
    Conflict {
        /// The path, as it was asked for.
        path: String,
        /// Such as "is a directory", "is not a directory", "exists already".
        problem: &'static str,
    },
    /// A file is longer than the caller wants to read.
    #[error("`{path}` has {len} bytes, more than the {limit} that may be read")]
    TooLong {
        /// The path, as it was asked for.
        path: String,
        /// Its length in bytes.
        len: u64,
        /// What the caller allowed, in bytes.
        limit: u64,
    },
    /// A value that FAT cannot hold, such as a name with a colon.
    #[error("FAT cannot hold {0}")]
    InvalidValue(String),
    /// Clusters or directory entries are used up.
    #[error("no space left on the FAT file system: {0}")]
    NoSpace(String),
}
