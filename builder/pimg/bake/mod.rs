//! Packages installed at build time: a base and a locked set of packages in, a layer of changes out.

pub mod error;
pub mod inside;
pub mod manifest;
pub mod run;
