//! The verbs of the command line, one file each: a request in, an outcome out, nothing printed.

pub mod build;
pub mod check;
pub mod clean;
pub mod context;
pub mod diff;
pub mod fetch;
pub mod flash;
mod hosts;
pub mod inspect;
pub mod lock;
pub mod outcome;
mod packages;
pub mod plan;
pub mod request;
pub mod schema;
pub mod secrets;
pub mod seed;
pub mod status;
pub mod test;
pub mod verify;
pub(crate) mod watch;

pub use context::Context;
