//! Baked layers as artefacts: out of the cache and into it, as a file or to a place that keeps them for others.
//!
//! A layer comes into the cache whole and only when all of it was found to be what its papers say: digests, lengths, every
//! path of its archive, and the signature where the project has a key.

mod account;
mod archive;
mod error;
mod place;
mod signature;
mod store;

pub use archive::{export, import};
pub use error::LayerError;
pub use place::{obtain, place, pull, push, source};
pub use signature::Vouched;
pub use store::{KeptLayer, Taken, find, kept, list};
