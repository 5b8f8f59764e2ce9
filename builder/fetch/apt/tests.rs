//! Repositories made by the publishers' own tools, served on the loopback address and as directories.

mod archive;
mod good;
mod judged;
mod refused;

use super::*;
use crate::source::Source;
