//! `pimg inspect`

use super::Context;
use super::outcome::InspectOutcome;
use super::request::InspectRequest;
use crate::failure::{Class, Failure};

/// Runs the command.
///
/// # Errors
/// Whatever keeps it from being done.
pub fn run(_request: &InspectRequest, _context: &Context<'_>) -> Result<InspectOutcome, Failure> {
    Err(Failure::new(Class::Internal, "`pimg inspect` is not part of this program yet"))
}
