//! `pimg build`

use super::outcome::BuildOutcome;
use super::request::BuildRequest;
use super::{Context, hosts};
use crate::failure::{Class, Failure};
use crate::host::files;
use crate::lock::LockError;
use crate::lock::lockfile::Lockfile;
use crate::pipeline::{self, BuildPlan};
use pimg_fetch::digest::Sha256Digest;

/// Longest lock that is read, in bytes.
const LONGEST_LOCK: u64 = 64 << 20;

/// Builds one image per host.
///
/// # Errors
/// The first step that fails.
pub fn run(request: &BuildRequest, context: &Context<'_>) -> Result<BuildOutcome, Failure> {
    let mut selected = hosts::load(&request.hosts, &request.ssh_keys, context)?;
    hosts::override_base(&mut selected, request.base.as_deref())?;
    let text = files::read_optional(&context.in_project("pimg.lock"), LONGEST_LOCK)?;
    let lock_sha256 = text.as_deref().map(|text| Sha256Digest::of(text).to_string());
    let lock = if request.locked { Some(read_lock(text)?) } else { None };
    let out = request.out.clone().unwrap_or_else(|| context.in_project("out"));
    let plan = BuildPlan {
        hosts: &selected,
        out: &out,
        format: request.format,
        offline: request.offline,
        lock: lock.as_ref(),
        lock_sha256,
    };
    Ok(BuildOutcome { images: pipeline::build(&plan, context)? })
}

fn read_lock(text: Option<Vec<u8>>) -> Result<Lockfile, Failure> {
    let text = text.ok_or(LockError::NoBase)?;
    let text = String::from_utf8(text)
        .map_err(|error| Failure::caused_by(Class::Lock, "`pimg.lock` is not UTF-8 text", error))?;
    Ok(Lockfile::parse(&text)?)
}
