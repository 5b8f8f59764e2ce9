//! What Raspberry Pi OS means: pure functions from bytes to bytes, no file is opened here.

pub mod base_files;
