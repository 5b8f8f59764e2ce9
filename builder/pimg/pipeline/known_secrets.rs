//! All secrets of the project that this machine can show: what must not be in an image for others.

use std::collections::BTreeSet;

use crate::command::Context;
use crate::failure::Failure;
use crate::host::secrets::Resolver;
use crate::host::seed;
use crate::image::leaks::{Known, SHORTEST};
use crate::profile::host::{HostSpec, SecretReference};

use super::identity;

/// What to look for.
#[derive(Debug, Default)]
pub struct KnownSecrets {
    /// Values by what they are.
    pub values: Vec<Known>,
    /// Those that are not looked for, and why.
    pub left_out: Vec<String>,
}

/// The secrets of these hosts: what their profiles name, everything in `secrets.age`, the seeds of their clusters and
/// the private keys that follow. What cannot be had is left out: a machine that only publishes has no tokens.
///
/// # Errors
/// A seed is damaged.
pub fn known_secrets(hosts: &[HostSpec], context: &Context<'_>) -> Result<KnownSecrets, Failure> {
    let resolver = Resolver::new(&context.project, context.environment);
    let mut known = KnownSecrets::default();
    let mut seen = BTreeSet::new();
    for host in hosts {
        let hash = host.user.password_hash.as_ref().map(|hash| ("user.password_hash".to_owned(), hash));
        let files = host.secrets().into_iter().map(|secret| (secret.name, secret.reference));
        for (key, reference) in hash.into_iter().chain(files) {
            let SecretReference { source, .. } = reference;
            if !seen.insert(format!("{source:?}")) {
                continue;
            }
            let name = format!("the secret `{key}`");
            match resolver.resolve(source) {
                Ok(resolved) => known.add(name, resolved.secret),
                Err(_) => known.left_out.push(format!("{name} cannot be had here")),
            }
        }
    }
    match resolver.all_stored() {
        Ok(stored) => stored.into_iter().for_each(|(name, value)| {
            known.add(format!("the secret `{name}` of `secrets.age`"), value);
        }),
        Err(_) => known.left_out.push("`secrets.age` cannot be read here".to_owned()),
    }
    let names: BTreeSet<&str> = hosts.iter().map(HostSpec::seed_name).collect();
    for name in names {
        let path = seed::path(&context.project, name);
        if !path.exists() {
            known.left_out.push(format!("there is no `{}` here", path.display()));
            continue;
        }
        let members: Vec<&HostSpec> = hosts.iter().filter(|host| host.seed_name() == name).collect();
        let identity = identity::existing(name, &members, context)?;
        known.add(format!("the seed `{}`", path.display()), identity.seed.clone());
        known.add(format!("the seed `{}`", path.display()), seed::text(&identity.seed));
        for (host, keys) in identity.keys.iter() {
            for (pair, what) in
                [(&keys.ed25519, "Ed25519 host key"), (&keys.rsa, "RSA host key"), (&keys.root, "root key")]
            {
                known.add(format!("the private {what} of `{host}`"), pair.private.clone());
            }
        }
    }
    Ok(known)
}

impl KnownSecrets {
    fn add(&mut self, name: String, value: crate::secret::Secret) {
        if value.expose().trim_ascii().len() < SHORTEST {
            self.left_out.push(format!("{name} is shorter than {SHORTEST} bytes"));
        } else if !self.values.iter().any(|known| known.value.expose() == value.expose()) {
            self.values.push(Known { name, value });
        }
    }
}
