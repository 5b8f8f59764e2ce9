//! Block devices, partition tables, FAT and ext4: bytes in, bytes out.
//!
//! Nothing in here opens a file, spawns a process, reads a clock or draws a random number: a caller brings
//! its devices and the times it wants to see, so the same calls always give the same bytes.

pub mod block;
pub mod ext4;
pub mod fat;
mod gpt;
pub mod mbr;
mod named;
pub mod overlay;
mod slice;
pub mod table;

pub use named::Named;
pub use slice::Slice;
