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
//! | [`version`] | versions, in dpkg's order |
//! | [`relation`] | `Depends` and the fields like it |
//! | [`index`] | `Packages` of a repository: what may be installed |
//! | [`release`] | `Release` of a repository: what it is and the digests of its indexes |
//! | [`solve`] | what to install so that everything fits together |
//! | [`pattern`] | patterns of names in pins |
//! | [`policy`] | what apt prefers, by these pins |
//! | [`package`] | a `.deb`: its control file and its files, read and written |
//! | [`repository`] | `Packages` and `Release` of a repository, written |
//! | [`error`] | what is wrong with the bytes, and in which line |
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions)
)]

pub mod date;
pub mod deb822;
pub mod diversions;
pub mod error;
pub mod index;
pub mod md5sums;
pub mod package;
pub mod pattern;
pub mod policy;
pub mod preferences;
pub mod relation;
pub mod release;
pub mod repository;
pub mod solve;
pub mod sources;
pub mod status;
pub mod version;

pub use error::{Error, Problem};
