//! What the rules of this room may ask of the base image.

use crate::plan::change::Partition;
use crate::plan::path::GuestPath;

/// Reads files of the base image. The image room implements it; tests use a map.
pub trait BaseFiles {
    /// The content of a regular file, symbolic links followed inside the partition; `None` where there is none.
    ///
    /// # Errors
    /// The base cannot be read.
    fn read(&self, partition: Partition, path: &GuestPath) -> Result<Option<Vec<u8>>, BaseReadError>;

    /// Names in a directory, sorted, without `.` and `..`; `None` where there is no such directory.
    ///
    /// # Errors
    /// The base cannot be read.
    fn list(&self, partition: Partition, path: &GuestPath) -> Result<Option<Vec<String>>, BaseReadError>;

    /// What stands at a path itself, symbolic links not followed; `None` where nothing does.
    ///
    /// # Errors
    /// The base cannot be read.
    fn kind(&self, partition: Partition, path: &GuestPath) -> Result<Option<EntryKind>, BaseReadError>;

    /// Whether nobody but its owner may read what is at a path of the root file system: for its own mode, or for that of a
    /// directory above it. Who shows what is in an image asks; an image of one's own making has no need to.
    ///
    /// # Errors
    /// The base cannot be read.
    fn is_private(&self, path: &GuestPath) -> Result<bool, BaseReadError> {
        let _ = path;
        Ok(false)
    }
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link with this text.
    Symlink(String),
    /// A device, pipe or socket.
    Other,
}

/// The base image could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{path}` of the base image")]
pub struct BaseReadError {
    /// The path asked for.
    pub path: GuestPath,
    /// What the image room said.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
