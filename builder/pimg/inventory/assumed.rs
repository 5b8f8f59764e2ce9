//! What the inventory does not say: the playbook's own values, and one guess, the gateway.

use std::net::Ipv4Addr;

use super::import::{Node, Row, RowKind};
use crate::profile::draft::{Settings, list, text};
use crate::profile::types::Ipv4Interface;

/// The cluster's name, where the inventory has none.
pub(super) const CLUSTER: &str = "k8sctl";

/// The Talos image of the playbook.
const TALOS: &str = "https://factory.talos.dev/image/88d1f7a5c4f1d3aba7df787c448c1d3d008ed29cfb34af53fa0df4336a56040b/v1.11.5/nocloud-arm64.iso";

const PLAYBOOK: &str = "as the playbook has it";

/// Adds to each node what the playbook has of its own.
pub(super) fn complete(
    cluster: &str,
    nodes: &mut [Node<'_>],
    rows: &mut Vec<Row>,
    notices: &mut Vec<String>,
) {
    let drives = list(&["/dev/nvme0n1", "/dev/nvme1n1"]);
    let held = list(&["linux-image-*", "linux-headers-*", "raspi-firmware"]);
    let values: [(&'static str, String, &str); 11] = [
        ("cluster.name", text(cluster), PLAYBOOK),
        ("zfs.pool", text("data"), PLAYBOOK),
        ("zfs.disks", drives, PLAYBOOK),
        ("zfs.wipe", text("never"), "safer than the playbook: only blank disks are taken"),
        ("pve.source", text("pxvirt"), PLAYBOOK),
        ("talos.iso", text(TALOS), PLAYBOOK),
        ("talos.cores", "4".to_owned(), PLAYBOOK),
        ("talos.memory", text("4GiB"), PLAYBOOK),
        ("talos.disk", text("32GiB"), PLAYBOOK),
        ("packages.upgrade", text("locked"), "the playbook upgrades everything"),
        ("packages.hold", held, "what starts the node is never upgraded on its own"),
    ];
    for (key, value, why) in values {
        let mut is_missing = false;
        for node in nodes.iter_mut().filter(|node| !node.settings.contains_key(key)) {
            node.settings.insert(key, value.clone());
            is_missing = true;
        }
        if is_missing {
            rows.push(assumed(cluster, key, &value, why));
        }
    }
    locales(cluster, nodes, rows);
    gateways(cluster, nodes, rows, notices);
    certificates(nodes, notices);
}

fn assumed(of: &str, key: &str, value: &str, why: &str) -> Row {
    let (key, value, why) = (Some(key.to_owned()), Some(value.to_owned()), Some(why.to_owned()));
    Row { variable: None, of: of.to_owned(), kind: RowKind::Assumed, key, value, line: None, why }
}

fn locales(cluster: &str, nodes: &mut [Node<'_>], rows: &mut Vec<Row>) {
    for node in nodes.iter_mut() {
        let Some(locale) = node.settings.get("locale.default") else { continue };
        let own = locale.trim_matches('"').to_owned();
        let mut all = vec![own.as_str(), "en_US.UTF-8"];
        all.dedup();
        let value = list(&all);
        let known =
            |row: &Row| row.key.as_deref() == Some("locale.generate") && row.value.as_ref() == Some(&value);
        if !rows.iter().any(known) {
            rows.push(assumed(cluster, "locale.generate", &value, PLAYBOOK));
        }
        node.settings.insert("locale.generate", value);
    }
}

/// The playbook takes the gateway that DHCP gave. Most networks have it at their first address.
fn gateways(cluster: &str, nodes: &mut [Node<'_>], rows: &mut Vec<Row>, notices: &mut Vec<String>) {
    for node in nodes.iter_mut().filter(|node| !node.settings.contains_key("network.gateway")) {
        let Some(own) = node.settings.get("network.address") else { continue };
        let Ok(own) = Ipv4Interface::new(own.trim_matches('"')) else { continue };
        let first = u32::from(own.network().address).saturating_add(1);
        let gateway = if u32::from(own.address) == first { first.saturating_add(1) } else { first };
        let value = text(&Ipv4Addr::from(gateway).to_string());
        let known =
            |row: &Row| row.key.as_deref() == Some("network.gateway") && row.value.as_ref() == Some(&value);
        if !rows.iter().any(known) {
            rows.push(assumed(
                cluster,
                "network.gateway",
                &value,
                "a guess: the playbook takes what DHCP gave",
            ));
            notices.push(format!(
                "look at `network.gateway`: {value} is a guess, the playbook takes what DHCP gave"
            ));
        }
        node.settings.insert("network.gateway", value);
    }
}

/// Without all three the playbook leaves TLS out.
fn certificates(nodes: &mut [Node<'_>], notices: &mut Vec<String>) {
    let needed = ["acme.domain_suffix", "acme.email", "acme.dns_provider"];
    for node in nodes.iter_mut() {
        let there = needed.iter().filter(|key| node.settings.contains_key(**key)).count();
        let has_any = there > 0 || node.settings.contains_key("acme.env");
        if has_any && there < needed.len() {
            node.settings.retain(|key, _| !key.starts_with("acme."));
            let notice = format!(
                "{}: no certificate, as with the playbook: `acme_domain_suffix`, `acme_email` and `acme_dns_provider` belong together",
                node.name
            );
            notices.push(notice);
        }
    }
}

/// The features of the playbook.
pub(super) fn overlays(shared: &Settings, own: &[Settings]) -> Vec<&'static str> {
    let has = |key: &str| shared.contains_key(key) || own.iter().any(|settings| settings.contains_key(key));
    let mut overlays = vec!["raspios", "network", "pxvirt", "pve", "zfs", "pve-node", "cluster"];
    if has("acme.email") {
        overlays.push("tls");
    }
    if has("tailscale.auth_key") {
        overlays.push("tailscale");
    }
    overlays.extend(["rpi-connect", "talos-vm", "shell"]);
    overlays
}
