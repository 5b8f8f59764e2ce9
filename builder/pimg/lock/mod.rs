//! `pimg.lock`: what a build must find unchanged.

mod check;
pub mod diff;
pub mod error;
pub mod lockfile;
mod read;
mod write;

pub use diff::{ChangeKind, LockChange, changes};
pub use error::{LockError, Mistake};
pub use lockfile::{
    LockedBase, LockedDownload, LockedKeyring, LockedModule, LockedPackage, LockedRepository, LockedSet,
    Lockfile, Totals,
};
