//! `pimg.lock`: what a build must find unchanged.

pub mod error;
pub mod lockfile;

pub use error::LockError;
pub use lockfile::{LockedBase, Lockfile};
