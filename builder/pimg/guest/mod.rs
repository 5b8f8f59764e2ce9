//! What Raspberry Pi OS means: pure functions from bytes to bytes, no file is opened here.

pub mod accounts;
pub mod base_files;
pub mod boot_config;
pub mod cloud_init;
pub mod cpio;
pub mod error;
pub mod first_boot_safety;
pub mod hosts;
pub mod inputs;
pub mod keys;
pub mod network;
pub mod nic_names;
pub mod rsa;
pub mod seed;
pub mod time;
pub mod units;

#[cfg(test)]
mod test_support;
#[cfg(test)]
mod units_test;
