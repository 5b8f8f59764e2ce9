//! ext4: reading, checking, growing and editing in place.

mod adapter;
pub mod checksum;
mod editor;
mod error;
pub mod features;
mod fields;
pub mod group_desc;
mod grow;
mod superblock;

pub use editor::{Attributes, Editor, NodeKind, Timestamp};
pub use error::Error;
pub use grow::grow;
pub use superblock::{SUPERBLOCK_LEN, Superblock};
