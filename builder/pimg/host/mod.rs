//! The operator's machine: its files, programs, environment and clock. No other room reaches for them.

pub mod env;
