//! ext4: reading, checking, growing and editing in place.

mod error;

pub use error::Error;
