//! `pimg verify`

use super::Context;
use super::outcome::VerifyOutcome;
use super::request::VerifyRequest;
use crate::failure::{Class, Failure};

/// Runs the command.
///
/// # Errors
/// Whatever keeps it from being done.
pub fn run(_request: &VerifyRequest, _context: &Context<'_>) -> Result<VerifyOutcome, Failure> {
    Err(Failure::new(Class::Internal, "`pimg verify` is not part of this program yet"))
}
