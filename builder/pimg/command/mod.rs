//! The verbs of the command line, one file each: a request in, an outcome out, nothing printed.

pub mod build;
pub mod check;
pub mod clean;
pub mod context;
mod hosts;
pub mod inspect;
pub mod outcome;
pub mod plan;
pub mod request;
pub mod verify;
pub(crate) mod watch;

pub use context::Context;
