//! `pimg build`

use super::outcome::BuildOutcome;
use super::request::BuildRequest;
use super::{Context, hosts};
use crate::failure::Failure;
use crate::pipeline::{self, Recipe};

/// Builds one image per host.
///
/// # Errors
/// The first step that fails.
pub fn run(request: &BuildRequest, context: &Context<'_>) -> Result<BuildOutcome, Failure> {
    let mut selected = hosts::load(&request.hosts, &request.ssh_keys, context)?;
    hosts::override_base(&mut selected, request.base.as_deref())?;
    if request.release {
        hosts::require_ssh_keys(&selected)?;
    }
    let out = request.out.clone().unwrap_or_else(|| context.in_project("out"));
    let recipe = Recipe {
        hosts: &selected,
        locked: request.locked,
        release: request.release,
        options: &request.packages,
        jobs: request.jobs,
    };
    Ok(BuildOutcome { images: pipeline::build(&recipe, &out, request.format, context)? })
}
