//! Artefacts in OCI's sense: files that a manifest names by digest, and the places that keep them.
//!
//! A place is a registry, or a store of plain files: a bucket of S3, a web server, a directory. In a store every tag is
//! a directory in the form of an OCI image layout, so that any web server can offer what `tar` unpacked:
//!
//! ```text
//! STORE/<tag>/oci-layout
//! STORE/<tag>/index.json              one manifest
//! STORE/<tag>/blobs/sha256/<digest>   the manifest, its config and its layers
//! ```
//! Bytes that come from a place are compared with the digest that named them before anybody sees them. Only the manifest
//! of a tag has none: whoever asks for it has to know what it may name.
//!
//! Both clients are asynchronous. Their runtime is in `runtime`, one thread, and nothing outside of this room knows.

mod descriptor;
mod docker;
mod download;
mod error;
mod layout;
mod place;
mod reference;
mod registry;
mod runtime;
mod store;
#[cfg(test)]
mod tests;
mod upload;

pub use descriptor::{Descriptor, Document, INDEX, MANIFEST, Manifest};
pub use docker::{Account, DockerConfig, server_name};
pub use error::{PlaceError, Problem};
pub use layout::{INDEX_FILE, LAYOUT_FILE, LAYOUT_TEXT, blob_path, index};
pub use place::Place;
pub use reference::{BadReference, Reference};
pub use upload::{Blob, Content, Sent};
