//! Kernel modules that are built ahead: real headers, a real compiler out of Debian's archive, and in place of OpenZFS two
//! modules of a few lines, which compile in seconds the same way.
#![expect(clippy::disallowed_methods, reason = "tests run pimg and its judges")]
#![allow(dead_code, reason = "other test programs use more of what is shared")]

#[path = "../support/archive.rs"]
mod archive;
#[path = "../support/debian.rs"]
mod debian;
#[path = "../support/signing.rs"]
mod signing;
#[path = "../support/site.rs"]
mod site;
#[path = "../support/mod.rs"]
mod support;

mod built;
mod package;
mod refused;
mod user;
mod world;
