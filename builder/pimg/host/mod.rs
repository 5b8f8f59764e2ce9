//! The operator's machine: its files, programs, environment and clock. No other room reaches for them.

pub mod cache;
pub mod device;
pub mod env;
pub mod error;
pub mod files;
pub mod secrets;
pub mod seed;
pub mod ssh_keys;
pub mod staging;
pub mod tools;

pub use device::FileDevice;
pub use error::HostError;
pub use staging::Staging;
