//! Overlays: features as directories of files, templates and settings.
//!
//! `overlays/<name>/` holds `rootfs/` (goes to the root file system), `boot/` (goes to the boot partition),
//! `keys/` (apt keyrings) and `overlay.toml`. [`render()`] turns the overlays of one host into changes.

mod apt;
mod apt_rules;
mod error;
mod files;
mod keyring;
mod layers;
mod manifest;
mod ownership;
mod pattern;
mod render;
mod template;
#[cfg(test)]
mod tests;
mod tree;
mod units;
mod variables;

pub use apt::{AptPin, AptRequests, AptSource, Keyring, Uris, render_source};
pub use error::Error;
pub use render::{Rendered, render};
pub use units::{UnitRequest, UnitRequests};
