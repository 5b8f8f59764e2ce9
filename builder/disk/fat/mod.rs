//! FAT32: checking, reading and editing in place.
//!
//! The editor is the crate `hadris-fat`, pinned exactly and hidden behind [`Volume`]. Measured on a 512 MiB
//! volume with cmdline, config, 500 long names, removals, renames and a file of 64 MiB, judged by `fsck.fat`
//! and mtools: `hadris-fat` 3.0.0-rc.2 was clean in 0.23 s; `fatfs` 0.3.6 took 7.7 s and left a volume that
//! `fsck.fat` refuses, since its `create_dir` puts long-name slots before `.` and `..` and lets `..` name
//! cluster 2 instead of 0. That `hadris-fat` is a release candidate is what the checks and tests here answer.
//!
//! [`check`] reads the whole structure before the first write, so a broken volume is refused untouched.
//! Structures and names follow Microsoft's "FAT32 File System Specification" 1.03.

mod boot_sector;
mod check;
mod driver;
mod error;
mod volume;

pub use check::{Summary, check};
pub use error::Error;
pub use volume::{Entry, Metadata, Volume};
