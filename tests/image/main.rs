//! Whole builds on a real base, judged by other people's programs.
#![expect(clippy::disallowed_methods, reason = "tests run pimg and its judges")]

#[path = "../support/mount.rs"]
mod mount;
#[path = "../support/planned.rs"]
mod planned;
#[path = "../support/mod.rs"]
mod support;

mod corruption;
mod isolation;
mod judges;
mod result;
mod sbom;
