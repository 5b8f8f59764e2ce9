//! `pimg build`

use super::Context;
use super::outcome::BuildOutcome;
use super::request::BuildRequest;
use crate::failure::{Class, Failure};

/// Runs the command.
///
/// # Errors
/// Whatever keeps it from being done.
pub fn run(_request: &BuildRequest, _context: &Context<'_>) -> Result<BuildOutcome, Failure> {
    Err(Failure::new(Class::Internal, "`pimg build` is not part of this program yet"))
}
