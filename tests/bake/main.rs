//! Packages that are installed at build time: namespaces, what a bake leaves in a layer, and what it does not.
#![expect(clippy::disallowed_methods, reason = "tests run pimg and its judges")]

#[path = "../support/debian.rs"]
mod debian;
#[path = "../support/mod.rs"]
mod support;

mod baked;
mod built;
mod layer;
mod namespace;
mod oracle;
mod user;
