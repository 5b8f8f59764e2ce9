//! What can be wrong with a layer.

use std::io;

/// An error of writing or opening a layer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A device below or the output failed.
    #[error("cannot read or write a layer")]
    Io(#[from] io::Error),
    /// The layer is of a format that this program does not know.
    #[error("unsupported layer: {0}")]
    Unsupported(String),
    /// The layer is cut off or was changed after it was written.
    #[error("corrupt layer: {0}")]
    Corrupt(String),
    /// The layer was made over something else than the given base.
    #[error("the layer belongs to another base: expected parent `{expected}`, got `{got}`")]
    WrongParent {
        /// The digest that the caller brought, in hexadecimal.
        expected: String,
        /// The digest that the layer names, in hexadecimal.
        got: String,
    },
}
