//! Which hosts a command is about: profiles, with what the command line puts in their place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Context;
use super::request::{Ingredients, Selection};
use crate::failure::{Class, Failure};
use crate::host::{files, ssh_keys};
use crate::profile::Profiles;
use crate::profile::host::{HostSpec, Mirror};
use crate::profile::{mirrors, user_config};

/// Longest file of settings that is read, in bytes.
const LONGEST_SETTINGS: u64 = 1 << 20;

/// Loads and checks the selected profiles.
///
/// # Errors
/// Everything that is wrong with the profiles.
pub(super) fn select(selection: &Selection, context: &Context<'_>) -> Result<Vec<HostSpec>, Failure> {
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
    let own = mirrors_of_operator(context)?;
    for host in &mut hosts {
        // what the profile says wins
        host.mirrors = mirrors::merge(&host.mirrors, &own);
    }
    Ok(hosts)
}

/// The names of the profiles that have a `hostname`.
///
/// # Errors
/// A profile cannot be read.
pub(super) fn buildable(context: &Context<'_>) -> Result<Vec<String>, Failure> {
    Ok(Profiles::open(&context.project)?.buildable()?)
}

/// The selected hosts as they are to be made of these ingredients.
///
/// # Errors
/// As [`load`]; a base that cannot be named; a host of an image to be published that nobody could log in to.
pub(super) fn to_make(
    selection: &Selection,
    ingredients: &Ingredients,
    context: &Context<'_>,
) -> Result<Vec<HostSpec>, Failure> {
    let mut hosts = load(selection, &ingredients.ssh_keys, context)?;
    override_base(&mut hosts, ingredients.base.as_deref())?;
    override_bake(&mut hosts, ingredients.bake);
    if ingredients.release {
        require_ssh_keys(&hosts)?;
    }
    Ok(hosts)
}

/// Loads and checks the selected profiles, and gives each host its keys.
///
/// # Errors
/// Everything that is wrong with the profiles; a host that nobody could log in to.
pub(super) fn load(
    selection: &Selection,
    ssh_key_files: &[PathBuf],
    context: &Context<'_>,
) -> Result<Vec<HostSpec>, Failure> {
    let mut hosts = select(selection, context)?;
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

/// The mirrors in the operator's own settings.
fn mirrors_of_operator(context: &Context<'_>) -> Result<BTreeMap<String, Mirror>, Failure> {
    let Some(path) = context.environment.config_dir().map(|directory| directory.join("config.toml")) else {
        return Ok(BTreeMap::new());
    };
    let Some(bytes) = files::read_optional(&path, LONGEST_SETTINGS)? else { return Ok(BTreeMap::new()) };
    let text = String::from_utf8(bytes).map_err(|error| {
        Failure::caused_by(Class::Profile, format!("`{}` is not UTF-8 text", path.display()), error)
    })?;
    Ok(user_config::parse(&path.display().to_string(), &text)?)
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

/// Lets `--bake` and `--no-bake` take the place of what the profiles say.
pub(super) fn override_bake(hosts: &mut [HostSpec], bake: Option<bool>) {
    if let Some(bake) = bake {
        hosts.iter_mut().for_each(|host| host.bake = bake);
    }
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

/// An image that is published has no password, so that a key is the only way in.
///
/// # Errors
/// The first host without one.
fn require_ssh_keys(hosts: &[HostSpec]) -> Result<(), Failure> {
    let Some(host) = hosts.iter().find(|host| host.user.ssh_keys.is_empty()) else { return Ok(()) };
    let message = format!("an image of `--release` has no password, and `{}` has no ssh key", host.hostname);
    Err(Failure::new(Class::Profile, message)
        .hint("make a key with `ssh-keygen -t ed25519`, or name one with `--ssh-key FILE`"))
}
