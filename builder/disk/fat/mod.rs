//! FAT32: checking, reading and editing in place.
//!
//! The editor is the crate `hadris-fat`, pinned exactly and hidden behind [`Volume`]. Measured in one run, on a
//! volume of 512 MiB with 500 long names, 100 removals, a rename and a file of 64 MiB: `hadris-fat` 3.0.0-rc.2
//! 0.8 s and `fsck.fat` content, `fatfs` 0.3.6 19 s and a volume that `fsck.fat` refuses ("expected a valid '.'
//! entry"), since its `create_dir` puts long-name slots before `.` and `..`. That `hadris-fat` is a release
//! candidate is what the check before and the judges in the tests answer.
//!
//! [`check`] reads the whole structure before the first write, so a broken volume is refused untouched.
//! Structures and names follow Microsoft's "FAT32 File System Specification" 1.03.

mod boot_sector;
mod check;
mod driver;
mod error;
mod free_space;
mod volume;

pub use check::{Summary, check};
pub use error::Error;
pub use free_space::free_space;
pub use volume::{Entry, Metadata, Volume};
