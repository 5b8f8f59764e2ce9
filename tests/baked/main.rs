//! A baked layer on its way into images: archives written by hand, with every kind of entry that a layer has and some that
//! none may have, and what the kernel, the judges and a person make of it.
#![expect(clippy::disallowed_methods, reason = "tests run pimg and its judges")]
#![allow(dead_code, reason = "other test programs use more of what is shared")]

#[path = "../support/archive.rs"]
mod archive;
#[path = "../image/judges.rs"]
mod judges;
#[path = "../support/mount.rs"]
mod mount;
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
#[path = "../packages/world.rs"]
mod world;

mod applied;
mod built;
mod elsewhere;
mod layer;
mod refused;
