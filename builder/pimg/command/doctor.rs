//! `pimg doctor`

use std::collections::BTreeSet;

use pimg_fetch::{Client, Patience};

use super::outcome::DoctorOutcome;
use super::request::{DoctorRequest, Selection};
use super::watch::WatchReporter;
use super::{Context, hosts};
use crate::failure::Failure;
use crate::host::{identity, seed, stored, survey};
use crate::profile::host::HostSpec;

mod judge;
mod packages;

use judge::{PROGRAMS, Project};

/// Longest base image that a server is asked about, in bytes: any. Nothing of it is read.
const ANY_LENGTH: u64 = u64::MAX;

/// Looks at this machine and at the project, and says what is missing.
///
/// # Errors
/// The person asked to stop. What is missing is no error here.
pub fn run(request: &DoctorRequest, context: &Context<'_>) -> Result<DoctorOutcome, Failure> {
    let wanted: Vec<&'static str> = PROGRAMS.iter().map(|(program, _)| *program).collect();
    let survey = survey::look(context.environment, &context.project, &wanted);
    context.check_interrupt()?;
    let project = project(request, context);
    Ok(DoctorOutcome { checks: judge::judge(&survey, &project, &request.commands) })
}

fn project(request: &DoctorRequest, context: &Context<'_>) -> Project {
    let is_there = |name: &str| context.project.join(name).exists();
    let mut project = Project {
        overlays: is_there("overlays"),
        lock: is_there("pimg.lock"),
        secrets: is_there(stored::FILE),
        age_key: identity::path(context.environment).is_ok_and(|path| identity::load(&path).is_ok()),
        ..Project::default()
    };
    if !is_there("profiles") {
        return project;
    }
    let hosts = hosts::select(&Selection::All, context);
    if let Ok(hosts) = &hosts {
        project.has_login =
            hosts.iter().all(|host| !host.user.ssh_keys.is_empty() || host.user.password_hash.is_some());
        let names: BTreeSet<&str> = hosts.iter().map(HostSpec::seed_name).collect();
        let seed = |name: &str| (name.to_owned(), seed::path(&context.project, name).exists());
        project.seeds = names.into_iter().map(seed).collect();
        project.network =
            hosts.first().filter(|_| request.network).and_then(|host| reach(&host.base.source, context));
    }
    project.profiles = Some(match hosts {
        Ok(hosts) => Ok(hosts.len()),
        Err(failure) => Err(failure.messages().join(": ")),
    });
    project
}

/// Asks the server of the base image whether it has it. A file of this machine needs no network.
fn reach(source: &str, context: &Context<'_>) -> Option<(String, Result<(), String>)> {
    let url = source.parse().ok().filter(|_| source.starts_with("http"))?;
    let patience = Patience { retries: 0, ..Patience::default() };
    let watch = WatchReporter::new(context.reporter);
    let asked = Client::new(patience).and_then(|client| client.open(&url, None, 0, ANY_LENGTH, &watch));
    Some((source.to_owned(), asked.map(drop).map_err(|error| error.to_string())))
}
