//! pimg-deb: Debian control data. Bytes in, values out; no file, no network, no clock.
//!
//! | room | what it reads or writes |
//! |---|---|
//! | [`deb822`] | stanzas and fields, the syntax under most of the others |
//! | [`status`] | `/var/lib/dpkg/status`: what is installed |
//! | [`md5sums`] | `/var/lib/dpkg/info/*.md5sums`: what packaged files were when they were packaged |
//! | [`diversions`] | `/var/lib/dpkg/diversions`: which packaged files lie elsewhere |
//! | [`sources`] | apt's sources, `.sources` and `sources.list` |
//! | [`preferences`] | apt's pins |
//! | [`error`] | what is wrong with the bytes, and in which line |
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions)
)]

pub mod deb822;
pub mod diversions;
pub mod error;
pub mod md5sums;
pub mod preferences;
pub mod sources;
pub mod status;

pub use error::{Error, Problem};
