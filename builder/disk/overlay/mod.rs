//! Copy-on-write block devices and the layers they become.
//!
//! A base image is never changed: an [`Overlay`] keeps what was written over it, block by block, and can be
//! written out as a layer. A [`Layer`] is a device again and the base of the next overlay.

mod compose;
mod cow;
mod error;
mod layer;
mod store;

pub use cow::Overlay;
pub use error::Error;
pub use layer::{Digest, Layer};
pub use store::{BLOCK_SIZE, Block, BlockStore, MemoryStore};
