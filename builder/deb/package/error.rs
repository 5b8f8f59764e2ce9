//! What is wrong with a package, and in which part of it.

use std::io;

/// A problem in a part of a package.
#[derive(Debug, thiserror::Error)]
#[error("{part}: {problem}")]
pub struct Error {
    /// `debian-binary`, `control.tar` or `data.tar`; `package` for what holds them.
    pub part: &'static str,
    /// What is wrong there.
    #[source]
    pub problem: Problem,
}

/// What can be wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The bytes are no `ar` archive.
    #[error("not a Debian package")]
    NoArchive,
    /// The header of a member is none.
    #[error("no member of an archive at byte {offset}")]
    NoMember {
        /// Where it should be, in bytes from the start.
        offset: usize,
    },
    /// The bytes end in a member.
    #[error("ends after {got} bytes, expected {expected}")]
    Truncated {
        /// Bytes that there are.
        got: usize,
        /// Bytes that the headers tell of.
        expected: u64,
    },
    /// A format that is not known.
    #[error("expected format 2.0, got `{got}`")]
    Format {
        /// The format.
        got: String,
    },
    /// A part that has to be there is not.
    #[error("missing")]
    Missing,
    /// Another part is in its place.
    #[error("expected here, got `{got}`")]
    Unexpected {
        /// Name of the other part.
        got: String,
    },
    /// It is compressed in a way that is not known.
    #[error("compressed as `{extension}`, expected `.gz`, `.xz`, `.zst` or nothing")]
    Compression {
        /// What its name ends with.
        extension: String,
    },
    /// It cannot be decompressed.
    #[error("cannot be decompressed")]
    Damaged(#[source] io::Error),
    /// It is larger than what is read of it.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// Most bytes that are read.
        limit: u64,
    },
    /// It ends inside of an entry.
    #[error("ends in the middle of an entry")]
    ShortTar,
    /// An entry is none that a package may have.
    #[error("an entry of the tar archive has no valid {field}")]
    BadEntry {
        /// The field of its header.
        field: &'static str,
    },
    /// An entry is of a kind that dpkg does not unpack.
    #[error("`{path}` is of kind `{kind}`, which packages may not have")]
    BadKind {
        /// Path of the entry.
        path: String,
        /// The byte that tells the kind.
        kind: char,
    },
    /// A path leads out of the package.
    #[error("the path `{path}` leads out of the package")]
    BadPath {
        /// The path.
        path: String,
    },
    /// A path or a text is not UTF-8.
    #[error("`{path}` is not valid UTF-8")]
    NotUtf8 {
        /// The path, with stand-ins.
        path: String,
    },
    /// A file that has to be there is not.
    #[error("has no file `{path}`")]
    NoFile {
        /// Its path.
        path: String,
    },
}

impl Error {
    pub(crate) fn new(part: &'static str, problem: Problem) -> Self {
        Self { part, problem }
    }
}
