//! Growing an ext4 file system that nobody has mounted, up to the end of a longer device.

mod geometry;
mod groups;
mod resize_inode;
mod run;

pub use run::grow;
