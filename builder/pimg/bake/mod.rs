//! Packages installed at build time: a base and a locked set of packages in, a layer of changes out.

mod archive;
pub mod artefact;
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
pub mod oci_archive;
mod pack;
pub mod provenance;
pub mod recipe;
pub mod refusal;
pub mod run;
mod seen;
#[cfg(test)]
mod test_layer;
pub mod vet;
