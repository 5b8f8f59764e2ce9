//! pimg-fetch: everything that decides whether foreign bytes are trusted.
//!
//! | room | what it knows |
//! |---|---|
//! | [`digest`] | SHA-256, the name of content |
//! | [`source`] | where an image comes from, and the pins it has to match |
//! | [`http`] | downloads that survive broken connections |
//! | [`base`] | published file → verified raw image in the cache |
//! | [`cache`] | content by digest, shared between processes |
//! | [`keyring`] | OpenPGP certificates by fingerprint |
//! | [`watch`] | progress and interruption, as data |
//! | [`error`] | how all this fails |
//!
//! Inside: `decode` (formats), `pipeline` (stages and buffers), `ingest` (the stages of one image),
//! `partial` (downloads to resume), `stamp` (files recognised without reading).

pub mod base;
pub mod cache;
mod decode;
pub mod digest;
pub mod error;
pub mod http;
mod ingest;
pub mod keyring;
mod partial;
mod pipeline;
pub mod source;
mod stamp;
#[cfg(test)]
mod test_server;
pub mod watch;

pub use base::{BaseFetcher, VerifiedBase};
pub use cache::{Bucket, Cache};
pub use decode::Format;
pub use digest::Sha256Digest;
pub use error::{Class, Error, Result};
pub use http::{Client, Patience};
pub use ingest::Limits;
pub use keyring::{Certificate, Fingerprint, Keyring};
pub use source::{Pins, Source};
pub use watch::{Silent, Watch};
