//! The node's name, and the names that it knows by itself.

use super::error::Error;
use super::inputs::{Changes, Inputs};
use super::{seed, shell};
use crate::plan::change::{Change, Origin};
use crate::profile::host::HostSpec;

/// The changes of this file.
///
/// # Errors
/// The base cannot be read.
pub fn changes(inputs: &Inputs<'_>) -> Result<Vec<Change>, Error> {
    let mut changes = Changes::default();
    let host = inputs.host;
    changes.file("/etc/hostname", 0o644, format!("{}\n", host.hostname), inputs.key("hostname"))?;
    changes.file("/etc/hosts", 0o644, hosts(host), inputs.key("hostname"))?;
    changes.file("/etc/pimg/node.conf", 0o644, settings(host), inputs.key("hostname"))?;
    // With an id that is there from the start systemd sees no first boot, applies no presets and asks nothing
    // (`machine-id(5)`, "First Boot Semantics"): what is to run is enabled by links.
    let id = format!("{}\n", seed::machine_id(inputs.seed, &host.hostname));
    let origin = || Origin::Rule { rule: "machine id from the cluster's seed" };
    changes.file("/etc/machine-id", 0o444, id, origin())?;
    if inputs.kind("/var/lib/dbus")?.is_some() {
        changes.symlink("/var/lib/dbus/machine-id", "/etc/machine-id", origin())?;
    }
    Ok(changes.0)
}

/// What scripts of the first boot know of the node, as assignments of a shell.
fn settings(host: &HostSpec) -> String {
    let network = &host.network;
    let values = [
        ("name", host.hostname.to_string()),
        ("address", network.address.address.to_string()),
        ("gateway", network.gateway.to_string()),
        ("user", host.user.name.to_string()),
    ];
    values.map(|(key, value)| format!("node_{key}={}\n", shell::word(&value))).concat()
}

/// `/etc/hosts` (`hosts(5)`). Proxmox VE takes what the host's name resolves to for the node's address in the cluster,
/// so the name is not on a loopback address as Debian has it.
pub fn hosts(host: &HostSpec) -> String {
    let line = |address: std::net::Ipv4Addr, name: &str| match &host.domain {
        Some(domain) => format!("{address} {name}.{domain} {name}\n"),
        None => format!("{address} {name}\n"),
    };
    let others = host.cluster.iter().flat_map(|cluster| &cluster.nodes);
    let others = others.filter(|node| node.hostname != host.hostname);
    let mut text =
        "127.0.0.1 localhost\n".to_owned() + &line(host.network.address.address, host.hostname.as_str());
    text.extend(others.map(|node| line(node.address, node.hostname.as_str())));
    text + "\n::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
}

#[cfg(test)]
mod tests {
    use super::{changes, hosts};
    use crate::guest::test_support::{MapBase, host, inputs, link, put, untouched};

    #[test]
    fn every_member_resolves_to_its_address() {
        let expected = "127.0.0.1 localhost\n10.10.80.50 k8sctl-pi5l.lab.example k8sctl-pi5l\n10.10.80.51 \
                        k8sctl-pi5r.lab.example k8sctl-pi5r\n\n::1 localhost ip6-localhost ip6-loopback\nff02::1 \
                        ip6-allnodes\nff02::2 ip6-allrouters\n";
        assert_eq!(hosts(&host()), expected);
        let mut alone = host();
        (alone.cluster, alone.domain) = (None, None);
        assert!(hosts(&alone).starts_with("127.0.0.1 localhost\n10.10.80.50 k8sctl-pi5l\n\n"));
    }

    #[test]
    fn the_machine_id_is_a_systemd_id_and_the_only_one() {
        let host = host();
        let base = MapBase::default().file("/var/lib/dbus/machine-id", "0123\n");
        let found = changes(&inputs(&host, &base)).expect("changes");
        let (id, mode) = put(&found, "/etc/machine-id");
        assert_eq!((id.len(), mode), (33, 0o444));
        assert!(id.trim_end().chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)), "{id}");
        assert_eq!(id.get(12..13), Some("4"));
        assert_eq!(link(&found, "/var/lib/dbus/machine-id"), "/etc/machine-id");
        let found = changes(&inputs(&host, &MapBase::default())).expect("changes");
        assert!(untouched(&found, "/var/lib/dbus/machine-id"));
        assert_eq!(put(&found, "/etc/hostname").0, "k8sctl-pi5l\n");
    }
}
