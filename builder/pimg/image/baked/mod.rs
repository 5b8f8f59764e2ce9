//! A baked layer becomes blocks over the base.
//!
//! What a bake leaves is an archive: a tar of what it changed, compressed, in the form of a layer of an OCI image. It may
//! come from another machine, so nothing in it is believed: each entry is checked before it is applied, with the same
//! editor as every other change, and read back afterwards. The result is one more layer over the base, kept in the cache
//! as golden layers are, and opened as the base of everything that comes later.
//!
//! ```text
//! pax ──► entry ──► order ──► archive ──► apply ──► check
//! records  what an   what may  all of it,  edits of  reads
//! before   entry     stand     in one      ext4 and  it
//! a header is        where     pass        FAT       back
//! ```

mod apply;
mod archive;
mod boot;
mod check;
mod entry;
mod error;
mod layer;
mod order;
pub mod pax;

pub use archive::{inspect, paths};
pub use error::BakedError;
pub use layer::{BakedInputs, LayerFile};
