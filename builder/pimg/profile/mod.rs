//! Profiles: what a node is to be, as TOML with `extends`, checked as a whole.

pub(crate) mod check;
mod check_network;
pub(crate) mod document;
pub mod draft;
mod error;
pub mod host;
pub mod keys;
mod load;
pub mod mirrors;
pub(crate) mod package_names;
pub mod pin;
pub mod problem;
mod raw;
pub mod schema;
pub mod secrets;
mod ssh_key;
#[cfg(test)]
pub(crate) mod tests;
pub mod types;
pub mod user_config;
pub(crate) mod values;

pub use error::Error;
pub use load::Profiles;
