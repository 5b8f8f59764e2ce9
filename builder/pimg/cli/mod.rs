//! The command line: what was typed, and everything that is printed.

pub mod args;
mod bake_args;
mod bump_args;
mod dispatch;
mod doctor_args;
mod duration;
pub mod exit_code;
mod flash_args;
pub mod generate;
mod import_args;
mod inspect_args;
mod interrupt;
mod json;
mod keys_args;
mod layer_args;
mod module_args;
mod new_args;
mod package_args;
mod panic;
mod printer;
mod progress;
mod publish_args;
mod rebuild_args;
mod report;
mod run;
mod schema_args;
pub mod secret_args;
mod status;
mod status_args;
mod test_args;
mod text;

pub use run::run;
