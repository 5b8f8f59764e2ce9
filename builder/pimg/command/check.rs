//! `pimg check`

use super::Context;
use super::outcome::CheckOutcome;
use super::request::CheckRequest;
use crate::failure::{Class, Failure};

/// Runs the command.
///
/// # Errors
/// Whatever keeps it from being done.
pub fn run(_request: &CheckRequest, _context: &Context<'_>) -> Result<CheckOutcome, Failure> {
    Err(Failure::new(Class::Internal, "`pimg check` is not part of this program yet"))
}
