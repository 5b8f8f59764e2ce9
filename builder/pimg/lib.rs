//! `pimg` turns a stock Raspberry Pi OS Lite image into finished, flashable images, one per node.
//!
//! The rooms, and what belongs in each, are in `builder/README.md`.

pub mod guest;
pub mod overlay;
pub mod plan;
pub mod profile;
pub mod progress;
pub mod secret;
