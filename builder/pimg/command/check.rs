//! `pimg check`

use std::path::Path;

use super::outcome::{CheckOutcome, CheckedHost};
use super::request::CheckRequest;
use super::{Context, hosts};
use crate::failure::Failure;
use crate::host::seed;
use crate::overlay;

/// Checks profiles and overlays, as far as that goes without a base image.
///
/// # Errors
/// Everything that is wrong.
pub fn run(request: &CheckRequest, context: &Context<'_>) -> Result<CheckOutcome, Failure> {
    let mut outcome = CheckOutcome { hosts: Vec::new(), warnings: Vec::new() };
    for host in hosts::load(&request.hosts, &request.ssh_keys, context)? {
        let rendered = overlay::render(&context.project.join("overlays"), &host)?;
        for notice in rendered.notices {
            if !outcome.warnings.contains(&notice) {
                outcome.warnings.push(notice);
            }
        }
        outcome.hosts.push(CheckedHost {
            seed: seed::path(Path::new("."), host.seed_name()),
            host: host.hostname.to_string(),
            profile: host.profile,
            address: host.network.address.to_string(),
            overlays: host.overlays,
        });
    }
    Ok(outcome)
}
