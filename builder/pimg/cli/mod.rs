//! The command line: what was typed, and everything that is printed.

pub mod args;
