//! Which hosts a command is about: profiles, with what the command line puts in their place.

use std::path::{Path, PathBuf};

use super::Context;
use super::request::Selection;
use crate::failure::{Class, Failure};
use crate::host::ssh_keys;
use crate::profile::Profiles;
use crate::profile::host::HostSpec;

/// Loads and checks the selected profiles, and gives each host its keys.
///
/// # Errors
/// Everything that is wrong with the profiles; a host that nobody could log in to.
pub(super) fn load(
    selection: &Selection,
    ssh_key_files: &[PathBuf],
    context: &Context<'_>,
) -> Result<Vec<HostSpec>, Failure> {
    let profiles = Profiles::open(&context.project)?;
    let names = match selection {
        Selection::Named(names) => names.clone(),
        Selection::All => profiles.buildable()?,
    };
    if names.is_empty() {
        return Err(Failure::new(Class::Profile, "there is no profile with a `hostname`")
            .hint("write one: `extends = \"k8sctl\"`, `hostname = \"…\"`, `network.address = \"…\"`"));
    }
    let mut hosts = profiles.load(&names)?;
    let given = keys_of(ssh_key_files)?;
    let mut operators = None;
    for host in &mut hosts {
        if !given.is_empty() {
            host.user.ssh_keys.clone_from(&given);
        } else if host.user.ssh_keys.is_empty() {
            let keys = match &operators {
                Some(keys) => keys,
                None => operators.insert(keys_of_operator(context)?),
            };
            host.user.ssh_keys.clone_from(keys);
        }
        require_login(host)?;
    }
    Ok(hosts)
}

/// Lets `--base` take the place of the profiles' base and its pins. A relative path is relative to the working
/// directory.
pub(super) fn override_base(hosts: &mut [HostSpec], base: Option<&str>) -> Result<(), Failure> {
    let Some(base) = base else { return Ok(()) };
    let source = if base.contains("://") || base.starts_with("file:") {
        base.to_owned()
    } else {
        let path = std::path::absolute(Path::new(base))
            .map_err(|error| Failure::caused_by(Class::Host, format!("cannot find `{base}`"), error))?;
        path.to_string_lossy().into_owned()
    };
    for host in hosts {
        host.base.source.clone_from(&source);
        host.base.sha256 = None;
        host.base.raw_sha256 = None;
    }
    Ok(())
}

fn keys_of(files: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let mut keys: Vec<String> = Vec::new();
    for file in files {
        for key in ssh_keys::read(file)? {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    Ok(keys)
}

fn keys_of_operator(context: &Context<'_>) -> Result<Vec<String>, Failure> {
    match context.environment.home() {
        Some(home) => Ok(ssh_keys::of_operator(&home)?),
        None => Ok(Vec::new()),
    }
}

fn require_login(host: &HostSpec) -> Result<(), Failure> {
    if !host.user.ssh_keys.is_empty() || host.user.password_hash.is_some() {
        return Ok(());
    }
    let message =
        format!("nobody could log in to `{}`: it has neither an ssh key nor a password", host.hostname);
    Err(Failure::new(Class::Profile, message)
        .hint("make a key with `ssh-keygen -t ed25519`, or name one with `--ssh-key FILE`")
        .hint("or set `user.password_hash` in the profile"))
}
