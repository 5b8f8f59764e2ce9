//! Who the hosts are: seeds, keys and secrets, from the operator's machine.

use std::collections::BTreeMap;

use crate::command::Context;
use crate::failure::{Class, Failure};
use crate::guest::Keyring;
use crate::host::secrets;
use crate::host::seed::{Seed, load_or_create};
use crate::profile::host::HostSpec;
use crate::secret::Secret;

/// Seeds and keys of all hosts of a build.
pub struct Identities {
    by_seed: BTreeMap<String, Identity>,
}

/// What the hosts of one cluster share.
pub struct Identity {
    /// The secret seed.
    pub seed: Secret,
    /// Keys of all members.
    pub keys: Keyring,
}

impl Identities {
    /// Reads the seeds of these hosts, makes the missing ones, and derives all keys.
    ///
    /// # Errors
    /// A seed cannot be read or made.
    pub fn load(hosts: &[HostSpec], context: &Context<'_>) -> Result<Self, Failure> {
        let mut groups: BTreeMap<String, Vec<&HostSpec>> = BTreeMap::new();
        for host in hosts {
            groups.entry(seed_name(host)).or_default().push(host);
        }
        let mut by_seed = BTreeMap::new();
        for (name, hosts) in groups {
            let Seed { secret: seed, path, created } = load_or_create(&context.project, &name)?;
            if created {
                context.reporter.notice(&format!(
                    "made `{}`: ssh host keys and machine ids derive from it. Keep a copy, and keep it secret",
                    path.display()
                ));
            }
            let keys = Keyring::derive(&seed, hosts)?;
            by_seed.insert(name, Identity { seed, keys });
        }
        Ok(Self { by_seed })
    }

    /// What this host shares with its cluster.
    ///
    /// # Errors
    /// The identities were loaded without it.
    pub fn of(&self, host: &HostSpec) -> Result<&Identity, Failure> {
        let missing = || Failure::new(Class::Internal, format!("no seed was loaded for `{}`", host.hostname));
        self.by_seed.get(&seed_name(host)).ok_or_else(missing)
    }
}

/// A cluster's members know each other by keys of one seed; a host on its own has its own.
fn seed_name(host: &HostSpec) -> String {
    host.cluster.as_ref().map_or_else(|| host.hostname.to_string(), |cluster| cluster.name.clone())
}

/// The user's password hash, where the profile names one.
///
/// # Errors
/// It cannot be had.
pub(super) fn password_hash(host: &HostSpec, context: &Context<'_>) -> Result<Option<Secret>, Failure> {
    let Some(reference) = &host.user.password_hash else { return Ok(None) };
    let resolved = secrets::resolve(reference, &context.project, context.environment)
        .map_err(|error| Failure::from(error).context("cannot get `user.password_hash`"))?;
    if let Some(warning) = resolved.warning {
        context.reporter.notice(&warning);
    }
    Ok(Some(resolved.secret))
}
