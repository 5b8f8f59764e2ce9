//! The secrets of a host: what its profile names, as values from the operator's machine.

use crate::command::Context;
use crate::failure::Failure;
use crate::guest::secrets::SecretFile;
use crate::host::secrets::{Resolver, SecretError};
use crate::profile::document::closest;
use crate::profile::host::{HostSpec, SecretReference};
use crate::secret::Secret;

/// The values of a host's secrets.
#[derive(Debug, Default)]
pub struct HostSecrets {
    /// The user's password hash, where the profile names one.
    pub password_hash: Option<Secret>,
    /// Those that go into files of their own.
    pub files: Vec<SecretFile>,
}

impl HostSecrets {
    /// Gets every secret that the host's profile names.
    ///
    /// # Errors
    /// The first that cannot be had.
    pub fn resolve(host: &HostSpec, resolver: &Resolver<'_>, context: &Context<'_>) -> Result<Self, Failure> {
        let value = |name: &str, reference| value(host, name, reference, resolver, context);
        let hash = host.user.password_hash.as_ref();
        let password_hash = hash.map(|reference| value("user.password_hash", reference)).transpose()?;
        let mut files = Vec::new();
        for secret in host.secrets() {
            let value = value(&secret.name, secret.reference)?;
            files.push(SecretFile { name: secret.name, key: secret.key, value });
        }
        Ok(Self { password_hash, files })
    }
}

fn value(
    host: &HostSpec,
    name: &str,
    reference: &SecretReference,
    resolver: &Resolver<'_>,
    context: &Context<'_>,
) -> Result<Secret, Failure> {
    let resolved = resolver.resolve(&reference.source).map_err(|error| {
        let near = near_name(&error);
        let what = format!("cannot get `{name}` of profile `{}` ({})", host.profile, reference.place);
        let failure = Failure::from(error).context(what);
        near.into_iter().fold(failure, Failure::hint)
    })?;
    if let Some(warning) = resolved.warning {
        context.reporter.notice(&warning);
    }
    Ok(resolved.secret)
}

/// The name that was most likely meant, or those that there are.
fn near_name(error: &SecretError) -> Option<String> {
    let SecretError::NoSuchName { name, known } = error else { return None };
    match closest(name, known.iter().map(String::as_str)) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None => Some(format!("the names there are `{}`", known.join("`, `"))),
    }
}
