//! `pimg build`

use super::outcome::BuildOutcome;
use super::request::BuildRequest;
use super::{Context, hosts, os_list};
use crate::failure::Failure;
use crate::pipeline::{self, Recipe};

/// Builds one image per host.
///
/// # Errors
/// The first step that fails.
pub fn run(request: &BuildRequest, context: &Context<'_>) -> Result<BuildOutcome, Failure> {
    let selected = hosts::to_make(&request.hosts, &request.ingredients, context)?;
    let out = request.out.clone().unwrap_or_else(|| context.in_project("out"));
    let (ingredients, jobs) = (&request.ingredients, request.jobs);
    let recipe = Recipe { hosts: &selected, ingredients, jobs, afresh: None };
    let built = pipeline::build(&recipe, &out, request.format, context);
    // where one host failed, others may have got new images
    let listed = os_list::refresh(&out, built.is_ok(), context);
    Ok(BuildOutcome { images: built?, imager_manifest: listed? })
}
