//! ext4: reading, checking, growing and editing in place.

mod adapter;
pub mod bitmap;
mod block_map;
mod check;
pub mod checksum;
mod dir_entry;
mod dir_hash;
mod dir_htree;
mod directory;
mod editor;
mod error;
mod extent;
pub mod features;
mod fields;
mod file;
mod geometry;
pub mod group_desc;
mod grow;
pub mod inode;
mod journal;
mod raw_inode;
mod reader;
mod superblock;
mod walk;
mod xattr;

pub use check::{Summary, check};
pub use directory::DirEntry;
pub use editor::{Attributes, Editor, NodeKind};
pub use error::Error;
pub use extent::Extent;
pub use file::File;
pub use grow::grow;
pub use inode::{Inode, Kind, Timestamp};
pub use reader::Reader;
pub use superblock::{SUPERBLOCK_LEN, Superblock};
pub use xattr::Xattr;
