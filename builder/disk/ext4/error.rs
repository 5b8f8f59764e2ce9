//! What can be wrong with an ext4 file system or with what is asked of it.

use std::io;

/// An error of the ext4 room.
///
/// [`Error::Unsupported`] and [`Error::Corrupt`] are told apart everywhere: the first says nothing bad about
/// the file system.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The device below failed.
    #[error("cannot read or write the device of the ext4 file system")]
    Io(#[from] io::Error),
    /// The file system is fine as far as we can tell, but uses something that pimg cannot edit.
    #[error("this ext4 file system uses a feature pimg cannot edit: {0}")]
    Unsupported(String),
    /// The file system contradicts itself.
    #[error("corrupt ext4 file system: {0}")]
    Corrupt(String),
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
    /// A value that ext4 cannot hold, such as an over-long name.
    #[error("ext4 cannot hold {0}")]
    InvalidValue(String),
    /// Blocks or inodes are used up.
    #[error("no space left on the ext4 file system: {0}")]
    NoSpace(String),
}
