//! `pimg` turns a stock Raspberry Pi OS Lite image into finished, flashable images, one per node.
//!
//! The rooms, and what belongs in each, are in `builder/README.md`.

pub mod bake;
pub mod cli;
pub mod command;
pub mod failure;
#[doc(hidden)]
pub mod fuzzing;
pub mod guest;
pub mod host;
pub mod image;
pub mod inventory;
pub mod lock;
pub mod machine;
pub mod module;
pub mod overlay;
pub mod packages;
pub mod pipeline;
pub mod plan;
pub mod profile;
pub mod progress;
pub mod secret;
