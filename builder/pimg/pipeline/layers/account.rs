//! The account for a registry: of the environment, or of what `docker login` and `podman login` left.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pimg_fetch::artefact::{Account, DockerConfig, server_name};
use serde::Deserialize;

use super::error::LayerError;
use crate::command::Context;
use crate::failure::Failure;
use crate::host::{files, tools};

/// The name of the account.
const USER: &str = "PIMG_REGISTRY_USER";

/// Its password, or a token.
const PASSWORD: &str = "PIMG_REGISTRY_PASSWORD";

/// Longest file of accounts, in bytes.
const LONGEST: u64 = 1 << 20;

/// How long a program that keeps passwords may take: it may ask a person.
const PATIENCE: Duration = Duration::from_secs(120);

/// The account for a repository, `ghcr.io/you/layers`, if there is one.
///
/// # Errors
/// Half of one is set, or the program that keeps it fails.
pub(super) fn account(repository: &str, context: &Context<'_>) -> Result<Option<Account>, Failure> {
    let registry = repository.split('/').next().unwrap_or_default();
    let failed = |why: String| LayerError::Account { registry: registry.to_owned(), why };
    let set = |name: &str| {
        let value = context.environment.variable(name).filter(|value| !value.is_empty())?;
        Some(value.to_str().map(str::to_owned).ok_or_else(|| failed(format!("`{name}` is not UTF-8"))))
    };
    match (set(USER).transpose()?, set(PASSWORD).transpose()?) {
        (Some(user), Some(password)) => return Ok(Some(Account::new(&user, &password))),
        (None, None) => {}
        (Some(_), None) => return Err(failed(format!("`{USER}` is set and `{PASSWORD}` is not")).into()),
        (None, Some(_)) => return Err(failed(format!("`{PASSWORD}` is set and `{USER}` is not")).into()),
    }
    for path in files_of_accounts(context) {
        let Some(text) = files::read_optional(&path, LONGEST)? else { continue };
        let config = DockerConfig::parse(&text)
            .ok_or_else(|| failed(format!("`{}` is not as `docker login` writes it", path.display())))?;
        if let Some(account) = config.account(repository) {
            return Ok(Some(account));
        }
        if let Some(helper) = config.helper(registry)
            && let Some(account) = ask(helper, server_name(registry)).map_err(failed)?
        {
            return Ok(Some(account));
        }
    }
    Ok(None)
}

/// Where Docker, Podman and skopeo keep accounts (containers-auth.json(5): the directory of a session on Linux, that of
/// settings elsewhere).
fn files_of_accounts(context: &Context<'_>) -> Vec<PathBuf> {
    let variable =
        |name: &str| context.environment.variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let docker = variable("DOCKER_CONFIG").or_else(|| Some(context.environment.home()?.join(".docker")));
    let docker = docker.map(|directory| directory.join("config.json"));
    if let Some(named) = variable("REGISTRY_AUTH_FILE") {
        return docker.into_iter().chain([named]).collect();
    }
    let settings = context.environment.home().map(|home| home.join(".config"));
    let podman = [variable("XDG_RUNTIME_DIR"), settings].into_iter().flatten();
    docker.into_iter().chain(podman.map(|directory| directory.join("containers/auth.json"))).collect()
}

/// What such programs print.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    username: String,
    secret: String,
}

/// Asks a program that keeps passwords (<https://github.com/docker/docker-credential-helpers>).
fn ask(helper: &str, registry: &str) -> Result<Option<Account>, String> {
    if !helper.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err(format!("`{}` is no name of such a program", helper.escape_default()));
    }
    let program = format!("docker-credential-{helper}");
    let script = format!("printf %s \"$0\" | {program} get");
    let command = ["/bin/sh", "-c", &script, registry].map(str::to_owned);
    let answer =
        tools::ask(&command, Path::new("/"), PATIENCE, &|| false).map_err(|error| error.to_string())?;
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.stdout);
        // by the protocol: there is no such account, which is no failure
        if said.contains("credentials not found") {
            return Ok(None);
        }
        return Err(format!("`{program}` failed"));
    }
    let kept: Kept = serde_json::from_slice(&answer.stdout)
        .map_err(|_| format!("`{program}` answered with something else"))?;
    Ok(Some(Account::new(&kept.username, &kept.secret)))
}
