//! ext4: reading, checking, growing and editing in place.

pub mod checksum;
mod error;
pub mod features;
mod fields;
pub mod group_desc;
mod superblock;

pub use error::Error;
pub use superblock::{SUPERBLOCK_LEN, Superblock};
