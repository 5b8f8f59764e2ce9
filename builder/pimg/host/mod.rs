//! The operator's machine: its files, programs, environment and clock. No other room reaches for them.

pub mod bakes;
pub mod cache;
pub mod card;
pub mod device;
pub mod env;
pub mod error;
pub mod files;
pub mod git;
mod id_maps;
pub mod identity;
pub mod inside;
pub mod layers;
pub mod machine;
mod mounts;
pub mod namespace;
pub mod namespace_error;
pub mod new_files;
pub mod private;
pub mod random;
pub mod root_tree;
pub mod scratch;
pub mod secrets;
pub mod seed;
pub mod signing_key;
pub mod ssh;
pub mod ssh_keys;
pub mod staging;
pub mod stored;
pub mod survey;
pub mod switch;
pub mod tools;
pub mod unfinished;
pub mod whole_file;

pub use device::FileDevice;
pub use error::HostError;
pub use staging::Staging;
