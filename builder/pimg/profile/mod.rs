//! Profiles: what a node is to be, as TOML with `extends`, checked as a whole.

pub mod host;
pub mod types;
