//! Images: opening a base, applying a plan to it, checking it, writing it out.

pub mod apply;
pub mod base;
pub mod block_map;
pub mod bmap;
pub mod boot_target;
pub mod check;
pub mod copies;
pub mod digests;
pub mod emit;
pub mod flash;
pub mod format;
pub mod frames;
pub mod golden;
pub mod manifest;
pub mod manifest_check;
pub mod opened;
pub mod os_list;
pub mod range_digests;
pub mod release;
pub mod sbom;
pub mod size;
mod spdx;
pub mod store;
pub mod sweep;
pub mod working;
