//! What Raspberry Pi OS means: pure functions from bytes to bytes, no file is opened here.

pub mod base_files;
pub mod error;
pub mod inputs;
pub mod keys;
pub mod rsa;
pub mod seed;
#[cfg(test)]
mod test_support;
