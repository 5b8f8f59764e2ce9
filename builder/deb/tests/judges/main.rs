//! dpkg and apt judge what this package reads and writes.

mod package;
mod policy;
mod repository;
mod status;
mod support;
mod version;
