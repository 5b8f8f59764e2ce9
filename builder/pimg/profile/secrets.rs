//! Which secrets a host has, under which names.

use super::host::{HostSpec, SecretReference};

/// A secret that a step of the first boot uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSecret<'a> {
    /// Its name on the node: the dotted key of the profile, such as `acme.env.CF_Token`.
    pub name: String,
    /// The part of the name that every profile has, such as `acme.env`.
    pub key: &'static str,
    /// Where its value comes from.
    pub reference: &'a SecretReference,
}

impl HostSpec {
    /// Every secret that goes into a file of its own, sorted by name. The password hash goes into the account's entry
    /// instead.
    pub fn secrets(&self) -> Vec<NamedSecret<'_>> {
        let single = [
            ("tailscale.auth_key", self.tailscale.as_ref().map(|tailscale| &tailscale.auth_key)),
            ("talos.machine_config", self.talos.as_ref().and_then(|talos| talos.machine_config.as_ref())),
        ];
        let single = single.into_iter().filter_map(|(key, reference)| {
            reference.map(|reference| NamedSecret { name: key.to_owned(), key, reference })
        });
        let variables = self.acme.iter().flat_map(|acme| &acme.env).map(|(variable, reference)| {
            NamedSecret { name: format!("acme.env.{variable}"), key: "acme.env", reference }
        });
        let mut secrets: Vec<_> = single.chain(variables).collect();
        secrets.sort_by(|a, b| a.name.cmp(&b.name));
        secrets
    }
}
