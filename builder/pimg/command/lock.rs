//! `pimg lock`

use super::outcome::LockOutcome;
use super::request::LockRequest;
use super::{Context, hosts};
use crate::failure::Failure;
use crate::packages::Network;
use crate::pipeline::{Preparation, prepare};

/// Resolves base, packages and downloads, and writes what was chosen to `pimg.lock`.
///
/// # Errors
/// Something cannot be had or trusted, or no set of packages fits; the lock is then as it was.
pub fn run(request: &LockRequest, context: &Context<'_>) -> Result<LockOutcome, Failure> {
    let mut selected = hosts::select(&request.hosts, context)?;
    hosts::override_base(&mut selected, request.base.as_deref())?;
    let network = Network::open(&request.packages, context)?;
    let preparation =
        Preparation { hosts: &selected, update: request.update.clone(), options: &request.packages };
    let prepared = prepare(&preparation, &network, context)?;
    let path = context.in_project("pimg.lock");
    Ok(LockOutcome::new(path, prepared.written, prepared.before.as_ref(), &prepared.lock))
}
