//! Packages and the lock, as a person meets them: small signed repositories on the loopback address, one thing wrong
//! with each, and what pimg says.
#![expect(clippy::disallowed_methods, reason = "tests run pimg and its judges")]

#[path = "../support/archive.rs"]
mod archive;
#[path = "../support/signing.rs"]
mod signing;
#[path = "../support/site.rs"]
mod site;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tiny_base.rs"]
mod tiny_base;
#[path = "../support/tls.rs"]
mod tls;

mod apt;
mod bump;
mod keys;
mod lock;
mod mirrors;
mod offline;
mod published;
mod solution;
mod stand_in;
mod trust;
mod world;
