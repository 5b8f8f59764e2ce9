//! What a person writes to name a place: `oci://registry/repository:tag`, `s3://bucket/prefix`, `https://host/dir/`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;

/// A text that names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadReference(String);

/// A place, and the tag in it where one was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A repository of a registry.
    Registry {
        /// Where: `registry/repository`.
        repository: String,
        /// The tag, where one was named.
        tag: Option<String>,
    },
    /// A directory of plain files: `https`, `http`, `s3`, `file`.
    Store(Url),
}

impl Reference {
    /// The tag that was named.
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Registry { tag, .. } => tag.as_deref(),
            Self::Store(_) => None,
        }
    }

    /// Registry and repository, for whoever looks for an account.
    pub fn repository(&self) -> Option<&str> {
        match self {
            Self::Registry { repository, .. } => Some(repository),
            Self::Store(_) => None,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry { repository, tag: None } => write!(f, "oci://{repository}"),
            Self::Registry { repository, tag: Some(tag) } => write!(f, "oci://{repository}:{tag}"),
            Self::Store(url) => write!(f, "{url}"),
        }
    }
}

impl FromStr for Reference {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        let bad = |why: &str| BadReference(why.to_owned());
        let Some((scheme, rest)) = text.split_once("://") else {
            return registry(text);
        };
        if scheme == "oci" {
            return registry(rest);
        }
        if !["https", "http", "s3", "file"].contains(&scheme) {
            return Err(BadReference(format!(
                "`{scheme}://` is not among `oci`, `https`, `http`, `s3` and `file`"
            )));
        }
        let mut url = Url::parse(text).map_err(|error| BadReference(error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("an address is no place for a password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("an address of a directory has no `?` and no `#`"));
        }
        if scheme != "file" && url.host_str().is_none_or(str::is_empty) {
            return Err(bad("it names no host"));
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self::Store(url))
    }
}

fn registry(text: &str) -> Result<Reference, BadReference> {
    let (host, _) = text.split_once('/').ok_or_else(|| BadReference("it names no repository".to_owned()))?;
    if host != "localhost" && !host.contains(['.', ':']) {
        // Docker would take it for a user of Docker Hub
        return Err(BadReference(format!("`{host}` is no registry, such as `ghcr.io`")));
    }
    if host.contains('@') {
        return Err(BadReference("an address is no place for a password".to_owned()));
    }
    let parsed: oci_client::Reference = text.parse().map_err(|error| BadReference(format!("{error}")))?;
    if parsed.digest().is_some() {
        return Err(BadReference("a tag is expected, not a digest".to_owned()));
    }
    let last = text.rsplit('/').next().unwrap_or_default();
    let tag = parsed.tag().filter(|_| last.contains(':')).map(str::to_owned);
    Ok(Reference::Registry { repository: format!("{}/{}", parsed.registry(), parsed.repository()), tag })
}

/// Whether a host, with or without a port, is the machine itself.
pub(super) fn is_this_machine(host: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
