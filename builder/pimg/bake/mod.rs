//! Packages installed at build time: a base and a locked set of packages in, a layer of changes out.

mod archive;
mod attributes;
mod emulator;
pub mod error;
mod extract;
pub mod inside;
mod install;
mod kit;
mod log;
pub mod manifest;
pub mod normal;
mod pack;
pub mod recipe;
pub mod run;
mod seen;
