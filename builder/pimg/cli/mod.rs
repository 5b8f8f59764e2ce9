//! The command line: what was typed, and everything that is printed.

pub mod args;
mod dispatch;
pub mod exit_code;
pub mod generate;
mod interrupt;
mod json;
mod panic;
mod printer;
mod progress;
mod report;
mod run;
mod text;

pub use run::run;
