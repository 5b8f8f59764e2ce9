//! Overlays: features as directories of files, templates and settings.
//!
//! `overlays/<name>/` holds `rootfs/` (goes to the root file system), `boot/` (goes to the boot partition),
//! `keys/` (apt keyrings), `steps/` (scripts of the first boot) and `overlay.toml`. [`render()`] turns the overlays of one host into changes.

mod apt;
mod apt_rules;
mod downloads;
mod error;
mod files;
mod keyring;
pub mod keys;
mod layers;
mod manifest;
mod ownership;
mod packages;
mod pattern;
mod render;
mod requests;
mod step_graph;
mod steps;
mod template;
#[cfg(test)]
mod tests;
mod tree;
mod units;
mod unpack;
mod variables;

pub use apt::{AptPin, AptRequests, AptSource, Keyring, Uris, render_source};
pub use downloads::{Download, Place};
pub use error::Error;
pub use packages::{PackageRequest, PackageRequests, Preseed};
pub use pattern::Pattern;
pub use render::{Rendered, render};
pub use units::{UnitRequest, UnitRequests};
pub use unpack::unpack;
