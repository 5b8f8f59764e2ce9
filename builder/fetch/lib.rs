//! pimg-fetch: everything that decides whether foreign bytes are trusted.
//!
//! | room | what it knows |
//! |---|---|
//! | [`digest`] | SHA-256, the name of content |
//! | [`source`] | where an image comes from, and the pins it has to match |
//! | [`http`] | downloads that survive broken connections |
//! | [`base`] | published file → verified raw image in the cache |
//! | [`batch`] | many pinned files at once, and content that is seen for the first time |
//! | [`artefact`] | files that a manifest of OCI names, and registries and stores that keep them |
//! | [`apt`] | repository → verified package indexes in the cache |
//! | [`cache`] | content by digest, shared between processes |
//! | [`vault`] | a folder that outlives the upstreams |
//! | [`keyring`] | OpenPGP certificates by fingerprint, and signatures by them |
//! | [`minisign`] | minisign's keys and signatures |
//! | [`dsse`] | what is signed of an attestation |
//! | [`instant`] | points in time as messages show them |
//! | [`watch`] | progress and interruption, as data |
//! | [`error`] | how all this fails |
//!
//! Inside: `copy` (files that are digested on their way), `decode` (formats), `pipeline` (stages and buffers), `ingest` (the stages of one image),
//! `partial` (downloads to resume), `stamp` (files recognised without reading).

pub mod apt;
pub mod artefact;
pub mod base;
pub mod batch;
pub mod cache;
mod copy;
mod decode;
pub mod digest;
pub mod dsse;
pub mod error;
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
mod ingest;
pub mod instant;
pub mod keyring;
pub mod minisign;
mod partial;
mod pipeline;
pub mod source;
mod stamp;
#[cfg(test)]
mod test_gpg;
#[cfg(test)]
mod test_server;
pub mod vault;
pub mod watch;

pub use apt::{ArchiveFetcher, Hop, IndexFile, Refusal, Repository, Snapshot};
pub use base::{BaseFetcher, VerifiedBase};
pub use batch::{Batch, Wanted};
pub use cache::{Bucket, Cache};
pub use decode::Format;
pub use digest::Sha256Digest;
pub use error::{Class, Error, Result};
pub use http::{Client, Patience};
pub use ingest::Limits;
pub use instant::Instant;
pub use keyring::{Certificate, Fingerprint, Keyring, SignatureProblem};
pub use source::{Pins, Source};
pub use vault::{Vault, base_from_vault, base_to_vault};
pub use watch::{Silent, Watch};
