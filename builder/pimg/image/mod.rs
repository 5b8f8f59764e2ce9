//! Images: opening a base, applying a plan to it, checking it, writing it out.

pub mod apply;
pub mod base;
pub mod emit;
pub mod format;
pub mod manifest;
pub mod size;
pub mod store;
pub mod working;
