//! Images: opening a base, applying a plan to it, checking it, writing it out.

pub mod emit;
pub mod format;
