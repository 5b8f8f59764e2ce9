//! From what profiles and overlays ask of Debian's packages to files that go into an image.
//!
//! ```text
//! wishes ──► sources ──► keys ──► resolve ──► guard ──► settle ──► obtain
//! what is     where it    whose    a set that   that the   pimg.lock   .debs and downloads,
//! asked for   is looked   word     fits         node can               as changes of the image
//!             for         counts                use
//! ```
//! With a lock that fits, everything between `wishes` and `obtain` is left out: no index is read, and the network
//! serves only for what the cache does not have.

mod error;
mod fetching;
mod guard;
mod kernel;
mod keys;
mod network;
mod obtain;
mod options;
mod prebuilt;
mod resolve;
mod settle;
mod snapshots;
mod sources;
mod vanished;
mod wishes;

pub use error::PackagesError;
pub use guard::hostname_resolves;
pub use network::Network;
pub use obtain::{Obtained, fetch_all, fetch_modules, obtain};
pub use options::{Options, Update};
pub use pimg_fetch::keyring::Fingerprint;
pub use prebuilt::ModuleFile;
pub use settle::{Settled, Settling, settle};
pub use wishes::Wishes;
