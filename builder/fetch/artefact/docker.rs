//! Accounts for registries, out of the file that `docker login`, `podman login` and `skopeo login` write.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::{Zeroize as _, Zeroizing};

/// A name and a password. Neither is shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub user: Zeroizing<String>,
    /// The password, or a token in its place.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(…)")
    }
}

impl Account {
    /// An account.
    pub fn new(user: &str, password: &str) -> Self {
        Self { user: user.to_owned().into(), password: password.to_owned().into() }
    }
}

/// `config.json` of Docker, as far as it tells of accounts.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DockerConfig {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.auths.keys()).finish()
    }
}

#[derive(Default, Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.auth.zeroize();
    }
}

impl DockerConfig {
    /// Reads the file. Without a word of what is in it where it cannot be read.
    pub fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// The account for a repository, `ghcr.io/you/layers`. Keys are as several programs write them: `ghcr.io`,
    /// `https://ghcr.io/v1/`, `ghcr.io/you`; the longest that fits counts.
    pub fn account(&self, repository: &str) -> Option<Account> {
        let fitting =
            self.auths.iter().filter(|(key, entry)| is_for(key, repository) && !entry.auth.is_empty());
        let entry = fitting.max_by_key(|(key, _)| scope(key).len());
        let decoded = Zeroizing::new(STANDARD.decode(entry?.1.auth.as_bytes()).ok()?);
        let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        Some(Account::new(user, password.trim_end_matches('\0')))
    }

    /// The program that keeps the account for a registry, without `docker-credential-`.
    pub fn helper(&self, registry: &str) -> Option<&str> {
        let own = self.cred_helpers.iter().find(|(key, _)| is_for(key, registry)).map(|(_, helper)| helper);
        own.or(self.creds_store.as_ref()).map(String::as_str).filter(|name| !name.is_empty())
    }
}

/// What such programs call a registry: its host, but for that of Docker itself.
pub fn server_name(registry: &str) -> &str {
    if DOCKER_HUB.contains(&registry) { "https://index.docker.io/v1/" } else { registry }
}

/// One registry of three names (`moby/moby`, `registry/config.go`).
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// What a key is for: a registry, or a part of one. Old programs wrote an address of the registry's interface.
fn scope(key: &str) -> &str {
    match key.split_once("://") {
        Some((_, address)) => address.split('/').next().unwrap_or_default(),
        None => key.trim_end_matches('/'),
    }
}

fn is_for(key: &str, repository: &str) -> bool {
    let (scope, host) = (scope(key), repository.split('/').next().unwrap_or_default());
    let rest = repository.strip_prefix(scope);
    let is_hub = DOCKER_HUB.contains(&scope) && DOCKER_HUB.contains(&host);
    is_hub || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
