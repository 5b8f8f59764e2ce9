//! The machines of `pimg test`, as values: how QEMU is called, what a console says, when the power is cut, what is
//! reported. Nothing in here starts a program, opens a file or knows what time it is.

pub mod console;
pub mod cuts;
pub mod error;
pub mod harness;
pub mod junit;
pub mod qemu;
pub mod steps;
pub mod track;

pub use error::MachineError;
