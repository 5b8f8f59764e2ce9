//! `pimg clean`

use super::Context;
use super::outcome::CleanOutcome;
use super::request::CleanRequest;
use crate::failure::{Class, Failure};

/// Runs the command.
///
/// # Errors
/// Whatever keeps it from being done.
pub fn run(_request: &CleanRequest, _context: &Context<'_>) -> Result<CleanOutcome, Failure> {
    Err(Failure::new(Class::Internal, "`pimg clean` is not part of this program yet"))
}
