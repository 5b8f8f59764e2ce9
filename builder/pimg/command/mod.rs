//! The verbs of the command line, one file each: a request in, an outcome out, nothing printed.

pub mod build;
pub mod bump;
pub mod check;
pub mod clean;
pub mod context;
pub mod diff;
pub mod doctor;
pub mod fetch;
pub mod flash;
mod hosts;
mod images;
pub mod import;
pub mod inside;
pub mod inspect;
pub mod keys;
pub mod lock;
pub mod module;
pub mod new_project;
mod os_list;
pub mod outcome;
mod packages;
pub mod plan;
mod project_files;
pub mod publish;
pub mod rebuild;
pub mod request;
pub mod schema;
pub mod secrets;
mod sections;
pub mod seed;
mod shipped;
pub mod status;
pub mod test;
pub mod verify;
pub(crate) mod watch;

pub use context::Context;
