//! Why a baked layer cannot become a base.

use std::io;
use std::path::PathBuf;

use pimg_disk::{ext4, fat, overlay};

use crate::failure::{Class, Fault};
use crate::image::base::{BaseError, is_of_the_disk};
use crate::image::working::WorkingError;

/// Why a baked layer cannot become a base.
#[derive(Debug, thiserror::Error)]
pub enum BakedError {
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system or the decoder said.
        #[source]
        source: io::Error,
    },
    /// It is another file than its manifest tells of.
    #[error("the layer is not what its manifest says: expected {what} {expected}, got {got}")]
    Differs {
        /// What of it, such as `sha256`.
        what: &'static str,
        /// By the manifest.
        expected: String,
        /// As found.
        got: String,
    },
    /// The manifest asks for something that cannot be.
    #[error("the manifest of the layer contradicts itself: {0}")]
    Manifest(String),
    /// An entry is not what a layer may hold.
    #[error("the layer cannot be used: `{path}` {problem}")]
    Entry {
        /// Its path, as far as it is known.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// There is more in the archive than entries.
    #[error("the layer cannot be used: its archive {0}")]
    Archive(&'static str),
    /// The root file system refuses an entry.
    #[error("cannot apply `{path}` of the layer to the root file system")]
    Root {
        /// The path.
        path: String,
        /// What the file system said.
        #[source]
        source: ext4::Error,
    },
    /// The boot partition refuses an entry.
    #[error("cannot apply `{path}` of the layer to the boot partition")]
    Boot {
        /// The path.
        path: String,
        /// What the file system said.
        #[source]
        source: fat::Error,
    },
    /// The base cannot be grown.
    #[error(transparent)]
    Working(#[from] WorkingError),
    /// The edited image cannot be opened.
    #[error("the baked base cannot be opened again")]
    Open(#[from] BaseError),
    /// What was applied reads back otherwise.
    #[error("`{path}` of the layer reads back otherwise: {found}")]
    ReadBack {
        /// The path.
        path: String,
        /// What is there instead.
        found: String,
    },
    /// The blocks cannot be written.
    #[error("cannot write the baked base")]
    Write(#[source] overlay::Error),
    /// The person asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl BakedError {
    pub(super) fn entry(path: &[u8], problem: impl Into<String>) -> Self {
        Self::Entry { path: shown(path), problem: problem.into() }
    }
}

/// Most bytes of a path that a person is shown.
const SHOWN: usize = 200;

/// A path of an archive for a person: what is no text is shown by number, and a long one by its beginning.
pub(super) fn shown(path: &[u8]) -> String {
    let start = path.get(..SHOWN).unwrap_or(path);
    let text = start.utf8_chunks().fold(String::new(), |text, chunk| {
        let bad = chunk.invalid().escape_ascii();
        text + &chunk.valid().escape_debug().to_string() + &bad.to_string()
    });
    if start.len() < path.len() { text + "…" } else { text }
}

impl Fault for BakedError {
    fn class(&self) -> Class {
        match self {
            Self::Read { source, .. } if is_of_the_disk(source) => Class::Host,
            // what came from elsewhere is not what was promised
            Self::Read { .. }
            | Self::Differs { .. }
            | Self::Manifest(_)
            | Self::Entry { .. }
            | Self::Archive(_) => Class::Trust,
            Self::Root { source: ext4::Error::Io(_), .. }
            | Self::Boot { source: fat::Error::Io(_), .. }
            | Self::Write(_) => Class::Host,
            Self::Root { .. } | Self::Boot { .. } => Class::Base,
            Self::Working(error) => error.class(),
            Self::Open(error) => error.class(),
            Self::ReadBack { .. } => Class::Internal,
            Self::Interrupted => Class::Interrupted,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Differs { .. } | Self::Manifest(_) | Self::Entry { .. } | Self::Archive(_) => {
                "remove the layer's directory in `bake-v1/` of the cache: it is made or fetched again"
            }
            Self::Boot { source: fat::Error::NoSpace(_), .. } => {
                "the boot partition of the base is too small for what the packages put there: hold the kernel, or use a base with a larger one"
            }
            Self::Working(error) => return error.hints(),
            Self::Open(error) => return error.hints(),
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}
