//! FAT volumes made by mkfs.fat, edited by us, judged by fsck.fat and mtools.

#[path = "../support/mod.rs"]
mod support;

mod broken;
mod edits;
mod image;
mod model;
