//! `pimg plan`

use super::Context;
use super::outcome::PlanOutcome;
use super::request::PlanRequest;
use crate::failure::{Class, Failure};

/// Runs the command.
///
/// # Errors
/// Whatever keeps it from being done.
pub fn run(_request: &PlanRequest, _context: &Context<'_>) -> Result<PlanOutcome, Failure> {
    Err(Failure::new(Class::Internal, "`pimg plan` is not part of this program yet"))
}
