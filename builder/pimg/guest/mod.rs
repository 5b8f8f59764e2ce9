//! What Raspberry Pi OS means: pure functions from bytes to bytes, no file is opened here.

pub mod accounts;
pub mod attributes;
pub mod baked;
pub mod base_files;
pub mod boot_config;
pub mod boot_facts;
pub mod cloud_init;
pub mod compose;
pub mod cpio;
pub mod error;
pub mod facts;
pub mod first_boot_safety;
pub mod hosts;
pub mod inputs;
pub mod inventory;
pub mod keys;
pub mod locale;
pub mod network;
pub mod nic_names;
pub mod node_status;
pub mod overlaid;
pub mod packages;
pub mod per_host;
pub mod prime_notes;
pub mod rsa;
pub mod secrecy;
pub mod secrets;
pub mod seed;
pub mod seed_bundle;
pub mod shell;
pub mod ssh;
pub mod steps;
pub mod time;
pub mod units;
pub mod user;

pub use compose::changes;
pub use error::Error;
pub use inputs::Inputs;
pub use keys::Keyring;
pub use prime_notes::Notes;
pub use seed::disk_id;

#[cfg(test)]
mod test_support;
#[cfg(test)]
mod units_test;
