//! Verifying a whole file system: what `e2fsck -fn` would complain of in ordinary breakage.

mod allocation;
mod backups;
mod directories;
mod inodes;
mod resize_inode;
mod run;

pub use run::{Summary, check};
